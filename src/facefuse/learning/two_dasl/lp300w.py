"""Set J out of 300W-LP (Zhu et al., CVPR 2016), for the published 62 parameters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facefuse.errors import UnusableInput
from facefuse.evaluation.matfile import read_mat5
from facefuse.learning.landmarks.augment import Placement, cut, random_placement
from facefuse.learning.landmarks.batches import sampling_chances
from facefuse.learning.landmarks.network import CROP_SIZE
from facefuse.learning.two_dasl.config import DataConfig
from facefuse.learning.two_dasl.data import Batch
from facefuse.morphable.importers.bfm_3ddfa import EXPRESSION_MODES, FLIP_Y, PARAMETERS, SHAPE_MODES, Bfm3ddfa
from facefuse.morphable.importers.lp_labels import euler_matrix
from facefuse.photos import read_photo

Floats = NDArray[np.floating]

_NEEDED = {"Pose_Para": 7, "Shape_Para": 199, "Exp_Para": 29}
_MAX_BYTES = 4_000_000


def read_label(path: Path) -> Floats:
    """The 62 unwhitened parameters (photo pixels, y upwards) of a ``.mat`` file: `lp_labels` tells what they mean.

    Raises
    ------
    UnusableInput
        If it is no label of 300W-LP or AFLW2000-3D.
    """
    try:
        content = path.read_bytes()
        if len(content) > _MAX_BYTES:
            raise ValueError(f"{len(content)} bytes")
        arrays = read_mat5(content)
        parts = {name: np.ravel(arrays[name]) for name in _NEEDED}
        for name, count in _NEEDED.items():
            if parts[name].size != count or not np.isfinite(parts[name]).all():
                raise ValueError(f"{name} has {parts[name].size} values")
    except (OSError, ValueError, KeyError) as error:
        raise UnusableInput(f"{path}: not a label of 300W-LP ({error})") from error
    pose = parts["Pose_Para"]
    matrix = np.concatenate([pose[6] * euler_matrix(*pose[:3]), pose[3:6, None]], axis=1)
    shape, expression = parts["Shape_Para"][:SHAPE_MODES], parts["Exp_Para"][:EXPRESSION_MODES]
    return np.concatenate([matrix.reshape(12), shape, expression])


def moved_label(labels: Floats, placement: Placement, height: int) -> Floats:
    """Parameters (N, 62) in crops, from those in photos of a height; crops must not be mirrored.

    A crop pixel is ``B (photo pixel) + b``, both counted from the centre of the top-left one, which MATLAB calls
    (1, 1); y points upwards in the parameters.
    """
    matrices = placement.matrices(CROP_SIZE)
    inverse = np.linalg.inv(matrices[:, :, :2])
    offset = -np.einsum("nij,nj->ni", inverse, matrices[:, :, 2])
    shrink = CROP_SIZE / placement.side
    pose = labels[:, :12].reshape(-1, 3, 4)
    moved = np.empty_like(pose)
    x, y = pose[:, 0], pose[:, 1]
    moved[:, 0] = inverse[:, 0, :1] * x - inverse[:, 0, 1:] * y
    down = inverse[:, 1, :1] * x - inverse[:, 1, 1:] * y
    # photo x = V_x - 1 and photo y = height - V_y
    first = np.array([-1.0, float(height)])
    moved[:, 0, 3] += inverse[:, 0] @ first + offset[:, 0]
    moved[:, 1] = -down
    moved[:, 1, 3] += FLIP_Y - (inverse[:, 1] @ first + offset[:, 1])
    moved[:, 2] = shrink[:, None] * pose[:, 2]
    return np.concatenate([moved.reshape(-1, 12), labels[:, 12:]], axis=1)


class LpPhotos:
    """Batches of 300W-LP in the published coefficient space.

    Mirrored copies are part of the data set, so crops are not mirrored (the model's modes are not symmetric).

    Parameters
    ----------
    folder
        With ``.jpg`` and ``.mat`` pairs in any subfolder.
    model
        The face model the labels refer to.
    config
        Crops and pose shares.

    Raises
    ------
    UnusableInput
        If there are no pairs, or a label is damaged.
    """

    def __init__(self, folder: Path, model: Bfm3ddfa, config: DataConfig) -> None:
        self._photos = sorted(path for path in folder.rglob("*.jpg") if path.with_suffix(".mat").is_file())
        if not self._photos:
            raise UnusableInput(f"{folder}: no photo with its .mat file; expected 300W-LP as published")
        self._labels = np.stack([read_label(path.with_suffix(".mat")) for path in self._photos])
        self._model, self._config = model, config
        yaw = np.degrees(np.arcsin(np.clip(-self._labels[:, 2] / np.linalg.norm(self._labels[:, :3], axis=1), -1, 1)))
        self._chances = sampling_chances(yaw, config.pose_shares)

    def __len__(self) -> int:
        return len(self._photos)

    def draw(self, count: int, values: int, rng: np.random.Generator) -> Batch:
        """Draw photos and cut them out at random."""
        if values != PARAMETERS:
            raise ValueError(f"300W-LP has {PARAMETERS} parameters, the space {values}")
        config, model = self._config, self._model
        chosen = rng.choice(len(self._photos), count, p=self._chances)
        sources = np.stack([read_photo(self._photos[i]).pixels for i in chosen])
        labels = self._labels[chosen]
        landmarks = model.mean[model.keypoints] + np.tensordot(
            labels[:, 12:], np.concatenate([model.shape_basis, model.expression_basis])[:, model.keypoints], 1
        )
        height = sources.shape[1]
        pose = labels[:, :12].reshape(-1, 3, 4)
        placed = landmarks @ pose[:, :, :3].transpose(0, 2, 1) + pose[:, None, :, 3]
        points = np.stack([placed[..., 0] - 1.0, height - placed[..., 1]], axis=-1)
        drawn = random_placement(points, config.augment, rng)
        placement = Placement(drawn.centre, drawn.side, drawn.roll, np.zeros(count, bool))
        crops = cut(sources, np.arange(count), placement, sources, config.size, config.augment, rng)
        return Batch(
            crops=crops,
            points=placement.to_crop(points, CROP_SIZE).astype(np.float32),
            weight=np.ones((count, 68), np.float32),
            scores=np.zeros((count, EXPRESSION_MODES), np.float32),
            has_scores=np.zeros(count, np.float32),
            truth=model.whiten(moved_label(labels, placement, height)).astype(np.float32),
            has_truth=np.ones(count, np.float32),
            noise=rng.standard_normal((count, 18, 2)).astype(np.float32),
            chance=rng.random(count).astype(np.float32),
        )

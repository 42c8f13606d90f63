"""Set J: photos with 3D truth, cut out at random; the truth moves with the crop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facefuse.geometry.cameras import PinholeCamera
from facefuse.learning.landmarks.augment import Placement, cut, random_placement
from facefuse.learning.landmarks.batches import sampling_chances
from facefuse.learning.landmarks.network import CROP_SIZE
from facefuse.learning.landmarks.points import IBUG_POINTS
from facefuse.learning.two_dasl.config import DataConfig
from facefuse.learning.two_dasl.data import Batch
from facefuse.learning.two_dasl.space import CENTRE, HALF
from facefuse.morphable.mirror import mirrored_names, mode_parity
from facefuse.morphable.model import FaceModel
from facefuse.regression.network import TYPICAL_SCALE

Floats = NDArray[np.floating]

_MIRROR = np.diag([-1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Sample3D:
    """Photos of one size with 3D truth.

    Attributes
    ----------
    photos
        (N, S, S, 3) uint8 sRGB.
    points, weight
        (N, P, 2) px of the photo, 68 landmarks first; (N, P), 0 where a point is not known.
    identity, expression
        (N, K) and (N, E).
    rotation
        (N, 3, 3) camera from model of a scaled orthographic camera.
    scale, translation
        (N,) px per mm and (N, 2) px of the photo.
    yaw_deg
        (N,).
    """

    photos: NDArray[np.uint8]
    points: NDArray[np.float32]
    weight: NDArray[np.float32]
    identity: NDArray[np.float32]
    expression: NDArray[np.float32]
    rotation: NDArray[np.float32]
    scale: NDArray[np.float32]
    translation: NDArray[np.float32]
    yaw_deg: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.photos)


def orthographic_view(camera: PinholeCamera, points: Floats) -> tuple[Floats, float, Floats]:
    """The scaled orthographic camera that comes closest to a pinhole camera on given points.

    It looks along the ray through the middle of the points; scale and translation are the least-squares ones.

    Parameters
    ----------
    camera
    points
        (P, 3) model frame, mm.

    Returns
    -------
    (3, 3), px per mm, (2,) px
    """
    pixels = np.asarray(camera.project(points))
    middle = np.asarray(camera.to_camera(points)).mean(axis=0)
    ray = middle / np.linalg.norm(middle)
    turn = _rotation_between(ray, np.array([0.0, 0.0, 1.0]))
    rotation = turn @ np.asarray(camera.rotation)
    flat = points @ rotation[:2].T
    centred, seen = flat - flat.mean(axis=0), pixels - pixels.mean(axis=0)
    scale = float((centred * seen).sum() / (centred**2).sum())
    return rotation, scale, pixels.mean(axis=0) - scale * flat.mean(axis=0)


def _rotation_between(a: Floats, b: Floats) -> Floats:
    """The smallest rotation that takes unit vector a to b."""
    axis, cosine = np.cross(a, b), float(a @ b)
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    turn: Floats = np.eye(3) + cross + cross @ cross / (1.0 + cosine)
    return turn


class TruthPhotos:
    """Batches of set J in the coefficient space of the base model.

    Parameters
    ----------
    sample
        Photos to draw from.
    model
        Whose coefficients the truth holds.
    identity_modes
        Of the space.
    mirror
        (P,) mirror partner of each point.
    config
        Crops and pose shares.
    """

    def __init__(
        self, sample: Sample3D, model: FaceModel, identity_modes: int, mirror: NDArray[np.intp], config: DataConfig
    ) -> None:
        self._sample, self._config, self._mirror = sample, config, mirror
        self._modes = min(identity_modes, model.identity_count)
        self._parity = mode_parity(model)[: self._modes]
        self._partner = mirrored_names(model.expression_names)
        self._chances = sampling_chances(sample.yaw_deg, config.pose_shares)

    def draw(self, count: int, values: int, rng: np.random.Generator) -> Batch:
        """Draw photos and cut them out at random."""
        sample, config = self._sample, self._config
        chosen = rng.choice(len(sample), count, p=self._chances)
        source = sample.points[chosen].astype(float)
        placement = random_placement(source[:, :IBUG_POINTS], config.augment, rng)
        crops = cut(sample.photos, chosen, placement, sample.photos[:64], config.size, config.augment, rng)
        flip = placement.flip
        target, weight = placement.to_crop(source, CROP_SIZE), sample.weight[chosen]
        target = np.where(flip[:, None, None], target[:, self._mirror], target)
        weight = np.where(flip[:, None], weight[:, self._mirror], weight)
        identity = sample.identity[chosen][:, : self._modes]
        expression = sample.expression[chosen]
        expression = np.where(flip[:, None], expression[:, self._partner], expression)
        truth = np.concatenate(
            [
                np.where(flip[:, None], identity * self._parity, identity),
                expression,
                moved_camera(sample.rotation[chosen], sample.scale[chosen], sample.translation[chosen], placement),
            ],
            axis=1,
        )
        if truth.shape[1] != values:
            raise ValueError(f"the truth has {truth.shape[1]} values, the space {values}")
        return Batch(
            crops=crops,
            points=target.astype(np.float32),
            weight=weight.astype(np.float32),
            scores=expression.astype(np.float32),
            has_scores=np.zeros(count, np.float32),
            truth=truth.astype(np.float32),
            has_truth=np.ones(count, np.float32),
            noise=rng.standard_normal((count, 18, 2)).astype(np.float32),
            chance=rng.random(count).astype(np.float32),
        )


def moved_camera(rotation: Floats, scale: Floats, translation: Floats, placement: Placement) -> Floats:
    """Camera values (N, 9) in crops of scaled orthographic cameras in photos; see `BaseSpace` for their layout.

    A mirrored crop shows the mirrored face: its rotation is the mirror image in model and camera.
    """
    matrices = placement.matrices(CROP_SIZE)
    shrink = CROP_SIZE / placement.side
    # crop = turn · photo, with turn the inverse of the placement's own rotation (and mirroring)
    turn = np.zeros((len(scale), 3, 3))
    turn[:, :2, :2] = np.linalg.inv(matrices[:, :, :2]) / shrink[:, None, None]
    turn[:, 2, 2] = 1.0
    turned = turn @ rotation
    mirrored = np.where(placement.flip[:, None, None], turned @ _MIRROR, turned)
    place = placement.to_crop(translation[:, None].astype(float), CROP_SIZE)[:, 0]
    values: Floats = np.concatenate(
        [
            mirrored[:, :2].reshape(-1, 6),
            np.log(scale * shrink / TYPICAL_SCALE)[:, None],
            (place - CENTRE) / HALF,
        ],
        axis=1,
    )
    return values

"""Set I: face photos with 2D landmarks only, and batches of both sets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facefuse.learning.landmarks.augment import cut, random_placement
from facefuse.learning.landmarks.batches import sampling_chances
from facefuse.learning.landmarks.data import FaceSet, read_faces, split
from facefuse.learning.landmarks.network import CROP_SIZE
from facefuse.learning.landmarks.points import IBUG_POINTS
from facefuse.learning.two_dasl.config import DataConfig
from facefuse.morphable.mirror import mirrored_names
from facefuse.regression.lids import closed_lids

FIRST_IRIS_POINT = 468
"""MediaPipe's mesh has 468 points; those from here on lie on the irises."""

MESH_YAW = 50.0
"""Degrees of yaw up to which mesh labels know whether an eye is shut."""

_SHUT = 0.4
"""Blink score from which an eye counts as shut; MediaPipe's seldom exceeds 0.8."""


@dataclass(frozen=True)
class Sample2D:
    """Photos of set I.

    Attributes
    ----------
    faces
        Photos, points, weights (0 where a point has no label).
    scores
        (N, E) blendshape scores in the face model's order; NaN where there are none.
    """

    faces: FaceSet
    scores: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.faces)


@dataclass(frozen=True)
class Batch:
    """A training batch, set J first.

    Attributes
    ----------
    crops
        (N, S, S, 3) uint8 sRGB.
    points, weight
        (N, P, 2) px of a `CROP_SIZE` crop, 68 landmarks first; (N, P) float32, 0 where a point has no label.
    scores, has_scores
        (N, E) blendshape scores; (N,) 1 where they are known.
    truth, has_truth
        (N, D) values of the coefficient space; (N,) 1 for set J.
    noise
        (N, 18, 2) standard normal, for the points of maps; (N,) uniform ``chance``, for leaving maps empty.
    """

    crops: NDArray[np.uint8]
    points: NDArray[np.float32]
    weight: NDArray[np.float32]
    scores: NDArray[np.float32]
    has_scores: NDArray[np.float32]
    truth: NDArray[np.float32]
    has_truth: NDArray[np.float32]
    noise: NDArray[np.float32]
    chance: NDArray[np.float32]


def read_aflw(folder: Path, expression_names: tuple[str, ...], held_out: int, seed: int) -> tuple[Sample2D, Sample2D]:
    """Training and held-out photos of the AFLW folder: fused labels and MediaPipe's blendshape scores.

    Mesh points of the irises are left out: face models have no fixed place for them. Eyes that the mesh labels show
    shut are shut among the 68 landmarks too, which they never are by themselves.
    """
    faces = read_faces(folder)
    faces = with_points(faces, np.concatenate([np.ones(IBUG_POINTS, bool), faces.mesh_indices < FIRST_IRIS_POINT]))
    faces = with_shut_eyes(faces)
    with np.load(folder / "mesh_labels.npz") as labels:
        names = [str(name) for name in labels["blendshape_names"]]
        table = labels["blendshapes"].astype(np.float32)
    order = [names.index(name) for name in expression_names]
    parts = split(faces, held_out, seed)
    return tuple(Sample2D(part, table[part.row][:, order]) for part in parts)  # type: ignore[return-value]


def with_shut_eyes(faces: FaceSet) -> FaceSet:
    """The same photos with the 68 landmarks' upper lids where the mesh labels have them, up to `MESH_YAW`."""
    points = faces.points.copy()
    mesh = np.where(np.abs(faces.yaw_deg)[:, None, None] < MESH_YAW, points[:, IBUG_POINTS:], np.nan)
    points[:, :IBUG_POINTS] = closed_lids(points[:, :IBUG_POINTS], mesh, faces.mesh_indices)
    return replace(faces, points=points)


def with_points(faces: FaceSet, kept: NDArray[np.bool_]) -> FaceSet:
    """The same photos with some of the points (P,); mirror partners must stay or go together."""
    renumbered = np.cumsum(kept) - 1
    return replace(
        faces,
        points=faces.points[:, kept],
        weight=faces.weight[:, kept],
        mesh_indices=faces.mesh_indices[kept[IBUG_POINTS:]],
        mirror=renumbered[faces.mirror[kept]],
    )


class LandmarkPhotos:
    """Batches of set I.

    Parameters
    ----------
    sample
        Photos to draw from.
    expression_names
        Of the columns of the sample's scores.
    config
        Crops and pose shares.
    """

    def __init__(self, sample: Sample2D, expression_names: tuple[str, ...], config: DataConfig) -> None:
        self._sample, self._config = sample, config
        self._chances = sampling_chances(sample.faces.yaw_deg, config.pose_shares)
        shut = shut_eyes(sample.scores, expression_names)
        if config.shut_eyes and shut.any():
            self._chances = (1 - config.shut_eyes) * self._chances + config.shut_eyes * shut / shut.sum()
        self._mirror = mirrored_names(expression_names)

    def draw(self, count: int, values: int, rng: np.random.Generator) -> Batch:
        """Draw photos and cut them out at random; ``values`` is the size of the coefficient space."""
        faces, config = self._sample.faces, self._config
        chosen = rng.choice(len(faces), count, p=self._chances)
        source = faces.points[chosen].astype(float)
        placement = random_placement(source[:, :IBUG_POINTS], config.augment, rng)
        crops = cut(faces.photos, chosen, placement, faces.photos[:64], config.size, config.augment, rng)
        flip = placement.flip[:, None]
        target = placement.to_crop(source, CROP_SIZE)
        target = np.where(flip[..., None], target[:, faces.mirror], target)
        weight = np.where(flip, faces.weight[chosen][:, faces.mirror], faces.weight[chosen])
        scores = self._sample.scores[chosen]
        scores = np.where(flip, scores[:, self._mirror], scores)
        known = ~np.isnan(scores[:, 0])
        return Batch(
            crops=crops,
            points=np.nan_to_num(target).astype(np.float32),
            weight=weight.astype(np.float32),
            scores=np.nan_to_num(scores).astype(np.float32),
            has_scores=known.astype(np.float32),
            truth=np.zeros((count, values), np.float32),
            has_truth=np.zeros(count, np.float32),
            noise=rng.standard_normal((count, 18, 2)).astype(np.float32),
            chance=rng.random(count).astype(np.float32),
        )


def shut_eyes(scores: NDArray[np.floating], expression_names: tuple[str, ...]) -> NDArray[np.bool_]:
    """Which of the photos show both eyes shut, (N,), by their scores (N, E); False where there are none."""
    lids = [k for k, name in enumerate(expression_names) if name.startswith("eyeBlink")]
    if not lids:
        return np.zeros(len(scores), bool)
    shut: NDArray[np.bool_] = scores[:, lids].min(axis=1) >= _SHUT
    return shut


def joined(batches: list[Batch]) -> Batch:
    """One batch out of several, in order."""
    fields = {name: np.concatenate([getattr(one, name) for one in batches]) for name in batches[0].__dict__}
    return replace(batches[0], **fields)

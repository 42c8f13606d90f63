"""Training batches, a pure function of (seed, step): a resumed run sees exactly what the first one would have seen."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from .augment import Batch, background_placement, cut, missed_placement, random_placement
from .config import TrainConfig
from .data import FaceSet
from .network import CROP_SIZE
from .points import IBUG_POINTS

_POSE_LIMITS_DEG = (30.0, 60.0)


def sampling_chances(yaw_deg: NDArray[np.floating], shares: tuple[float, float, float]) -> NDArray[np.floating]:
    """Chance (N,) of drawing each face so that the three pose bins appear in the given shares."""
    pose_bin = np.digitize(np.abs(yaw_deg), _POSE_LIMITS_DEG)
    counts = np.bincount(pose_bin, minlength=3)
    chance = (np.array(shares) / np.maximum(counts, 1))[pose_bin]
    total: NDArray[np.floating] = chance / chance.sum()
    return total


def mixed_chances(faces: FaceSet, config: TrainConfig) -> NDArray[np.floating]:
    """Chance (N,) of drawing each face: `sampling_chances` among real and among rendered ones, each with its share."""
    rendered = faces.row < 0
    if rendered.all() or not rendered.any():
        return sampling_chances(faces.yaw_deg, config.pose_shares)
    chances = np.empty(len(faces))
    for chosen, share in ((rendered, config.synthetic_share), (~rendered, 1.0 - config.synthetic_share)):
        chances[chosen] = share * sampling_chances(faces.yaw_deg[chosen], config.pose_shares)
    return chances


def make_batch(
    faces: FaceSet,
    backgrounds: NDArray[np.uint8],
    chances: NDArray[np.floating],
    config: TrainConfig,
    step: int,
) -> Batch:
    """The batch of a step: faces first, then non-faces (half of them misplaced crops of faces)."""
    rng = np.random.default_rng([config.seed, step])
    size = config.size_at(step)
    chosen = rng.choice(len(faces), config.batch, p=chances)
    source_points = faces.points[chosen].astype(float)
    placement = random_placement(source_points[:, :IBUG_POINTS], config.augment, rng)
    crops = [cut(faces.photos, chosen, placement, backgrounds, size, config.augment, rng)]
    mirrored = placement.flip[:, None]
    target = placement.to_crop(source_points, CROP_SIZE)
    target = np.where(mirrored[..., None], target[:, faces.mirror], target)
    weight = faces.weight[chosen]
    weight = np.where(mirrored, weight[:, faces.mirror], weight)

    misses = config.negatives // 2
    others = rng.integers(0, len(faces), misses)
    missed = missed_placement(faces.points[others, :IBUG_POINTS].astype(float), rng)
    crops.append(cut(faces.photos, others, missed, backgrounds, size, config.augment, rng))
    empty = config.negatives - misses
    places = background_placement(empty, backgrounds.shape[1], rng)
    scenes = rng.integers(0, len(backgrounds), empty)
    crops.append(cut(backgrounds, scenes, places, backgrounds, size, config.augment, rng))

    points = faces.points.shape[1]
    none = np.zeros((config.negatives, points))
    return Batch(
        crops=np.concatenate(crops),
        target=np.nan_to_num(np.concatenate([target, np.zeros((config.negatives, points, 2))])).astype(np.float32),
        weight=np.concatenate([weight, none]).astype(np.float32),
        is_face=np.concatenate([np.ones(config.batch), np.zeros(config.negatives)]).astype(np.float32),
    )


def batches(faces: FaceSet, backgrounds: NDArray[np.uint8], config: TrainConfig, first: int) -> Iterator[Batch]:
    """Batches of the steps from ``first`` on, each made while the one before is in use."""
    chances = mixed_chances(faces, config)
    with ThreadPoolExecutor(1) as maker:
        coming = maker.submit(make_batch, faces, backgrounds, chances, config, first)
        for step in range(first, config.steps):
            ready = coming.result()
            if step + 1 < config.steps:
                coming = maker.submit(make_batch, faces, backgrounds, chances, config, step + 1)
            yield ready

"""A tiny set of made-up faces: dots on noise."""

from __future__ import annotations

import numpy as np

from facefuse.learning.landmarks.config import NetworkConfig, TrainConfig
from facefuse.learning.landmarks.data import FaceSet
from facefuse.learning.landmarks.points import IBUG_MIRROR

MESH = 4
TINY = TrainConfig(
    network=NetworkConfig(stem=4, channels=(4, 8, 8, 8), blocks=(1, 1, 1, 1), head=8),
    stages=((48, 3), (64, 1)),
    batch=4,
    negatives=2,
    warm_up=2,
    held_out=2,
    threads=1,
    compile=False,
    log_every=1,
    save_every=2,
)


def made_up_faces(count: int = 12, seed: int = 0) -> FaceSet:
    rng = np.random.default_rng(seed)
    points = rng.uniform(35.0, 85.0, (count, 68 + MESH, 2)).astype(np.float32)
    weight = np.ones((count, 68 + MESH), np.float32)
    points[0, 68:], weight[0, 68:] = np.nan, 0.0
    return FaceSet(
        photos=rng.integers(0, 256, (count, 120, 120, 3)).astype(np.uint8),
        points=points,
        weight=weight,
        yaw_deg=np.linspace(-80.0, 80.0, count).astype(np.float32),
        group=np.arange(count) // 2,
        mesh_indices=np.array([1, 4, 33, 263]),
        mirror=np.concatenate([IBUG_MIRROR, 68 + np.array([0, 1, 3, 2])]),
        row=np.arange(count),
    )


def made_up_backgrounds() -> np.ndarray:
    return np.random.default_rng(9).integers(0, 256, (3, 64, 64, 3)).astype(np.uint8)

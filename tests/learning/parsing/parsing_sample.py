"""Painted faces: every part a colour of its own, so that a parser can learn it in a few steps."""

from __future__ import annotations

import numpy as np

from facefuse.learning.parsing.faces import LabelledFaces

SIDE = 64
COLOURS = np.random.default_rng(3).integers(30, 256, (11, 3)).astype(np.uint8)


def painted_faces(count: int = 12, seed: int = 0) -> LabelledFaces:
    """Faces of two photos per person, moved about; every fourth is half covered."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((count, SIDE, SIDE), np.uint8)
    points = np.empty((count, 68, 2), np.float32)
    for k in range(count):
        x, y = rng.integers(24, 40, 2)
        labels[k, y - 18 : y + 18, x - 16 : x + 16] = 1
        for dx, brow, eye in ((-12, 2, 4), (3, 3, 5)):
            labels[k, y - 12 : y - 9, x + dx : x + dx + 9] = brow
            labels[k, y - 7 : y - 4, x + dx : x + dx + 9] = eye
        labels[k, y - 4 : y + 4, x - 3 : x + 3] = 6
        for row, part in ((7, 8), (9, 7), (11, 9)):
            labels[k, y + row : y + row + 2, x - 7 : x + 7] = part
        if k % 4 == 0:
            labels[k, y - 18 : y + 18, x - 16 : x - 8] = 10
        at = rng.uniform(-15, 15, (68, 2))
        at[0], at[8] = (-16, -18), (15, 17)
        at[36:42], at[42:48], at[48:68] = (-8, -6), (7, -6), (0, 10)
        points[k] = at + np.array([x, y])
    photos = np.clip(COLOURS[labels] + rng.normal(0, 6, (*labels.shape, 3)), 0, 255).astype(np.uint8)
    return LabelledFaces(photos, points, labels, np.arange(count) // 2)

"""Fine variation for what no photo shows, so that it does not look like plastic beside what one does."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]

SKIN_ROUGHNESS, HAIR_ROUGHNESS = 0.035, 0.22
"""Amplitudes relative to the colour."""
_TILE = 256
_STRAND_MM, _STRAND_LENGTH_MM = 0.7, 22.0


@lru_cache(maxsize=1)
def grain_tiles() -> npt.NDArray[np.float32]:
    """Periodic noise, about -1 to 1, (2, 256, 256): pores and blotches of skin; strands (along y) and locks of hair."""
    rng = np.random.default_rng(0)
    fine = rng.uniform(-1, 1, (2, _TILE, _TILE))
    blotches = np.kron(rng.uniform(-1, 1, (_TILE // 8, _TILE // 8)), np.ones((8, 8)))
    locks = np.kron(rng.uniform(-1, 1, (_TILE, _TILE // 4)), np.ones((1, 4)))
    return np.stack((0.75 * fine[0] + 0.4 * blotches, 0.6 * fine[1] + 0.6 * locks)).astype(np.float32)


def strand_coordinates(mean: FloatArray) -> npt.NDArray[np.float32]:
    """Where each vertex of the mean head (V, 3) lies across and along its hair, (V, 2), in pixels of the tile.

    Strands leave the whorl, above and behind the middle of the head, and fall along its meridians, wavy as locks are.
    """
    middle = (mean.min(0) + mean.max(0)) / 2
    whorl = mean[mean[:, 1].argmax()] - [0.0, 0.12 * np.ptp(mean[:, 1]), 0.2 * np.ptp(mean[:, 2])]
    axis = whorl - middle
    axis[0] = 0.0
    reach = float(np.linalg.norm(axis))
    axis = axis / reach
    offset = mean - middle
    height = offset @ axis
    flat = offset - height[:, None] * axis
    forward = np.cross([1.0, 0.0, 0.0], axis)
    along = np.arctan2(np.linalg.norm(flat, axis=1), height) * reach
    # from the front round to the back on either side, without a jump
    around = np.arctan2(np.abs(flat[:, 0]), flat @ forward) * reach
    around = around + 5 * np.sin(along / 17) + 2 * np.sin(along / 7 + around / 30)
    return np.stack((around / _STRAND_MM, along / _STRAND_LENGTH_MM), axis=1).astype(np.float32)

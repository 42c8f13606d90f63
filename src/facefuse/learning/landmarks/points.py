"""Which landmark is which: mirror partners of the 68 iBUG points and of the mesh points, and AFLW's 21 among the 68."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

IBUG_POINTS = 68

_IBUG_MIRROR = (
    *range(16, -1, -1),  # jaw
    *range(26, 16, -1),  # brows
    *(27, 28, 29, 30, 35, 34, 33, 32, 31),  # nose
    *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),  # eyes
    *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55),  # outer lips
    *(64, 63, 62, 61, 60, 67, 66, 65),  # inner lips
)
IBUG_MIRROR: NDArray[np.intp] = np.array(_IBUG_MIRROR, dtype=np.intp)

# AFLW's 21 points as means of iBUG points (the scheme of 3DDFA and 2DASL). Ears (12, 16) have no iBUG counterpart:
# they are matched to jaw points there, which is too far off to correct a label with.
AFLW_FROM_IBUG: tuple[tuple[int, ...], ...] = (
    *((17,), (19,), (21,), (22,), (24,), (26,)),
    *((36,), tuple(range(36, 42)), (39,), (42,), tuple(range(42, 48)), (45,)),
    *((2,), (31,), (30,), (35,), (14,)),
    *((48,), tuple(range(60, 68)), (54,), (8,)),
)
AFLW_EARS = (12, 16)
AFLW_MIRROR: NDArray[np.intp] = np.array(
    [5, 4, 3, 2, 1, 0, 11, 10, 9, 8, 7, 6, 16, 15, 14, 13, 12, 19, 18, 17, 20], dtype=np.intp
)


def aflw_from_ibug(points68: NDArray[np.floating]) -> NDArray[np.floating]:
    """AFLW's 21 points (..., 21, 2) as means of 68 iBUG points (..., 68, 2)."""
    return np.stack([points68[..., list(members), :].mean(axis=-2) for members in AFLW_FROM_IBUG], axis=-2)


def mirror_partners(shape: NDArray[np.floating]) -> NDArray[np.intp]:
    """Partner of every point across the vertical symmetry axis of a mean frontal shape.

    Parameters
    ----------
    shape
        (P, 2) mean frontal shape, upright, x to the right.

    Returns
    -------
    (P,) index of the point lying nearest each point's mirror image.

    Raises
    ------
    ValueError
        If the nearest points do not pair up (the shape is not symmetric).
    """
    mirrored = shape * np.array([-1.0, 1.0])
    mirrored[:, 0] += 2.0 * shape[:, 0].mean()
    partners = cKDTree(shape).query(mirrored)[1]
    if not np.array_equal(partners[partners], np.arange(len(shape))):
        raise ValueError("the points of the mean shape do not pair up across its vertical axis")
    result: NDArray[np.intp] = partners.astype(np.intp)
    return result

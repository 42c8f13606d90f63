"""What a face model's file does not say, found from its mean face: mirror partners, texture coordinates."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]


def mirror_partners(mean: FloatArray, limit: float = 3.0) -> IntArray:
    """Pair the vertices of a nearly symmetric face.

    Parameters
    ----------
    mean : (V, 3) float
        Millimetres, +X to the subject's left, about centred.
    limit : float
        Farthest mirror partner, mm.

    Returns
    -------
    (V,) int
        Of two vertices that are each other's nearest under reflection, the partner; else the vertex itself.
    """
    count = len(mean)
    distance, nearest = cKDTree(mean).query(mean * np.array([-1.0, 1.0, 1.0]))
    own = np.arange(count)
    mutual = (nearest[nearest] == own) & (distance < limit) & (distance[nearest] < limit)
    partners: IntArray = np.where(mutual, nearest, own)
    return partners


def cylindrical_uv(mean: FloatArray, half_angle_deg: float = 140.0) -> FloatArray:
    """Unroll a face from a cylinder about an upright axis behind it.

    Parameters
    ----------
    mean : (V, 3) float
        Millimetres, +Y up, +Z out of the face.
    half_angle_deg : float
        The angle from the front at which u reaches its ends; vertices farther round are held there.

    Returns
    -------
    (V, 2) float
        u right, v up, in [0, 1].
    """
    low, high = mean.min(axis=0), mean.max(axis=0)
    middle = (low + high) / 2
    # the axis lies a quarter of the width before the hindmost vertex, so that a mask without a skull does not fold
    axis = low[2] + 0.25 * (high[0] - low[0])
    angle = np.arctan2(mean[:, 0] - middle[0], mean[:, 2] - axis)
    u = 0.5 + np.clip(angle / np.radians(half_angle_deg), -1.0, 1.0) / 2
    v = (mean[:, 1] - low[1]) / max(float(high[1] - low[1]), 1e-9)
    return np.stack([u, v], axis=1)

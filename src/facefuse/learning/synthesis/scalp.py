"""Where hair grows: a grid of directions from the middle of the skull, tied to the head's surface."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import cKDTree

from .hair_grid import carry
from .head import base_head
from .meshes import Floats

Array = NDArray[np.float64]

MIDDLE = np.array([0.0, 16.0, -62.0])
"""Middle of the skull, mm, model frame."""
AXIS = np.array([0.0, 0.96, -0.28])
"""From the middle of the skull to the crown."""
ROWS, COLUMNS = 40, 72
LAST_DEG = 135.0
"""Angle from the crown of the last row."""
_HAIRLINE = (
    *((0, 68), (22, 67), (38, 64.5), (48, 67), (56, 75), (63, 84), (70, 90), (79, 99), (86, 103), (92, 95), (97, 88)),
    *((108, 88), (116, 93), (124, 104), (140, 119), (160, 128), (180, 131)),
)
"""Where hair ends: degrees about the crown and from it. Temples, sideburns, round the ears, nape."""
_UNDER = ("face", "forehead", "neck", "scalp", "eyelid_left", "eyelid_right", "brow_left", "brow_right", "nose")


@dataclass(frozen=True)
class Scalp:
    """The grid on any head.

    Attributes
    ----------
    angle : (ROWS,) float
        Degrees from the crown.
    turn : (COLUMNS,) float
        Degrees about the crown, 0 to the front, positive to the subject's left, -180 to 180.
    corners : (ROWS, COLUMNS, 3) int, weights : (ROWS, COLUMNS, 3) float
        The place of each node on the head.
    hairline : (COLUMNS,) float
        Angle at which hair ends.
    """

    angle: Array
    turn: Array
    corners: NDArray[np.int64]
    weights: Array
    hairline: Array

    def on(self, values: Floats) -> Array:
        """Carry vertex values (V, 3) to the grid: (ROWS, COLUMNS, 3)."""
        out = np.empty(self.corners.shape)
        carry(values, self.corners, self.weights, out)
        return out


@lru_cache(maxsize=1)
def base_scalp() -> Scalp:
    """Lay the grid on the mean head (once per process)."""
    head = base_head()
    model = head.model
    angle = np.linspace(1.5, LAST_DEG, ROWS)
    turn = (np.arange(COLUMNS) + 0.5) * 360 / COLUMNS - 180
    forward = np.array([0.0, 0.0, 1.0]) - AXIS * AXIS[2]
    forward /= np.linalg.norm(forward)
    left = np.cross(AXIS, forward)
    a, p = np.radians(angle)[:, None, None], np.radians(turn)[None, :, None]
    rays = np.cos(a) * AXIS + np.sin(a) * (np.cos(p) * forward + np.sin(p) * left)
    rays = rays.reshape(-1, 3) / np.linalg.norm(rays.reshape(-1, 3), axis=1, keepdims=True)

    under = np.flatnonzero(model.region_mask(*_UNDER))
    faces = model.triangles[under]
    points = np.asarray(model.mean, np.float64)[faces] - MIDDLE
    centre = points.mean(axis=1)
    centre /= np.linalg.norm(centre, axis=1, keepdims=True)
    near = cKDTree(centre).query(rays, k=48)[1]
    corner = points[near]
    # the ray hits where the three edge planes through the middle leave it on the inner side
    planes = np.cross(corner[:, :, [1, 2, 0]], corner[:, :, [2, 0, 1]])
    side = np.einsum("nkij,nj->nki", planes, rays)
    volume = np.einsum("nkj,nkj->nk", corner[:, :, 0], planes[:, :, 0])
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = side / side.sum(axis=2, keepdims=True)
        distance = volume / side.sum(axis=2)
    hit = (weights > -0.02).all(axis=2) & (distance > 0)
    best = np.where(hit, distance, -1.0).argmax(axis=1)
    row = np.arange(len(rays))
    chosen = near[row, best]
    weight = np.clip(weights[row, best], 0.0, 1.0)
    weight /= weight.sum(axis=1, keepdims=True)
    line = gaussian_filter1d(np.interp(np.abs(turn), *np.array(_HAIRLINE).T), 0.8, mode="wrap")
    return Scalp(
        angle,
        turn,
        faces[chosen].reshape(ROWS, COLUMNS, 3),
        weight.reshape(ROWS, COLUMNS, 3),
        line,
    )

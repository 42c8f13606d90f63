"""What is true of a photo: landmarks and what hides them, parts, occluders, depth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facefuse.geometry.cameras import PinholeCamera
from facefuse.rendering.rasterize import nearest_triangles

from .head import base_head
from .meshes import Floats
from .render import screen_of, to_camera
from .shading import TILE, resolve

Mask = NDArray[np.bool_]

_TOLERANCE_MM = 4.0
"""A point counts as seen where the surface at its pixel, or at a pixel beside it, is at most this much nearer."""


@dataclass(frozen=True)
class Truth:
    """See `SyntheticPhoto` for the fields."""

    landmarks68: Floats
    visible68: Mask
    mesh: Floats
    mesh_visible: Mask
    parts: NDArray[np.uint8]
    occluder: Mask
    depth: Floats


def truth_of(vertices: Floats, parts: NDArray[np.uint8], depth_of_all: Floats, camera: PinholeCamera) -> Truth:
    """Measure a photo.

    Parameters
    ----------
    vertices : (V, 3) float32
        The head.
    parts : (H, W) uint8
        What is seen; `part_names`.
    depth_of_all : (H, W) float32
        Depth of whatever is seen, mm.
    camera : PinholeCamera
    """
    head = base_head()
    height, width = parts.shape
    screen = screen_of(to_camera(vertices, camera), camera)
    index, bare = np.empty((height, width), np.int32), np.empty((height, width), np.float32)
    _, keys = nearest_triangles(screen, head.triangles, width, height, len(head.triangles))
    resolve(keys, index, bare, np.empty((-(-height // TILE), -(-width // TILE)), np.float32))
    regions = len(head.model.region_names)
    occluder = np.isfinite(bare) & ((parts == 0) | (parts > regions))
    furthest = _furthest_nearby(np.minimum(depth_of_all, bare))
    covered = occluder
    found = []
    for points in (head.model.landmarks(vertices), head.model.mesh_landmarks(vertices)):
        at = screen_of(to_camera(np.asarray(points, np.float32), camera), camera)
        col, row = np.rint(at[:, :2]).astype(int).T
        inside = (col >= 0) & (row >= 0) & (col < width) & (row < height)
        col, row = np.clip(col, 0, width - 1), np.clip(row, 0, height - 1)
        seen = inside & (at[:, 2] <= furthest[row, col] + _TOLERANCE_MM) & ~covered[row, col]
        found.append((at[:, :2].astype(np.float32), seen))
    (landmarks, visible), (mesh, mesh_visible) = found
    return Truth(landmarks, visible, mesh, mesh_visible, parts, occluder, bare)


def _furthest_nearby(depth: Floats) -> Floats:
    """Greatest finite depth among a pixel and its eight neighbours; inf where all are background."""
    padded = np.pad(np.where(np.isfinite(depth), depth, -np.inf), 1, mode="edge")
    rows = np.maximum(np.maximum(padded[:-2], padded[1:-1]), padded[2:])
    best = np.maximum(np.maximum(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])
    return np.where(np.isfinite(best), best, np.inf).astype(np.float32)

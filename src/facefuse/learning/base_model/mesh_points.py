"""Where MediaPipe's canonical face mesh lies on ours: a first registration from anchors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RBFInterpolator
from scipy.spatial import cKDTree

from facefuse.errors import AssetError
from facefuse.learning.base_model.landmarks import SurfacePoints, closest_surface_points

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MESH_POINT_COUNT = 468

IBUG_IN_MESH = (
    *(127, 234, 93, 132, 58, 136, 150, 176, 152, 400, 379, 365, 288, 361, 323, 454, 356),
    *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300),
    *(168, 197, 5, 4, 75, 97, 2, 326, 305),
    *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),
    *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181),
    *(78, 82, 13, 312, 308, 317, 14, 87),
)
"""The mesh points nearest to the iBUG landmarks (the jaw's only roughly)."""


def read_canonical(path: Path) -> tuple[Floats, Ints]:
    """Read MediaPipe's ``canonical_face_model.obj``: points (468, 3) in millimetres and triangles (F, 3).

    Raises
    ------
    AssetError
        If it does not hold 468 vertices.
    """
    points, faces = [], []
    for line in path.read_text().splitlines():
        words = line.split()
        if words[:1] == ["v"]:
            points.append([float(word) * 10 for word in words[1:4]])
        elif words[:1] == ["f"]:
            faces.append([int(word.split("/")[0]) - 1 for word in words[1:4]])
    if len(points) != MESH_POINT_COUNT:
        raise AssetError(f"{path} holds {len(points)} vertices; expected MediaPipe's canonical face model with 468")
    return np.array(points), np.array(faces, dtype=np.int64)


def mirror_partners(points: Floats) -> Ints:
    """Return the mirror partner (468,) of every canonical point."""
    _, partner = cKDTree(points).query(points * [-1, 1, 1])
    if not (partner[partner] == np.arange(len(points))).all():
        raise AssetError("the canonical face model is not symmetric; expected MediaPipe's")
    return np.asarray(partner, dtype=np.int64)


def register(
    canonical: Floats, canonical_triangles: Ints, landmarks: Floats, vertices: Floats, triangles: Ints
) -> SurfacePoints:
    """Warp the canonical mesh onto the mean's skin.

    A thin-plate spline takes the points nearest the iBUG landmarks to those landmarks (68, 3); every warped point then
    goes to the closest skin that faces the same way.
    """
    warp = RBFInterpolator(
        canonical[list(IBUG_IN_MESH)], landmarks, kernel="thin_plate_spline", smoothing=2.0, degree=1
    )
    warped = warp(canonical)
    a, b, c = (warped[canonical_triangles[:, k]] for k in range(3))
    face = np.cross(b - a, c - a)
    normals = np.zeros_like(warped)
    for k in range(3):
        np.add.at(normals, canonical_triangles[:, k], face)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return closest_surface_points(warped, vertices, triangles, normals)

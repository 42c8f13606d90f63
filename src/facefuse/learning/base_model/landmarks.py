"""Points on the new mesh: iBUG landmarks and the curves along which jaw landmarks slide."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from facefuse.learning.base_model.atlas import Chart
from facefuse.learning.base_model.surface import _closest

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

IBUG_MIRROR = np.array(
    [
        *range(16, -1, -1),
        *range(26, 16, -1),
        *(27, 28, 29, 30),
        *range(35, 30, -1),
        *(45, 44, 43, 42, 47, 46),
        *(39, 38, 37, 36, 41, 40),
        *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55),
        *(64, 63, 62, 61, 60, 67, 66, 65),
    ]
)
"""Mirror partners of the iBUG landmarks."""

CONTOUR_INWARD, CONTOUR_OUTWARD = (30.0, 55.0), 25.0
"""How far (mm, straight) slide curves run inwards over the cheek (beside the chin, at the ear) and past the jaw."""
CONTOUR_CANDIDATES = 20


@dataclass(frozen=True)
class SurfacePoints:
    """Points on a mesh: corners (P, 3) vertex ids, weights (P, 3) barycentric."""

    corners: Ints
    weights: Floats

    def on(self, vertices: Floats) -> Floats:
        """Return the points (..., P, 3) on given vertices (..., V, 3)."""
        return np.asarray((vertices[..., self.corners, :] * self.weights[:, :, None]).sum(-2))


def closest_surface_points(
    queries: Floats, points: Floats, triangles: Ints, normals: Floats | None = None, candidates: int = 40
) -> SurfacePoints:
    """Return the closest points of a mesh, on triangles facing like the queries where their normals are given.

    Parameters
    ----------
    queries : (P, 3) float
    points : (V, 3) float
    triangles : (F, 3) int
    normals : (P, 3) float, optional
        Unit normals of the queries; triangles turned away by more than 90 degrees are passed over.
    candidates : int
        Triangles looked at per query, nearest centroids first.
    """
    corners = points[triangles]
    tree = cKDTree(corners.mean(1))
    _, near = tree.query(queries, k=min(candidates, len(triangles)))
    facing = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    chosen = np.zeros((len(queries), 3), dtype=np.int64)
    weights = np.zeros((len(queries), 3))
    for i, query in enumerate(queries):
        best = np.inf
        for t in near[i]:
            if normals is not None and facing[t] @ normals[i] <= 0:
                continue
            w = _closest(query, *corners[t])
            gap = float(((w @ corners[t] - query) ** 2).sum())
            if gap < best:
                best, chosen[i], weights[i] = gap, triangles[t], w
    return SurfacePoints(chosen, weights)


def symmetrise(points: SurfacePoints, partner: Ints, mirror: Ints, vertices: Floats) -> SurfacePoints:
    """Make surface points mirror images of each other: the left ones (x > 0) decide, middle ones keep to x = 0.

    Parameters
    ----------
    points : SurfacePoints
    partner : (P,) int
        Mirror partner of each point.
    mirror : (V,) int
        Mirror partner of each vertex.
    vertices : (V, 3) float
        The mean.
    """
    corners, weights = points.corners.copy(), points.weights.copy()
    place = points.on(vertices)
    for i, other in enumerate(partner.tolist()):
        if i == other:
            corners[i], weights[i] = _on_midline(corners[i], weights[i], mirror)
        elif place[i, 0] > place[other, 0]:
            corners[other], weights[other] = mirror[corners[i]], weights[i]
    return SurfacePoints(corners, weights)


def _on_midline(corners: Ints, weights: Floats, mirror: Ints) -> tuple[Ints, Floats]:
    """Move the weight of a point to its triangle's vertices on the symmetry plane or its nearest vertex pair."""
    middle = mirror[corners] == corners
    if middle.any():
        kept = np.where(middle, np.maximum(weights, 1e-9), 0.0)
        return corners, kept / kept.sum()
    vertex = int(corners[weights.argmax()])
    return np.array([vertex, int(mirror[vertex]), vertex]), np.array([0.5, 0.5, 0.0])


def contour_curves(landmarks: SurfacePoints, chart: Chart, vertices: Floats, mirror: Ints) -> Ints:
    """Return candidate vertices (17, C) of each jaw landmark, inner to outer, -1 padded.

    A curve runs on the unwrapped skin along the ray from under the nose through the jaw landmark, so it crosses the
    cheek about level with the landmark. The chin's curve holds its own vertex only.
    """
    flat = chart.uv
    jaw = landmarks.on(vertices)[:17]
    tree = cKDTree(flat)
    home = np.array([flat[cKDTree(vertices[chart.vertex]).query(p)[1]] for p in jaw])
    nose = flat[cKDTree(vertices[chart.vertex]).query(landmarks.on(vertices)[33])[1]]
    out = np.full((17, CONTOUR_CANDIDATES), -1, dtype=np.int64)
    for j in range(9, 17):
        share = (16 - j) / 7  # level rays at the ear, turning towards the nose down the jaw
        centre = np.array([0.0, (1 - share) * home[j, 1] + share * nose[1]])
        direction = (home[j] - centre) / np.linalg.norm(home[j] - centre)
        inward = np.interp(share, [0, 1], CONTOUR_INWARD[::-1])
        found: list[int] = []
        for s in np.linspace(-1.2, 0.6, 400):
            q = home[j] + s * direction
            if q[0] < 0.02 or np.abs(q).max() > 1:
                continue
            v = int(chart.vertex[tree.query(q)[1]])
            gap = float(np.linalg.norm(vertices[v] - jaw[j]))
            if v not in found and gap <= (inward if s < 0 else CONTOUR_OUTWARD):
                found.append(v)
        keep = np.unique(np.linspace(0, len(found) - 1, CONTOUR_CANDIDATES).round().astype(int))
        out[j, : len(keep)] = np.array(found)[keep]
        out[16 - j, : len(keep)] = mirror[out[j, : len(keep)]]
    out[8, 0] = landmarks.corners[8][landmarks.weights[8].argmax()]
    return out

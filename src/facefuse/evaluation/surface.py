"""Exact distance from points to a triangle surface: a bounding volume hierarchy searched with Numba."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]

_LEAF_SIZE = 6
_STACK = 128


@dataclass(frozen=True)
class SurfacePoints:
    """The points of a surface closest to given points.

    Attributes
    ----------
    points : (N, 3) float
        The closest points.
    triangles : (N,) int
        The triangle each lies on.
    distances : (N,) float
        Unsigned distances, in the unit of the mesh.
    """

    points: FloatArray
    triangles: IntArray
    distances: FloatArray


class TriangleSurface:
    """A triangle mesh prepared for closest-point queries.

    Parameters
    ----------
    vertices : (V, 3) float
        Any unit.
    triangles : (F, 3) int
        At least one.

    Raises
    ------
    ValueError
        If there is no triangle, an index is out of range or a vertex is not finite.
    """

    def __init__(self, vertices: FloatArray, triangles: IntArray) -> None:
        corners = np.asarray(triangles, dtype=np.int64)
        points = np.ascontiguousarray(vertices, dtype=np.float64)
        if corners.ndim != 2 or corners.shape[1] != 3 or len(corners) == 0:
            raise ValueError(f"expected (F, 3) triangles with F > 0, found shape {corners.shape}")
        if corners.min() < 0 or corners.max() >= len(points):
            raise ValueError(f"a triangle names a vertex outside 0..{len(points) - 1}")
        if not np.isfinite(points).all():
            raise ValueError("a vertex is not a finite number")
        self.vertices = points
        self.triangles = corners
        self._bounds, self._spans, order = _build(points[corners])
        self._order = order
        self._place = np.argsort(order)
        self._corners = np.ascontiguousarray(points[corners[order]])

    def closest(self, points: FloatArray, near: IntArray | None = None) -> SurfacePoints:
        """Return the closest point of the surface for each of (N, 3) points, exactly.

        Parameters
        ----------
        points : (N, 3) float
        near : (N,) int, optional
            Triangles that are likely close by: saves most of the search, changes nothing else.
        """
        queries = np.ascontiguousarray(points, dtype=np.float64)
        start = np.full(len(queries), self._order[0]) if near is None else near
        found, which, square = _closest(queries, self._place[start], self._bounds, self._spans, self._corners)
        return SurfacePoints(found, self._order[which], np.sqrt(square))

    @cached_property
    def normals(self) -> FloatArray:
        """The unit normals of the triangles, (F, 3); zero where a triangle has no area."""
        a, b, c = (self.vertices[self.triangles[:, k]] for k in range(3))
        normal = np.cross(b - a, c - a)
        length = np.linalg.norm(normal, axis=1, keepdims=True)
        unit: FloatArray = np.divide(normal, length, out=np.zeros_like(normal), where=length > 0)
        return unit


def boundary_triangles(triangles: IntArray) -> npt.NDArray[np.bool_]:
    """Return which of (F, 3) triangles have an edge that no other triangle shares, (F,)."""
    edges = np.sort(np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), axis=1)
    _, inverse, counts = np.unique(edges, axis=0, return_inverse=True, return_counts=True)
    result: npt.NDArray[np.bool_] = (counts[inverse.ravel()] == 1).reshape(3, -1).any(axis=0)
    return result


def _build(corners: FloatArray) -> tuple[FloatArray, IntArray, IntArray]:
    """Split (F, 3, 3) triangles at the median of the longest axis, level by level, into a complete binary tree.

    Returns the box (6) and the span (2) of every node, the children of node i being 2i + 1 and 2i + 2, and the order
    of the triangles that the spans refer to.
    """
    low, high = corners.min(axis=1), corners.max(axis=1)
    centre = (low + high) / 2
    order = np.arange(len(corners))
    starts, stops = np.array([0]), np.array([len(corners)])
    bounds, spans = [], []
    while True:
        bounds.append(
            np.concatenate(
                [np.minimum.reduceat(low[order], starts, axis=0), np.maximum.reduceat(high[order], starts, axis=0)],
                axis=1,
            )
        )
        spans.append(np.stack([starts, stops], axis=1))
        if (stops - starts).max() <= _LEAF_SIZE:
            return np.concatenate(bounds), np.concatenate(spans), order
        ordered = centre[order]
        extent = np.maximum.reduceat(ordered, starts, axis=0) - np.minimum.reduceat(ordered, starts, axis=0)
        node = np.repeat(np.arange(len(starts)), stops - starts)
        along = np.take_along_axis(ordered, extent.argmax(axis=1)[node, None], axis=1)[:, 0]
        order = order[np.lexsort((along, node))]
        middle = (starts + stops) // 2
        starts = np.stack([starts, middle], axis=1).ravel()
        stops = np.stack([middle, stops], axis=1).ravel()


@njit(cache=True, nogil=True)
def _box_distance(px: float, py: float, pz: float, b: FloatArray, node: int) -> float:  # pragma: no cover - compiled
    dx = max(b[node, 0] - px, px - b[node, 3], 0.0)
    dy = max(b[node, 1] - py, py - b[node, 4], 0.0)
    dz = max(b[node, 2] - pz, pz - b[node, 5], 0.0)
    return float(dx * dx + dy * dy + dz * dz)


@njit(cache=True, nogil=True)
def _closest_on_triangle(
    px: float, py: float, pz: float, t: FloatArray, k: int
) -> tuple[float, float, float]:  # pragma: no cover - compiled
    """Closest point of triangle ``t[k]`` by Voronoi regions (Ericson, Real-Time Collision Detection, 5.1.5)."""
    ax, ay, az = t[k, 0, 0], t[k, 0, 1], t[k, 0, 2]
    ux, uy, uz = t[k, 1, 0] - ax, t[k, 1, 1] - ay, t[k, 1, 2] - az
    wx, wy, wz = t[k, 2, 0] - ax, t[k, 2, 1] - ay, t[k, 2, 2] - az
    qx, qy, qz = px - ax, py - ay, pz - az
    d1 = ux * qx + uy * qy + uz * qz
    d2 = wx * qx + wy * qy + wz * qz
    d3 = d1 - (ux * ux + uy * uy + uz * uz)
    d4 = d2 - (ux * wx + uy * wy + uz * wz)
    d5 = d1 - (ux * wx + uy * wy + uz * wz)
    d6 = d2 - (wx * wx + wy * wy + wz * wz)
    va, vb, vc = d3 * d6 - d5 * d4, d5 * d2 - d1 * d6, d1 * d4 - d3 * d2
    if d1 <= 0 and d2 <= 0:
        v, w = 0.0, 0.0
    elif d3 >= 0 and d4 <= d3:
        v, w = 1.0, 0.0
    elif d6 >= 0 and d5 <= d6:
        v, w = 0.0, 1.0
    elif vc <= 0 and d1 >= 0 >= d3 and d1 > d3:
        v, w = d1 / (d1 - d3), 0.0
    elif vb <= 0 and d2 >= 0 >= d6 and d2 > d6:
        v, w = 0.0, d2 / (d2 - d6)
    elif va <= 0 and d4 >= d3 and d5 >= d6 and d4 - d3 + d5 - d6 > 0:
        w = (d4 - d3) / ((d4 - d3) + (d5 - d6))
        v = 1.0 - w
    else:
        v, w = vb / (va + vb + vc), vc / (va + vb + vc)
    return ax + v * ux + w * wx, ay + v * uy + w * wy, az + v * uz + w * wz


@njit(cache=True, nogil=True)
def _closest(
    points: FloatArray, likely: IntArray, bounds: FloatArray, spans: IntArray, corners: FloatArray
) -> tuple[FloatArray, IntArray, FloatArray]:  # pragma: no cover - compiled
    count, nodes = len(points), len(bounds)
    found = np.empty((count, 3))
    which = likely.copy()
    square = np.empty(count)
    stack = np.empty(_STACK, dtype=np.int64)
    reach = np.empty(_STACK)
    for i in range(count):
        px, py, pz = points[i, 0], points[i, 1], points[i, 2]
        x, y, z = _closest_on_triangle(px, py, pz, corners, likely[i])
        found[i, 0], found[i, 1], found[i, 2] = x, y, z
        best = (x - px) ** 2 + (y - py) ** 2 + (z - pz) ** 2
        stack[0], reach[0] = 0, 0.0
        top = 1
        while top > 0:
            top -= 1
            if reach[top] >= best:
                continue
            near = 2 * stack[top] + 1
            if near < nodes:
                far = near + 1
                d_near = _box_distance(px, py, pz, bounds, near)
                d_far = _box_distance(px, py, pz, bounds, far)
                if d_far < d_near:
                    near, far = far, near
                    d_near, d_far = d_far, d_near
                stack[top], reach[top] = far, d_far
                stack[top + 1], reach[top + 1] = near, d_near
                top += 2
                continue
            for k in range(spans[stack[top], 0], spans[stack[top], 1]):
                x, y, z = _closest_on_triangle(px, py, pz, corners, k)
                d = (x - px) ** 2 + (y - py) ** 2 + (z - pz) ** 2
                if d < best:
                    best = d
                    which[i] = k
                    found[i, 0], found[i, 1], found[i, 2] = x, y, z
        square[i] = best
    return found, which, square

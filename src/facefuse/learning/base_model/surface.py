"""A triangulated source surface: local projection, geodesic-like distances, barycentric transfer."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import dijkstra

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RINGS = 3
"""How many vertex rings about its triangle a point may move in one projection."""


@numba.njit(cache=True)
def _closest(p: Floats, a: Floats, b: Floats, c: Floats) -> Floats:
    """Return barycentric weights of the point of triangle abc closest to p (Ericson, Real-Time Collision Detection)."""
    ab, ac, ap = b - a, c - a, p - a
    d1, d2 = (ab * ap).sum(), (ac * ap).sum()
    if d1 <= 0 and d2 <= 0:
        return np.array([1.0, 0.0, 0.0])
    bp = p - b
    d3, d4 = (ab * bp).sum(), (ac * bp).sum()
    if d3 >= 0 and d4 <= d3:
        return np.array([0.0, 1.0, 0.0])
    vc = d1 * d4 - d3 * d2
    if vc <= 0 and d1 >= 0 and d3 <= 0:
        v = d1 / (d1 - d3)
        return np.array([1 - v, v, 0.0])
    cp = p - c
    d5, d6 = (ab * cp).sum(), (ac * cp).sum()
    if d6 >= 0 and d5 <= d6:
        return np.array([0.0, 0.0, 1.0])
    vb = d5 * d2 - d1 * d6
    if vb <= 0 and d2 >= 0 and d6 <= 0:
        w = d2 / (d2 - d6)
        return np.array([1 - w, 0.0, w])
    va = d3 * d6 - d5 * d4
    if va <= 0 and d4 - d3 >= 0 and d5 - d6 >= 0:
        w = (d4 - d3) / ((d4 - d3) + (d5 - d6))
        return np.array([0.0, 1 - w, w])
    total = va + vb + vc
    return np.array([va / total, vb / total, vc / total])


@numba.njit(cache=True)
def _project_local(points, seeds, vertices, triangles, starts, around):  # type: ignore[no-untyped-def]
    found, where = np.zeros_like(points), np.zeros_like(seeds)
    for i in range(len(points)):
        best = np.inf
        for k in range(starts[seeds[i]], starts[seeds[i] + 1]):
            t = around[k]
            a, b, c = vertices[triangles[t, 0]], vertices[triangles[t, 1]], vertices[triangles[t, 2]]
            w = _closest(points[i], a, b, c)
            q = w[0] * a + w[1] * b + w[2] * c
            gap = ((points[i] - q) ** 2).sum()
            if gap < best - 1e-12:
                best = gap
                found[i] = q
                where[i] = t
    return found, where


@dataclass(frozen=True)
class Surface:
    """A triangle mesh with labels.

    Attributes
    ----------
    points : (V, 3) float
    triangles : (T, 3) int
    label : (T,) int
        Region of each triangle; projection never leaves the region.
    """

    points: Floats
    triangles: Ints
    label: Ints
    _near: tuple[Ints, Ints]

    @classmethod
    def build(cls, points: Floats, triangles: Ints, label: Ints, rings: int = RINGS) -> Surface:
        """Prepare the neighbourhoods used by ``project``."""
        t = len(triangles)
        touch = sparse.csr_matrix(
            (np.ones(3 * t), (np.repeat(np.arange(t), 3), triangles.ravel())), shape=(t, len(points))
        )
        step = (touch @ touch.T).tocsr()
        near = step.copy()
        for _ in range(rings - 1):
            near = ((near @ step) > 0).astype(np.float64)
        near = near.tocoo()
        same = label[near.row] == label[near.col]
        near = sparse.csr_matrix((np.ones(int(same.sum())), (near.row[same], near.col[same])), shape=(t, t))
        near.sort_indices()
        return cls(points, triangles, label, (near.indptr.astype(np.int64), near.indices.astype(np.int64)))

    def project(self, queries: Floats, seeds: Ints) -> tuple[Floats, Ints]:
        """Project points (n, 3) onto the neighbourhood of their seed triangles (n,); returns points and triangles."""
        found, where = _project_local(queries, seeds, self.points, self.triangles, *self._near)
        return found, where

    def areas(self) -> Floats:
        """Return the triangles' areas (T,)."""
        a, b, c = (self.points[self.triangles[:, k]] for k in range(3))
        return np.asarray(np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2)

    def graph(self) -> sparse.csr_matrix:
        """Return the edge graph (V, V) with lengths."""
        edges = np.concatenate([self.triangles[:, [i, j]] for i, j in ((0, 1), (1, 2), (2, 0))])
        edges = np.unique(np.sort(edges, axis=1), axis=0)
        length = np.linalg.norm(self.points[edges[:, 0]] - self.points[edges[:, 1]], axis=1)
        n = len(self.points)
        return sparse.csr_matrix((length, (edges[:, 0], edges[:, 1])), shape=(n, n))

    def distance(self, seeds: Ints) -> Floats:
        """Return the distance (V,) along edges from the nearest of some vertices."""
        return np.asarray(dijkstra(self.graph(), directed=False, indices=seeds, min_only=True))


def closest_on_triangles(points: Floats, triangle: Ints, surface: Surface) -> tuple[Floats, Floats]:
    """Return the closest points (n, 3) on the given triangles (n,) and their barycentric weights (n, 3)."""
    corners = surface.points[surface.triangles[triangle]]
    weights = np.stack([_closest(p, a, b, c) for p, (a, b, c) in zip(points, corners, strict=True)])
    return (weights[:, :, None] * corners).sum(1), weights


def limit_gradient(size: Floats, graph: sparse.csr_matrix, slope: float) -> Floats:
    """Return the largest size field (V,) below ``size`` that grows by at most ``slope`` per millimetre.

    One Dijkstra run from a virtual vertex joined to every vertex v by an edge of length size(v) / slope.
    """
    n = len(size)
    joined = sparse.bmat([[graph, None], [sparse.csr_matrix(size[None] / slope), sparse.csr_matrix((1, 1))]]).tocsr()
    return np.asarray(dijkstra(joined, directed=False, indices=n)[:n] * slope)

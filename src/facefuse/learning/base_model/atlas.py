"""The UV atlas: one chart for the whole skin, the face enlarged, and small islands for eyes and mouth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import dijkstra
from scipy.sparse.linalg import spsolve

from facefuse.learning.base_model.curves import boundary_edges

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

STRIP = 0.135
"""Height of the strip of islands at the bottom of the atlas; the skin chart fills the rest."""
MARGIN = 0.004
"""Empty border between charts, in atlas units (4 pixels of 1024)."""


@dataclass(frozen=True)
class Chart:
    """A piece of the atlas: uv (U, 2), its vertex (U,) in the mesh, triangles (F, 3) into uv."""

    uv: Floats
    vertex: Ints
    triangles: Ints


def cut_along(triangles: Ints, path: Ints, side: Floats) -> tuple[Ints, Ints]:
    """Open a mesh along a path of vertices; triangles with ``side`` < 0 get copies of the path's vertices.

    The first vertex of the path (inside the mesh) stays single, the last lies on the boundary.

    Returns
    -------
    vertex : (U,) int
        The mesh vertex of every chart vertex.
    triangles : (F, 3) int
        Triangles of the chart.
    """
    count = int(triangles.max()) + 1
    copy = np.arange(count)
    copy[path[1:]] = count + np.arange(len(path) - 1)
    out = triangles.copy()
    other = side < 0
    out[other] = copy[triangles[other]]
    return np.concatenate([np.arange(count), path[1:]]), out


def boundary_loop(triangles: Ints) -> list[Ints]:
    """Return the boundary loops, each in the order the triangles run along it."""
    border = boundary_edges(triangles)
    follow: dict[int, int] = {}
    for a, b, c in triangles.tolist():
        for p, q in ((a, b), (b, c), (c, a)):
            if (min(p, q), max(p, q)) in border:
                follow[p] = q
    loops = []
    while follow:
        start = min(follow)
        loop = [start]
        while (step := follow.pop(loop[-1])) != start:
            loop.append(step)
        loops.append(np.array(loop))
    return sorted(loops, key=len, reverse=True)


def fill_holes(triangles: Ints, loops: list[Ints], count: int) -> Ints:
    """Close holes by a fan about one extra vertex each, so that the embedding cannot fold there."""
    extra = [triangles]
    for k, loop in enumerate(loops):
        following = np.roll(loop, -1)
        extra.append(np.stack([following, loop, np.full(len(loop), count + k)], axis=1))
    return np.concatenate(extra)


def embed(
    points: Floats, triangles: Ints, loop: Ints, outline: Floats, weight: Floats, mirror: Ints | None, rounds: int = 12
) -> Floats:
    """Embed a disc in the plane with a fixed convex outline and positive weights (Tutte 1963: never folds).

    The weights are adapted so that every vertex' share of the plane follows ``weight`` times its area on the surface
    (Yoshizawa, Belyaev, Seidel, "A fast and simple stretch-minimizing mesh parameterization", SMI 2004).

    Parameters
    ----------
    points : (U, 3) float
    triangles : (F, 3) int
    loop : (n,) int
        Outer boundary.
    outline : (n, 2) float
        Where the boundary goes.
    weight : (F,) float
        Wanted enlargement of the area of each triangle.
    mirror : (U,) int, optional
        Mirror partners; the result is then symmetric about u = 0.
    """
    n = len(points)
    edges = np.concatenate([triangles[:, [i, j]] for i, j in ((0, 1), (1, 2), (2, 0))])
    opposite = np.concatenate([triangles[:, k] for k in (2, 0, 1)])

    # mean value coordinates (Floater 2003): positive, and a good start
    def half_tangent(at: Ints, to: Ints, third: Ints) -> Floats:
        p, q = points[to] - points[at], points[third] - points[at]
        norm = np.linalg.norm(p, axis=1) * np.linalg.norm(q, axis=1)
        cosine = np.clip((p * q).sum(1) / np.maximum(norm, 1e-12), -0.999, 1)
        return np.asarray(np.sqrt((1 - cosine) / (1 + cosine)))

    a, b = edges[:, 0], edges[:, 1]
    length = np.maximum(np.linalg.norm(points[a] - points[b], axis=1), 1e-3)
    rows = np.concatenate([a, b])
    columns = np.concatenate([b, a])
    values = np.concatenate([half_tangent(a, b, opposite), half_tangent(b, a, opposite)]) / np.tile(length, 2)
    system = sparse.csr_matrix((np.maximum(values, 1e-4), (rows, columns)), shape=(n, n))
    system.sum_duplicates()

    solid = _area3(points, triangles) * weight
    fixed = np.zeros(n, dtype=bool)
    fixed[loop] = True
    free = ~fixed
    best, best_uv = np.inf, np.zeros((n, 2))
    for _ in range(rounds):
        scale = sparse.diags(1 / np.asarray(system.sum(1)).ravel())
        laplace = (sparse.identity(n) - scale @ system).tocsc()
        uv = np.zeros((n, 2))
        uv[loop] = outline
        right = -laplace[free][:, fixed] @ uv[fixed]
        uv[free] = spsolve(laplace[free][:, free].tocsc(), right)
        if mirror is not None:
            uv = (uv + uv[mirror] * [-1, 1]) / 2
        flat = np.abs(_area2(uv, triangles))
        ratio = np.sqrt(solid / solid.sum() / np.maximum(flat / flat.sum(), 1e-9))
        total = np.zeros(n)
        amount = np.zeros(n)
        for k in range(3):
            np.add.at(total, triangles[:, k], solid * ratio)
            np.add.at(amount, triangles[:, k], solid)
        stretch = total / amount
        score = float((solid * ratio**2).sum() / solid.sum())
        if score >= best:
            break
        best, best_uv = score, uv
        system = (system @ sparse.diags(1 / np.clip(stretch, 0.2, 5.0) ** 0.7)).tocsr()
    return best_uv


def rounded_rectangle(count: Floats, power: float = 6.0) -> Floats:
    """Return points (n, 2) of a superellipse |x|^p + |y|^p = 1 at angles ``count`` (n,) (radians from the top)."""
    x, y = np.sin(count), np.cos(count)
    radius = (np.abs(x) ** power + np.abs(y) ** power) ** (-1 / power)
    return np.stack([x * radius, y * radius], axis=1)


def seam_path(points: Floats, triangles: Ints, mirror: Ints, crown: Floats) -> Ints:
    """Return the vertices on the symmetry plane from the one nearest ``crown`` down the back to the neck rim."""
    loop = boundary_loop(triangles)
    border = np.zeros(len(points), dtype=bool)
    for part in loop:
        border[part] = True
    middle = np.flatnonzero(mirror[: len(points)] == np.arange(len(points)))
    on = np.zeros(len(points), dtype=bool)
    on[middle] = True
    edges = np.concatenate([triangles[:, [i, j]] for i, j in ((0, 1), (1, 2), (2, 0))])
    edges = edges[on[edges].all(1)]
    start = int(middle[np.linalg.norm(points[middle] - crown, axis=1).argmin()])
    ends = middle[border[middle] & (points[middle, 2] < points[start, 2]) & (points[middle, 1] < points[start, 1])]
    goal = int(ends[points[ends, 2].argmin()])
    length = np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1)
    n = len(points)
    graph = sparse.csr_matrix((length, (edges[:, 0], edges[:, 1])), shape=(n, n))
    _, before = dijkstra(graph, directed=False, indices=goal, return_predecessors=True)
    path = [start]
    while path[-1] != goal:
        path.append(int(before[path[-1]]))
    return np.array(path)


def skin_chart(points: Floats, triangles: Ints, mirror: Ints, weight: Floats) -> Chart:
    """Unwrap the skin (sockets and bag removed), seam down the back of the head, into [-1, 1]²."""
    path = seam_path(points, triangles, mirror, np.array([0.0, 105.0, -110.0]))
    side = points[triangles, 0].mean(1)
    vertex, opened = cut_along(triangles, path, side)
    used = np.unique(opened)
    renumber = np.full(len(vertex), -1, dtype=np.int64)
    renumber[used] = np.arange(len(used))
    vertex, opened = vertex[used], renumber[opened]
    twin = _chart_mirror(vertex, opened, points, mirror)
    loops = boundary_loop(opened)
    outer = next(loop for loop in loops if np.isin(path[1:-1], vertex[loop]).all())
    filled = fill_holes(opened, [loop for loop in loops if loop is not outer], len(vertex))
    centres = [points[vertex[loop]].mean(0) for loop in loops if loop is not outer]
    everything = np.concatenate([points[vertex], np.array(centres).reshape(-1, 3)])
    twin = np.concatenate([twin, _mirror_of_points(np.array(centres).reshape(-1, 3)) + len(vertex)])
    # walk the outline from the crown; seam copies run down both sides, the neck rim along the bottom
    start = int(np.flatnonzero(vertex[outer] == path[0])[0])
    outer = np.roll(outer, -start)
    ring = points[vertex[outer]]
    steps = np.linalg.norm(np.diff(np.concatenate([ring, ring[:1]]), axis=0), axis=1)
    place = np.concatenate([[0.0], np.cumsum(steps)])[:-1] / steps.sum()
    # the triangles run counter-clockwise, so the walk from the top goes to u < 0 first
    outline = rounded_rectangle(-2 * np.pi * place)
    pad = np.full(len(filled) - len(opened), 1.5)
    uv = embed(everything, filled, outer, outline, np.concatenate([weight, pad]), twin)
    return Chart(uv[: len(vertex)], vertex, opened)


def _chart_mirror(vertex: Ints, triangles: Ints, points: Floats, mirror: Ints) -> Ints:
    """Return the mirror partner of every chart vertex; seam copies are partners of each other."""
    copies: dict[int, list[int]] = {}
    for i, v in enumerate(vertex.tolist()):
        copies.setdefault(v, []).append(i)
    twin = np.arange(len(vertex))
    for i, v in enumerate(vertex.tolist()):
        if len(copies[v]) == 2:
            twin[i] = copies[v][1] if copies[v][0] == i else copies[v][0]
        else:
            twin[i] = copies[int(mirror[v])][0]
    return twin


def _mirror_of_points(points: Floats) -> Ints:
    gap = np.linalg.norm(points[:, None] - points[None] * [-1, 1, 1], axis=2)
    return gap.argmin(1) if len(points) else np.zeros(0, dtype=np.int64)


def _area3(points: Floats, triangles: Ints) -> Floats:
    a, b, c = (points[triangles[:, k]] for k in range(3))
    return np.asarray(np.maximum(np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2, 1e-6))


def _area2(uv: Floats, triangles: Ints) -> Floats:
    a, b, c = (uv[triangles[:, k]] for k in range(3))
    return ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]) / 2


__all__ = ["MARGIN", "STRIP", "Chart", "boundary_loop", "embed", "skin_chart"]

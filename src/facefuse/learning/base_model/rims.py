"""Closing what ICT leaves a little open: the lids in a blink, and the lips at rest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import splu

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

REACH_MM = 11.0
"""Skin farther than this from the lid rims keeps ICT's blink."""
COVER_MM = 0.5
"""Closed lids lie at least this far over the eyeball's sphere."""
OVERLAP_MM = 0.25
"""How far the upper rim closes over the lower one."""
LIP_REACH_MM = 9.0
"""What is farther than this (along the surface) from where the lips meet keeps still when they are closed."""
LIP_LAP_MM, LIP_BIN_MM = 1.0, 2.0
"""How far the lips pass each other, and the width of the bins in which their nearest points are sought."""
SMOOTHING = 200.0
"""Strength of the smoothing of the displacement over the lids, relative to the wish to keep it."""


def close_lids(points: Floats, blink: Floats, triangles: Ints, rim: Ints, centre: Floats, radius: float) -> Floats:
    """Return a blink (V, 3) that closes the left eye and lies smoothly over the eyeball.

    Parameters
    ----------
    points : (V, 3) float
        The mean.
    blink : (V, 3) float
        ICT's displacement at weight one.
    triangles : (F, 3) int
        Skin and socket of the whole head.
    rim : (R,) int
        Vertices of the left lid rim.
    centre, radius : (3,) float, float
        The left eyeball.
    """
    outer, inner = points[rim, 0].max(), points[rim, 0].min()
    upper, lower = split_rim(points, rim)
    closed = points + blink
    # the line on which the rims meet: the lower rim after the blink, straightened by a quartic over x
    x = closed[lower, 0]
    along = (x - inner) / (outer - inner)
    line = [np.polynomial.Polynomial.fit(along, closed[lower, k], 4, domain=[0, 1]) for k in (1, 2)]
    target = closed.copy()
    for ids, lift in ((upper, -OVERLAP_MM), (lower, 0.0)):
        t = np.clip((closed[ids, 0] - inner) / (outer - inner), 0, 1)
        fade = np.clip(np.minimum(t, 1 - t) / 0.04, 0, 1)  # the corners stay where they are
        place = np.stack([closed[ids, 0], line[0](t) + lift, line[1](t)], axis=1)
        target[ids] = closed[ids] + fade[:, None] * (place - closed[ids])
    wanted = target - points

    out, distance = spread(points, triangles, rim, wanted, blink, REACH_MM)

    lid = np.flatnonzero((distance < REACH_MM) & (points[:, 2] > centre[2] + 5))
    place = points[lid] + out[lid]
    offset = place - centre
    length = np.linalg.norm(offset, axis=1)
    moving = np.clip(np.linalg.norm(out[lid], axis=1) / 1.0, 0, 1)
    shortfall = np.maximum(radius + COVER_MM - length, 0) * moving
    out[lid] += offset / length[:, None] * shortfall[:, None]
    return out


def close_lips(points: Floats, triangles: Ints, lips: Ints) -> Floats:
    """Return the move (V, 3) that brings the lips together at rest.

    Parameters
    ----------
    points : (V, 3) float
        The mean.
    triangles : (F, 3) int
        Skin and mouth bag.
    lips : (L,) int
        Vertices of both lips between mouth corners and inner rims.
    """
    half = points[lips, 0].max() - LIP_BIN_MM
    middle = np.median(points[lips, 1])
    bins = np.floor(np.abs(points[lips, 0]) / LIP_BIN_MM)
    contact: tuple[list[int], list[int]] = ([], [])
    for number in np.unique(bins[np.abs(points[lips, 0]) < half]):
        near = lips[bins == number]
        upper, lower = near[points[near, 1] > middle], near[points[near, 1] <= middle]
        if len(upper) and len(lower):
            contact[0].append(int(upper[points[upper, 1].argmin()]))
            contact[1].append(int(lower[points[lower, 1].argmax()]))
    lines = []
    for ids in contact:
        lines.append(np.polynomial.Polynomial.fit(np.abs(points[ids, 0]) / half, points[ids, 1], 3, domain=[0, 1]))
    x = np.clip(np.abs(points[:, 0]) / half, 0, 1)
    gap = np.maximum(lines[0](x) - lines[1](x) + LIP_LAP_MM, 0)
    both = np.stack([_distance(points, triangles, np.array(ids)) for ids in contact])
    weight = np.clip(1 - both.min(0) / LIP_REACH_MM, 0, 1)
    weight = weight**2 * (3 - 2 * weight)
    move = np.zeros_like(points)
    move[:, 1] = np.where(both[0] < both[1], -0.5, 0.5) * gap * weight
    return move


def spread(
    points: Floats, triangles: Ints, rim: Ints, wanted: Floats, far: Floats, reach: float
) -> tuple[Floats, Floats]:
    """Carry a displacement of the rim smoothly into its surroundings.

    Returns
    -------
    displacement : (V, 3) float
        ``wanted`` on the rim, ``far`` beyond ``reach`` (mm along the surface), smooth between.
    distance : (V,) float
        From the rim along the surface, mm.
    """
    distance = _distance(points, triangles, rim)
    free = np.flatnonzero((distance > 0) & (distance < reach))
    fixed = np.ones(len(points), dtype=bool)
    fixed[free] = False
    laplace, mass = _laplace(points, triangles)
    near = np.clip(1 - distance / reach, 0, 1)
    pull = sparse.diags(mass / SMOOTHING / np.maximum(near, 0.02) ** 2)
    system = (laplace + pull).tocsr()
    right = pull @ far
    out = far.copy()
    out[rim] = wanted[rim]
    inside = splu(system[free][:, free].tocsc())
    out[free] = inside.solve(right[free] - system[free][:, fixed] @ out[fixed])
    return out, distance


def split_rim(points: Floats, rim: Ints) -> tuple[Ints, Ints]:
    """Split a lid rim without its corners into upper and lower vertices, by the line between the corners."""
    corners = rim[[points[rim, 0].argmax(), points[rim, 0].argmin()]]
    a, b = points[corners[0]], points[corners[1]]
    t = (points[rim, 0] - b[0]) / (a[0] - b[0])
    above = points[rim, 1] > b[1] + t * (a[1] - b[1])
    middle = ~np.isin(rim, corners)
    return rim[above & middle], rim[~above & middle]


def _edges(triangles: Ints) -> Ints:
    edges = np.concatenate([triangles[:, [i, j]] for i, j in ((0, 1), (1, 2), (2, 0))])
    return np.unique(np.sort(edges, axis=1), axis=0)


def _distance(points: Floats, triangles: Ints, rim: Ints) -> Floats:
    edges = _edges(triangles)
    length = np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1)
    n = len(points)
    graph = sparse.csr_matrix((length, (edges[:, 0], edges[:, 1])), shape=(n, n))
    return np.asarray(sparse.csgraph.dijkstra(graph, directed=False, indices=rim, min_only=True))


def _laplace(points: Floats, triangles: Ints) -> tuple[sparse.csr_matrix, Floats]:
    """Return a graph Laplacian with inverse lengths as weights and unit masses."""
    edges = _edges(triangles)
    length = np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1)
    weight = 1 / np.maximum(length, 0.2)
    n = len(points)
    joined = sparse.csr_matrix((weight, (edges[:, 0], edges[:, 1])), shape=(n, n))
    joined = joined + joined.T
    degree = np.asarray(joined.sum(1)).ravel()
    return (sparse.diags(degree) - joined).tocsr(), degree

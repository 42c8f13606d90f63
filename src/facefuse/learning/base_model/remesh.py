"""Isotropic remeshing of an open surface with a size field and feature curves.

The classic scheme of Botsch and Kobbelt, "A remeshing approach to multiresolution modeling" (SGP 2004): split long
edges, collapse short ones, flip edges towards better angles, relax in the tangent plane and project back. Vertices on
feature curves (region rims, the symmetry plane) move along their curve only. Every vertex remembers the triangle of
the source surface it lies in and is projected onto the neighbourhood of that triangle only, so that surfaces that
nearly touch (lips, lids) never mix.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from facefuse.learning.base_model.curves import CurveSet
from facefuse.learning.base_model.mesh_edits import (
    MAX_VALENCE,
    attach,
    collapse_pass,
    flip_pass,
    pull_off_rims,
    relax,
    set_link,
    split_pass,
)
from facefuse.learning.base_model.surface import Surface, closest_on_triangles

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Remeshed:
    """A new mesh on a source surface.

    Attributes
    ----------
    points : (V, 3) float
        Positions on the source surface.
    triangles : (F, 3) int
        Oriented as the source.
    source : (V,) int
        The source triangle each vertex lies in, and
    weights : (V, 3) float
        its barycentric weights there.
    curve : (V,) int
        The feature curve a vertex lies on; -1 for none, -2 for a corner where curves meet.
    label : (F,) int
        The source's label of each triangle (its region).
    """

    points: Floats
    triangles: Ints
    source: Ints
    weights: Floats
    curve: Ints
    label: Ints


def remesh(surface: Surface, curves: CurveSet, size: Floats, iterations: int = 14) -> Remeshed:
    """Remesh a source surface.

    Parameters
    ----------
    surface : Surface
        The source; its boundary edges must all belong to curves.
    curves : CurveSet
        Feature curves along source edges; their end points are kept.
    size : (T,) float
        Wanted edge length on each source triangle.
    iterations : int
        Rounds of split, collapse, flip, relax.
    """
    n, f = len(surface.points), len(surface.triangles)
    room_v, room_f = 3 * n + 2000, 3 * f + 4000
    points = np.zeros((room_v, 3))
    points[:n] = surface.points
    tris = np.full((room_f, 3), -1, dtype=np.int64)
    tris[:f] = surface.triangles
    label = np.zeros(room_f, dtype=np.int64)
    label[:f] = surface.label
    fan = np.zeros((room_v, MAX_VALENCE), dtype=np.int64)
    count = np.zeros(room_v, dtype=np.int64)
    source = np.zeros(room_v, dtype=np.int64)
    for t in range(f):
        for v in surface.triangles[t]:
            attach(fan, count, int(v), t)
            source[v] = t
    curve = np.full(room_v, -1, dtype=np.int64)
    curve[:n] = curves.vertex_curve(n)
    links = numba.typed.Dict.empty(numba.int64, numba.int64)
    for index, line in enumerate(curves.lines):
        for a, b in itertools.pairwise(line):
            set_link(int(a), int(b), index, links)

    for round_ in range(iterations):
        last = round_ >= iterations - 3
        if last:
            collapse_pass(points, tris, label, fan, count, curve, source, links, size, n, f, 0.5)
        else:
            n, f = split_pass(points, tris, label, fan, count, curve, source, links, size, n, f, 4 / 3)
            collapse_pass(points, tris, label, fan, count, curve, source, links, size, n, f, 0.8)
        for _ in range(3):
            flip_pass(points, tris, label, fan, count, curve, links, n, f)
        points[:n] = relax(points, tris, fan, count, curve, source, size, n, 0.6)[:n]
        _slide_on_curves(points, curve, source, links, size, curves, n)
        _project(points, source, count, surface, n)

    for _ in range(6):
        collapse_pass(points, tris, label, fan, count, curve, source, links, size, n, f, 0.4)
        flip_pass(points, tris, label, fan, count, curve, links, n, f)
        pull_off_rims(points, tris, fan, count, curve, n)
        _project(points, source, count, surface, n)
    flip_pass(points, tris, label, fan, count, curve, links, n, f)
    used = np.unique(tris[tris[:, 0] >= 0])
    alive = tris[:, 0] >= 0
    renumber = np.full(room_v, -1, dtype=np.int64)
    renumber[used] = np.arange(len(used))
    final, weights = closest_on_triangles(points[used], source[used], surface)
    return Remeshed(final, renumber[tris[alive]], source[used], weights, curve[used], label[alive])


def _project(points: Floats, source: Ints, count: Ints, surface: Surface, n: int) -> None:
    """Put every live vertex back on the source surface, near where it was."""
    live = np.flatnonzero(count[:n] > 0)
    found, triangle = surface.project(points[live], source[live])
    points[live], source[live] = found, triangle


def _slide_on_curves(
    points: Floats, curve: Ints, source: Ints, links: Any, size: Floats, curves: CurveSet, n: int
) -> None:
    """Space the vertices of every feature curve by the size field, keeping them on their curve."""
    neighbours: dict[int, dict[int, list[int]]] = {}
    for key, line in links.items():
        a, b = int(key) >> 32, int(key) & 0xFFFFFFFF
        neighbours.setdefault(int(line), {}).setdefault(a, []).append(b)
        neighbours[int(line)].setdefault(b, []).append(a)
    for line in sorted(neighbours):
        graph = neighbours[line]
        ends = sorted(v for v, around in graph.items() if len(around) == 1)
        start = min(ends, key=lambda v: float(np.linalg.norm(points[v] - curves.start(line))))
        chain = [start]
        while len(chain) < len(graph):
            chain.append(next(v for v in graph[chain[-1]] if len(chain) < 2 or v != chain[-2]))
        order = np.array(chain)
        lengths = curves.locate(line, points[order])
        local = size[source[order]]
        gaps = (local[1:] + local[:-1]) / 2  # wanted spacing, scaled to fit the curve
        wanted = np.concatenate([[0.0], np.cumsum(gaps)])
        wanted *= curves.length(line) / wanted[-1]
        inner = slice(1, len(order) - 1)
        points[order[inner]] = curves.at(line, (0.5 * (lengths + wanted))[inner])

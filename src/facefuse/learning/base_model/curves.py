"""Feature curves of a surface: chains of its edges, with arc length."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class CurveSet:
    """Open polylines along mesh edges.

    Attributes
    ----------
    points : (V, 3) float
        Vertices of the surface.
    lines : tuple of (n,) int
        The vertices of each curve in order; curves meet in their end points only.
    """

    points: Floats
    lines: tuple[Ints, ...]

    def vertex_curve(self, count: int) -> Ints:
        """Return for each of ``count`` vertices its curve, -1 if on none and -2 at ends (corners)."""
        out = np.full(count, -1, dtype=np.int64)
        for index, line in enumerate(self.lines):
            out[line] = index
        for line in self.lines:
            out[line[[0, -1]]] = -2
        return out

    def start(self, line: int) -> Floats:
        """Return the first point of a curve, (3,)."""
        return np.asarray(self.points[self.lines[line][0]])

    def _knots(self, line: int) -> tuple[Floats, Floats]:
        points = self.points[self.lines[line]]
        steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
        return points, np.concatenate([[0.0], np.cumsum(steps)])

    def length(self, line: int) -> float:
        """Return the length of a curve in millimetres."""
        return float(self._knots(line)[1][-1])

    def at(self, line: int, lengths: Floats) -> Floats:
        """Return the points (n, 3) at arc lengths (n,) of a curve."""
        points, knots = self._knots(line)
        return np.stack([np.interp(lengths, knots, points[:, k]) for k in range(3)], axis=1)

    def locate(self, line: int, queries: Floats) -> Floats:
        """Return increasing arc lengths (n,) of points (n, 3) that lie on the curve in order."""
        points, knots = self._knots(line)
        out = np.zeros(len(queries))
        low = 0.0
        for i, query in enumerate(queries):
            along = points[1:] - points[:-1]
            t = np.clip(((query - points[:-1]) * along).sum(1) / (along**2).sum(1), 0, 1)
            gap = np.linalg.norm(points[:-1] + t[:, None] * along - query, axis=1)
            where = knots[:-1] + t * np.diff(knots)
            gap[where < low - 1e-9] = np.inf
            out[i] = low = where[int(np.argmin(gap))]
        return out


SHARP_TURN_DEG = 60.0


def _sharp(before: Floats, at: Floats, after: Floats) -> bool:
    p, q = at - before, after - at
    return bool(p @ q < np.cos(np.radians(SHARP_TURN_DEG)) * np.linalg.norm(p) * np.linalg.norm(q))


def boundary_edges(triangles: Ints) -> set[tuple[int, int]]:
    """Return the edges (a < b) that belong to exactly one triangle."""
    seen: dict[tuple[int, int], int] = defaultdict(int)
    for a, b, c in triangles.tolist():
        for p, q in ((a, b), (b, c), (c, a)):
            seen[min(p, q), max(p, q)] += 1
    return {edge for edge, times in seen.items() if times == 1}


def label_edges(triangles: Ints, label: Ints) -> set[tuple[int, int]]:
    """Return the edges (a < b) between triangles of different labels."""
    seen: dict[tuple[int, int], set[int]] = defaultdict(set)
    for (a, b, c), name in zip(triangles.tolist(), label.tolist(), strict=True):
        for p, q in ((a, b), (b, c), (c, a)):
            seen[min(p, q), max(p, q)].add(name)
    return {edge for edge, names in seen.items() if len(names) > 1}


def trace_curves(points: Floats, edges: set[tuple[int, int]], corners: set[int]) -> CurveSet:
    """Join edges into curves.

    Curves end where other than two edges meet, at ``corners``, at turns sharper than ``SHARP_TURN_DEG`` and twice on
    every loop.
    """
    graph: dict[int, list[int]] = defaultdict(list)
    for a, b in sorted(edges):
        graph[a].append(b)
        graph[b].append(a)
    ends = {v for v, around in graph.items() if len(around) != 2} | (corners & set(graph))
    ends |= {
        v for v, around in graph.items() if len(around) == 2 and _sharp(points[around[0]], points[v], points[around[1]])
    }
    left = set(edges)
    lines: list[list[int]] = []

    def walk(start: int, then: int) -> list[int]:
        chain = [start, then]
        left.discard((min(start, then), max(start, then)))
        while chain[-1] not in ends and chain[-1] != chain[0]:
            step = next(v for v in graph[chain[-1]] if v != chain[-2])
            left.discard((min(step, chain[-1]), max(step, chain[-1])))
            chain.append(step)
        return chain

    for start in sorted(ends):
        for then in graph[start]:
            if (min(start, then), max(start, then)) in left:
                lines += _open(points, walk(start, then))
    while left:
        start, then = min(left)
        lines += _open(points, walk(start, then))
    return CurveSet(points, tuple(np.array(line) for line in lines))


def _open(points: Floats, chain: list[int]) -> list[list[int]]:
    """Cut a closed chain at its most distant point, so that both halves are open curves."""
    if chain[0] != chain[-1]:
        return [chain]
    gaps = np.linalg.norm(points[chain] - points[chain[0]], axis=1)
    half = int(np.argmax(gaps))
    return [chain[: half + 1], chain[half:]]

"""Sparse elimination on a mesh: the compiled inner loops of the surface filter, and the order in which they go.

``A = D + s (W - w)``: D holds positive numbers, w positive weights of the edges, W their sums. A is factorised as
``L diag(d) Lᵀ`` row by row (Davis, "Direct methods for sparse linear systems", 2006, chapter 4), for three factors s
in one go: finding the entries takes longer than computing them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

Array = Any
FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]


def dissection(points: FloatArray, edges: IntArray, levels: int = 7) -> IntArray:
    """Order the vertices of a mesh by nested dissection, so that elimination fills in little.

    Source: George, "Nested dissection of a regular finite element mesh", 1973; the mesh is halved across its longest
    extent, and the vertices between the halves come last.

    Parameters
    ----------
    points : (V, 3) float
    edges : (E, 2) int
        Pairs of vertices.
    levels : int
        How often every part is halved.

    Returns
    -------
    (V,) int
        The vertices in their order.
    """
    count = len(points)
    rank = np.empty((3, count), np.int64)
    for axis in range(3):
        rank[axis, np.argsort(points[:, axis])] = np.arange(count)
    part = np.zeros(count, np.int64)  # base-3 numbers: first half, second half, between
    placed = np.zeros(count, bool)
    for _ in range(levels):
        _, number, sizes = np.unique(part, return_inverse=True, return_counts=True)
        first = np.cumsum(sizes) - sizes
        grouped = points[np.argsort(number, kind="stable")]
        extent = np.maximum.reduceat(grouped, first) - np.minimum.reduceat(grouped, first)
        along = rank[extent.argmax(1)[number], np.arange(count)]
        place = np.empty(count, np.int64)
        place[np.argsort(number * count + along)] = np.arange(count)
        second = place - first[number] >= sizes[number] // 2
        cut = edges[second[edges[:, 0]] != second[edges[:, 1]]]
        between = np.where(second[cut[:, 0]], cut[:, 1], cut[:, 0])
        digit = np.where(placed, 0, second)
        digit[between] = 2
        placed[between] = True
        part = 3 * part + digit
        edges = edges[(part[edges[:, 0]] == part[edges[:, 1]]) & ~placed[edges[:, 0]]]
    return np.argsort(part, kind="stable")


@njit(cache=True, nogil=True, error_model="numpy")
def count_entries(start: Array, column: Array, parent: Array, first: Array) -> None:
    """Find the elimination tree, and how many entries L has.

    Parameters
    ----------
    start : (V + 1,) int32
        Where the edges of each row begin in
    column : (N,) int32
        the other vertices of all edges, seen from both ends.
    parent : (V,) int32
        Written: the parent of each column in the elimination tree, -1 at a root.
    first : (V + 1,) int32
        Written: where the entries of each column of L begin, below its diagonal of ones.
    """
    count = len(parent)
    seen = np.full(count, -1, np.int32)
    first[:] = 0
    for k in range(count):
        parent[k] = -1
        seen[k] = k
        for e in range(start[k], start[k + 1]):
            i = column[e]
            while i < k and seen[i] != k:
                if parent[i] < 0:
                    parent[i] = k
                first[i + 1] += 1
                seen[i] = k
                i = parent[i]
    for k in range(count):
        first[k + 1] += first[k]


@njit(cache=True, nogil=True, error_model="numpy")
def factorize(
    start: Array,
    column: Array,
    weight: Array,
    mass: Array,
    factor: Array,
    parent: Array,
    first: Array,
    row: Array,
    lower: Array,
    diagonal: Array,
) -> None:
    """Compute L and d for three factors s.

    Parameters
    ----------
    start, column, parent, first
        As in :func:`count_entries`.
    weight : (N,) float64
        w, of every edge from both ends.
    mass : (V,) float64
        D.
    factor : (3,) float64
        The factors s.
    row : (M,) int32
        Written: the row of each entry of L.
    lower : (M, 3) float64
        Written: the entries.
    diagonal : (V, 3) float64
        Written: d.
    """
    count = len(mass)
    own = np.zeros((count, 3))
    length = np.zeros(count, np.int32)
    seen = np.full(count, -1, np.int32)
    path = np.empty(count, np.int32)
    pattern = np.empty(count, np.int32)
    for k in range(count):
        seen[k] = k
        top = count
        total = 0.0
        for e in range(start[k], start[k + 1]):
            total += weight[e]
            i = column[e]
            if i > k:
                continue
            for c in range(3):
                own[i, c] -= factor[c] * weight[e]
            steps = 0
            while seen[i] != k:
                path[steps] = i
                steps += 1
                seen[i] = k
                i = parent[i]
            while steps > 0:
                steps -= 1
                top -= 1
                pattern[top] = path[steps]
        for c in range(3):
            diagonal[k, c] = mass[k] + factor[c] * total
        for t in range(top, count):
            i = pattern[t]
            value0, value1, value2 = own[i, 0], own[i, 1], own[i, 2]
            own[i] = 0.0
            end = first[i] + length[i]
            for n in range(first[i], end):
                j = np.uint32(row[n])  # unsigned: no test for negative indices
                own[j, 0] -= lower[n, 0] * value0
                own[j, 1] -= lower[n, 1] * value1
                own[j, 2] -= lower[n, 2] * value2
            row[end] = k
            length[i] += 1
            lower[end, 0] = value0 / diagonal[i, 0]
            lower[end, 1] = value1 / diagonal[i, 1]
            lower[end, 2] = value2 / diagonal[i, 2]
            diagonal[k, 0] -= lower[end, 0] * value0
            diagonal[k, 1] -= lower[end, 1] * value1
            diagonal[k, 2] -= lower[end, 2] * value2


@njit(cache=True, nogil=True, error_model="numpy")
def solve(first: Array, row: Array, lower: Array, diagonal: Array, kind: int, values: Array) -> None:
    """Solve ``A x = b`` for the factor numbered ``kind``.

    Parameters
    ----------
    first, row, lower, diagonal
        As :func:`factorize` wrote them.
    kind : int
    values : (V, C) float64
        b; overwritten by x.
    """
    count, channels = values.shape
    for k in range(count):
        for n in range(first[k], first[k + 1]):
            i, entry = np.uint32(row[n]), lower[n, kind]
            for c in range(channels):
                values[i, c] -= entry * values[k, c]
    for k in range(count - 1, -1, -1):
        for c in range(channels):
            values[k, c] /= diagonal[k, kind]
        for n in range(first[k], first[k + 1]):
            i, entry = np.uint32(row[n]), lower[n, kind]
            for c in range(channels):
                values[k, c] -= entry * values[i, c]

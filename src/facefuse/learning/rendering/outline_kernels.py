"""Compiled search for outlines, and blending across them, for CPU tensors: one picture at a time.

A crossing, of ``N``, is a row of six whole numbers: the two vertices of the edge, the axis (0: the pixels are
neighbours in a row; 1: in a column), that row or column, and where on it the pixels with and without the surface are;
see `antialias.Crossings`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from facefuse.rendering.kernels import BITS, REACH

Array = Any

SLACK, NOISE = 0.01, 1e-5
"""Depths this close, as shares of the mesh's depth from front to back and of its distance, count as the same."""

_RANK = 31
"""Bits for where a crossing is between its two pixels."""
_ROUND_UP = (1 << BITS) - 1


@njit(cache=True, nogil=True, error_model="numpy")
def _snap(screen: Array, place: Array, good: Array) -> float:
    """Snap vertices as the rasteriser does: x and y (V, 2) in whole subpixels, and which are finite; the slack."""
    nearest, farthest = np.inf, -np.inf
    limit = REACH * (1 << BITS)
    for i in range(len(screen)):
        x, y, z = np.float64(screen[i, 0]), np.float64(screen[i, 1]), np.float64(screen[i, 2])
        good[i] = abs(x) + abs(y) + abs(z) < np.inf
        if not good[i]:
            place[i, 0], place[i, 1] = 0, 0
            continue
        place[i, 0] = np.int64(np.rint(min(max(x * (1 << BITS), -limit), limit)))
        place[i, 1] = np.int64(np.rint(min(max(y * (1 << BITS), -limit), limit)))
        nearest, farthest = min(nearest, z), max(farthest, z)
    return SLACK * (farthest - nearest) + NOISE * abs(farthest)


@njit(cache=True, nogil=True, error_model="numpy")
def _grown(rows: Array) -> Array:
    """The same rows with room for as many again."""
    out = np.empty((2 * len(rows), rows.shape[1]), rows.dtype)
    out[: len(rows)] = rows
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _offset(screen: Array, row: Array) -> tuple[float, float, float, float]:
    """Where an edge crosses its line, in pixels from the inner one; its extents along and across the line; the share.

    The share is that of the edge before the crossing.
    """
    a, b, axis = row[0], row[1], row[2]
    run, rise = screen[b, axis] - screen[a, axis], screen[b, 1 - axis] - screen[a, 1 - axis]
    before = screen.dtype.type(row[3]) - screen[a, 1 - axis]
    at = screen[a, axis] + before * run / rise - screen.dtype.type(row[4])
    return (at if row[5] > row[4] else -at), run, rise, before / rise


@njit(cache=True, nogil=True, error_model="numpy")
def visible_crossings(
    screen: Array, triangles: Array, neighbours: Array, depth: Array, perspective: bool, cull: bool
) -> Array:
    """Find where silhouettes of one picture pass between pixel centres, one in front and one behind.

    Parameters
    ----------
    screen : (V, 3) float
    triangles, neighbours : (F, 3) int64
    depth : (H, W) float32
        Of the visible surface; inf where there is none.
    perspective, cull : bool
        As it was rasterised.

    Returns
    -------
    (N, 6) int64
        Of several crossings between two pixels the outermost: it is the outline.
    """
    size = depth.shape
    place, good = np.empty((len(screen), 2), np.int64), np.empty(len(screen), np.bool_)
    slack = _snap(screen, place, good)
    front = np.empty(len(triangles), np.bool_)
    for f in range(len(triangles)):
        i, j, k = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        ux, uy = place[j, 0] - place[i, 0], place[j, 1] - place[i, 1]
        vx, vy = place[k, 0] - place[i, 0], place[k, 1] - place[i, 1]
        front[f] = uy * vx - ux * vy > 0
    found, count = np.empty((1024, 7), np.int64), 0
    for f in range(len(triangles)):
        for corner in range(3):
            across = neighbours[f, corner]
            border = across < 0
            outline = front[f] and (border or not front[across])
            if not (outline or (border and not cull)):
                continue
            c = triangles[f, corner]
            a, b = triangles[f, (corner + 1) % 3], triangles[f, (corner + 2) % 3]
            if not (good[a] and good[b] and good[c]):
                continue
            dx, dy = place[b, 0] - place[a, 0], place[b, 1] - place[a, 1]
            side = (place[c, 0] - place[a, 0]) * dy - (place[c, 1] - place[a, 1]) * dx
            if side == 0:
                continue
            to_right, to_bottom = np.sign(side) * dy > 0, np.sign(side) * dx < 0
            covers = to_right or (dy == 0 and to_bottom)  # the pixel centres on this edge: top-left rule
            za, zb = np.float64(screen[a, 2]), np.float64(screen[b, 2])
            for axis in range(2):
                inside_greater = to_right if axis == 0 else to_bottom
                along, over = place[a, axis], place[a, 1 - axis]
                run, rise = (dx, dy) if axis == 0 else (dy, dx)
                first = max((min(over, over + rise) + _ROUND_UP) >> BITS, 0)
                stop = min((max(over, over + rise) + _ROUND_UP) >> BITS, size[axis])
                for line in range(first, stop):
                    # where on the line, as a fraction in whole numbers
                    numerator = along * rise + ((line << BITS) - over) * run
                    denominator = rise << BITS
                    below = numerator // denominator
                    if below * denominator == numerator and covers == inside_greater:
                        below -= 1
                    if below < 0 or below >= size[1 - axis] - 1:
                        continue
                    inner, outer = (below + 1, below) if inside_greater else (below, below + 1)
                    share = ((line << BITS) - over) / rise
                    edge = 1 / ((1 - share) / za + share / zb) if perspective else (1 - share) * za + share * zb
                    y, x = (line, inner) if axis == 0 else (inner, line)
                    far = depth[line, outer] if axis == 0 else depth[outer, line]
                    if not (depth[y, x] < edge + slack and far > edge + 0.1 * slack):
                        continue
                    if count == len(found):
                        found = _grown(found)
                    row = found[count]
                    row[0], row[1], row[2], row[3], row[4], row[5] = a, b, axis, line, inner, outer
                    pair = 4 * (y * size[1] + x) + 2 * axis + (outer > inner)
                    place_between = np.int64(min(max(_offset(screen, row)[0], 0), 1) * (1 << _RANK - 1))
                    row[6] = (pair << _RANK) + place_between
                    count += 1
    order = np.argsort(found[:count, 6], kind="mergesort")
    kept = 0
    out = np.empty((count, 6), np.int64)
    for n in range(count):
        row = found[order[n]]
        if n + 1 == count or found[order[n + 1], 6] >> _RANK != row[6] >> _RANK:
            out[kept] = row[:6]
            kept += 1
    return out[:kept]


@njit(cache=True, nogil=True, error_model="numpy")
def crossing_weights(screen: Array, crossings: Array) -> Array:
    """How far past the middle between two pixels each crossing is, times how steep the edge is: (N,) float."""
    half = screen.dtype.type(0.5)
    out = np.empty(len(crossings), screen.dtype)
    for n in range(len(crossings)):
        distance, run, rise, _ = _offset(screen, crossings[n])
        out[n] = (distance - half) * (rise * rise) / (rise * rise + run * run)
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def crossing_weights_backward(screen: Array, crossings: Array, grad_weights: Array, grad_screen: Array) -> None:
    """Gradient of :func:`crossing_weights`, added to ``grad_screen`` (V, 3)."""
    half = screen.dtype.type(0.5)
    for n in range(len(crossings)):
        row = crossings[n]
        a, b, axis = row[0], row[1], row[2]
        distance, run, rise, share = _offset(screen, row)
        length = rise * rise + run * run
        steep = rise * rise / length
        at = grad_weights[n] * steep * (row[5] - row[4])
        turn = grad_weights[n] * (distance - half) * (2 * rise * run) / (length * length)
        # of the crossing's place, then of the slope
        grad_screen[a, axis] += at * (1 - share) + turn * rise
        grad_screen[b, axis] += at * share - turn * rise
        grad_screen[a, 1 - axis] -= at * (1 - share) * run / rise + turn * run
        grad_screen[b, 1 - axis] -= at * share * run / rise - turn * run


@njit(cache=True, nogil=True, error_model="numpy")
def _pixels(row: Array) -> tuple[int, int, int, int]:
    """Row and column of the inner pixel, and of the outer one."""
    if row[2] == 0:
        return row[3], row[4], row[3], row[5]
    return row[4], row[3], row[5], row[3]


@njit(cache=True, nogil=True, error_model="numpy")
def blend(crossings: Array, weights: Array, planes: Array) -> Array:
    """Blend planes (C, H, W) across outlines, in place; return the steps (N, C) from outer to inner pixel."""
    steps = np.empty((len(crossings), len(planes)), planes.dtype)
    for n in range(len(crossings)):
        y, x, v, u = _pixels(crossings[n])
        for c in range(len(planes)):
            steps[n, c] = planes[c, y, x] - planes[c, v, u]
    for n in range(len(crossings)):
        y, x, v, u = _pixels(crossings[n])
        if weights[n] > 0:
            y, x = v, u
        for c in range(len(planes)):
            planes[c, y, x] += steps[n, c] * weights[n]
    return steps


@njit(cache=True, nogil=True, error_model="numpy")
def blend_backward(crossings: Array, weights: Array, steps: Array, grad: Array, grad_weights: Array) -> None:
    """Turn the gradient of blended planes (C, H, W) into that of the planes, in place; add that of the weights (N,)."""
    passed = np.empty((len(crossings), len(grad)), grad.dtype)
    for n in range(len(crossings)):
        y, x, v, u = _pixels(crossings[n])
        if weights[n] > 0:
            y, x = v, u
        for c in range(len(grad)):
            passed[n, c] = grad[c, y, x] * weights[n]
            grad_weights[n] += grad[c, y, x] * steps[n, c]
    for n in range(len(crossings)):
        y, x, v, u = _pixels(crossings[n])
        for c in range(len(grad)):
            grad[c, y, x] += passed[n, c]
            grad[c, v, u] -= passed[n, c]

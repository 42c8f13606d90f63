"""The compiled search for outlines, for CPU tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from facefuse.rendering.kernels import BITS

Array = Any

_ROUND_UP = (1 << BITS) - 1


@njit(cache=True, nogil=True, error_model="numpy")
def visible_crossings(
    place: Array,
    good: Array,
    z: Array,
    triangles: Array,
    neighbours: Array,
    depth: Array,
    perspective: bool,
    cull: bool,
    slack: float,
    found: Array,
) -> int:
    """Find where silhouettes of one picture pass between pixel centres, one in front and one behind.

    Parameters
    ----------
    place : (V, 2) int64
        x and y in whole subpixels, as the rasteriser snaps them: both have to agree on what covers a pixel.
    good : (V,) bool
        Which vertices are finite.
    z : (V,) float64
        Depth.
    triangles, neighbours : (F, 3) int64
    depth : (H, W) float32
        Of the visible surface; inf where there is none.
    perspective, cull : bool
    slack : float
        How far behind the edge the surface on its inner side may be; on the outer side it must be farther by a tenth.
    found : (N, 6) int64
        Written: ends of the edge, axis, line, inner and outer pixel; see `antialias.Crossings`. Those that do not fit
        are only counted.

    Returns
    -------
    int
        How many there are.
    """
    size = depth.shape
    count = 0
    front = np.empty(len(triangles), np.bool_)
    for f in range(len(triangles)):
        i, j, k = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        ux, uy = place[j, 0] - place[i, 0], place[j, 1] - place[i, 1]
        vx, vy = place[k, 0] - place[i, 0], place[k, 1] - place[i, 1]
        front[f] = uy * vx - ux * vy > 0
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
                    if perspective:
                        edge = 1 / ((1 - share) / z[a] + share / z[b])
                    else:
                        edge = (1 - share) * z[a] + share * z[b]
                    if axis == 0:
                        near, far = depth[line, inner], depth[line, outer]
                    else:
                        near, far = depth[inner, line], depth[outer, line]
                    if near < edge + slack and far > edge + 0.1 * slack:
                        if count < len(found):
                            found[count, 0], found[count, 1] = a, b
                            found[count, 2], found[count, 3] = axis, line
                            found[count, 4], found[count, 5] = inner, outer
                        count += 1
    return count

"""The compiled inner loop of pictures; cached on disk, as in :mod:`facefuse.rendering.kernels`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

Array = Any


@njit(cache=True, nogil=True, error_model="numpy")
def paint(
    index: Array,
    barycentric: Array,
    triangles: Array,
    shade: Array,
    corners: Array,
    corner_triangles: Array,
    texture: Array,
    decode: Array,
    factor: int,
    out: Array,
) -> None:
    """Colour and coverage of every pixel, averaged over its samples.

    Parameters
    ----------
    index : (f H, f W) int32
        Triangle of each sample, -1 where there is none.
    barycentric : (f H, f W, 3) float32
    triangles : (F, 3) int32
    shade : (V, 3) float32
        Colour of each vertex, or the factor on the texture's.
    corners : (U, 2) float32
        Texture coordinates in pixels of the texture.
    corner_triangles : (F, 3) int32
        Indices into ``corners``.
    texture : (S, T, 3) uint8
        Looked up bilinearly; without pixels, ``shade`` is the colour.
    decode : (256,) float32
        Value of each of its codes.
    factor : int
        Samples per pixel and axis, f.
    out : (H, W, 4) float32
        Written: colour, at most 1 at each sample, times coverage; and coverage.
    """
    height, width = out.shape[:2]
    last_y, last_x = texture.shape[0] - 1, texture.shape[1] - 1
    share = np.float32(1.0 / (factor * factor))
    zero, one = np.float32(0.0), np.float32(1.0)
    for y in range(height):
        for x in range(width):
            red, green, blue, covered = zero, zero, zero, zero
            for sample in range(factor * factor):
                row, column = y * factor + sample // factor, x * factor + sample % factor
                f = index[row, column]
                if f < 0:
                    continue
                covered += share
                a, b, c = barycentric[row, column, 0], barycentric[row, column, 1], barycentric[row, column, 2]
                i, j, k = triangles[f, 0], triangles[f, 1], triangles[f, 2]
                r = a * shade[i, 0] + b * shade[j, 0] + c * shade[k, 0]
                g = a * shade[i, 1] + b * shade[j, 1] + c * shade[k, 1]
                s = a * shade[i, 2] + b * shade[j, 2] + c * shade[k, 2]
                if last_x >= 0:
                    i, j, k = corner_triangles[f, 0], corner_triangles[f, 1], corner_triangles[f, 2]
                    u = a * corners[i, 0] + b * corners[j, 0] + c * corners[k, 0]
                    v = a * corners[i, 1] + b * corners[j, 1] + c * corners[k, 1]
                    u = min(max(u, zero), np.float32(last_x))
                    v = min(max(v, zero), np.float32(last_y))
                    x0, y0 = int(u), int(v)
                    x1, y1 = min(x0 + 1, last_x), min(y0 + 1, last_y)
                    u, v = u - np.float32(x0), v - np.float32(y0)
                    w00, w01, w10, w11 = (one - u) * (one - v), u * (one - v), (one - u) * v, u * v
                    r *= (
                        w00 * decode[texture[y0, x0, 0]]
                        + w01 * decode[texture[y0, x1, 0]]
                        + w10 * decode[texture[y1, x0, 0]]
                        + w11 * decode[texture[y1, x1, 0]]
                    )
                    g *= (
                        w00 * decode[texture[y0, x0, 1]]
                        + w01 * decode[texture[y0, x1, 1]]
                        + w10 * decode[texture[y1, x0, 1]]
                        + w11 * decode[texture[y1, x1, 1]]
                    )
                    s *= (
                        w00 * decode[texture[y0, x0, 2]]
                        + w01 * decode[texture[y0, x1, 2]]
                        + w10 * decode[texture[y1, x0, 2]]
                        + w11 * decode[texture[y1, x1, 2]]
                    )
                red += share * min(r, one)
                green += share * min(g, one)
                blue += share * min(s, one)
            out[y, x, 0], out[y, x, 1], out[y, x, 2], out[y, x, 3] = red, green, blue, covered

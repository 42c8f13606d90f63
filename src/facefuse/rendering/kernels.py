"""The compiled inner loops of the rasteriser.

Each kernel is compiled on its first call and cached on disk: beside this file, or where that is not writable in Numba's
user cache directory (``NUMBA_CACHE_DIR`` overrides both). Callers pass contiguous arrays of the documented types, so
one specialisation of each is ever compiled.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

Array = Any

SUBPIXEL = 4096.0
"""Vertices are snapped to 1/4096 pixel; edge functions are then exact integers in float64 up to ±8192 pixels."""


@njit(cache=True, nogil=True, error_model="numpy")
def raster_depth(
    vertices: Array,
    triangles: Array,
    near: float,
    perspective: bool,
    cull: bool,
    snapped: Array,
    index: Array,
    closeness: Array,
) -> None:
    """Find the nearest triangle of each pixel.

    Parameters
    ----------
    vertices : (V, 3) float64
        Pixels and depth.
    triangles : (F, 3) int32
    near : float
        Triangles with a corner at or before this depth are dropped (perspective only).
    perspective : bool
        Whether 1/z, rather than z, is affine on the screen.
    cull : bool
        Whether triangles seen from behind are dropped.
    snapped : (V, 3) float64
        Written: x and y in whole subpixels, and closeness: 1/z (perspective) or -z.
    index : (H, W) int32
        Written: triangle, -1 where none.
    closeness : (H, W) float32
        Written: closeness of that triangle, -inf where none.
    """
    height, width = index.shape
    index[:] = -1
    closeness[:] = -np.inf
    for i in range(vertices.shape[0]):
        snapped[i, 0] = np.rint(vertices[i, 0] * SUBPIXEL)
        snapped[i, 1] = np.rint(vertices[i, 1] * SUBPIXEL)
        z = vertices[i, 2]
        if perspective:
            snapped[i, 2] = 1.0 / z if z > near else np.nan
        else:
            snapped[i, 2] = -z
    last_x, last_y = (width - 1) * SUBPIXEL, (height - 1) * SUBPIXEL
    for f in range(triangles.shape[0]):
        i, j, k = np.uint32(triangles[f, 0]), np.uint32(triangles[f, 1]), np.uint32(triangles[f, 2])
        ax, ay, az = snapped[i, 0], snapped[i, 1], snapped[i, 2]
        bx, by, bz = snapped[j, 0], snapped[j, 1], snapped[j, 2]
        cx, cy, cz = snapped[k, 0], snapped[k, 1], snapped[k, 2]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        # y points down, so a triangle that is counter-clockwise to the eye has a negative area
        if area > 0.0:
            if cull:
                continue
        elif area < 0.0:
            area = -area
            bx, cx = cx, bx
            by, cy = cy, by
            bz, cz = cz, bz
        else:  # degenerate, or not a number
            continue
        low_x, high_x = min(ax, bx, cx), max(ax, bx, cx)
        low_y, high_y = min(ay, by, cy), max(ay, by, cy)
        if high_x < 0.0 or high_y < 0.0 or low_x > last_x or low_y > last_y:
            continue
        if not math.isfinite(az + bz + cz):
            continue
        x0 = np.uint32(math.ceil(max(low_x, 0.0) / SUBPIXEL))
        x1 = np.uint32(math.floor(min(high_x, last_x) / SUBPIXEL))
        y0 = np.uint32(math.ceil(max(low_y, 0.0) / SUBPIXEL))
        y1 = np.uint32(math.floor(min(high_y, last_y) / SUBPIXEL))
        if x0 > x1 or y0 > y1:
            continue
        # edge functions opposite a, b, c, positive inside; their steps per pixel in x and y
        step_xa, step_ya = (by - cy) * SUBPIXEL, (cx - bx) * SUBPIXEL
        step_xb, step_yb = (cy - ay) * SUBPIXEL, (ax - cx) * SUBPIXEL
        step_xc, step_yc = (ay - by) * SUBPIXEL, (bx - ax) * SUBPIXEL
        px, py = x0 * SUBPIXEL, y0 * SUBPIXEL
        row_a = (cx - bx) * (py - by) - (cy - by) * (px - bx)
        row_b = (ax - cx) * (py - cy) - (ay - cy) * (px - cx)
        row_c = (bx - ax) * (py - ay) - (by - ay) * (px - ax)
        # top-left rule: points exactly on other edges need a strictly positive (integer) edge function
        least_a = 0.0 if (cy < by or (cy == by and cx > bx)) else 1.0
        least_b = 0.0 if (ay < cy or (ay == cy and ax > cx)) else 1.0
        least_c = 0.0 if (by < ay or (by == ay and bx > ax)) else 1.0
        scale = 1.0 / area
        za, zb, zc = az * scale, bz * scale, cz * scale
        for y in range(y0, y1 + np.uint32(1)):
            ea, eb, ec = row_a, row_b, row_c
            for x in range(x0, x1 + np.uint32(1)):
                # one branch per pixel: testing coverage and depth apart costs a second misprediction
                close = np.float32(ea * za + eb * zb + ec * zc)
                if (ea >= least_a) & (eb >= least_b) & (ec >= least_c) & (close > closeness[y, x]):
                    closeness[y, x] = close
                    index[y, x] = f
                ea += step_xa
                eb += step_xb
                ec += step_xc
            row_a += step_ya
            row_b += step_yb
            row_c += step_yc


@njit(cache=True, nogil=True, error_model="numpy")
def raster_barycentric(
    snapped: Array, triangles: Array, perspective: bool, index: Array, barycentric: Array, depth: Array
) -> None:
    """Turn triangle indices into perspective-correct barycentric coordinates and depth.

    Parameters
    ----------
    snapped, triangles, perspective, index
        As in :func:`raster_depth`.
    barycentric : (H, W, 3) float32
        Written: weights of the triangle's corners, zero where there is none.
    depth : (H, W) float32
        Holds ``closeness``; overwritten by the depth, inf where there is no triangle.
    """
    height, width = index.shape
    zero, one = np.float32(0.0), np.float32(1.0)
    for y in range(height):
        for x in range(width):
            f = index[y, x]
            if f < 0:
                barycentric[y, x, 0] = zero
                barycentric[y, x, 1] = zero
                barycentric[y, x, 2] = zero
                depth[y, x] = np.inf
                continue
            i, j, k = np.uint32(triangles[f, 0]), np.uint32(triangles[f, 1]), np.uint32(triangles[f, 2])
            px, py = x * SUBPIXEL, y * SUBPIXEL
            ax, ay = snapped[i, 0] - px, snapped[i, 1] - py
            bx, by = snapped[j, 0] - px, snapped[j, 1] - py
            cx, cy = snapped[k, 0] - px, snapped[k, 1] - py
            a, b, c = bx * cy - by * cx, cx * ay - cy * ax, ax * by - ay * bx
            if perspective:
                a *= snapped[i, 2]
                b *= snapped[j, 2]
                c *= snapped[k, 2]
                depth[y, x] = one / depth[y, x]
            else:
                depth[y, x] = -depth[y, x]
            scale = 1.0 / (a + b + c)
            barycentric[y, x, 0] = a * scale
            barycentric[y, x, 1] = b * scale
            barycentric[y, x, 2] = c * scale


@njit(cache=True, nogil=True, error_model="numpy")
def interpolate_attributes(
    index: Array, barycentric: Array, attributes: Array, triangles: Array, background: Array, out: Array
) -> None:
    """Interpolate vertex attributes at every pixel.

    Parameters
    ----------
    index : (H, W) int32
    barycentric : (H, W, 3) float32
    attributes : (V, C) float32
    triangles : (F, 3) int32
        Indices into ``attributes``.
    background : (C,) float32
        The value where there is no triangle.
    out : (H, W, C) float32
        Written.
    """
    height, width, channels = out.shape
    for y in range(height):
        for x in range(width):
            f = index[y, x]
            if f < 0:
                for c in range(channels):
                    out[y, x, c] = background[c]
                continue
            i, j, k = triangles[f, 0], triangles[f, 1], triangles[f, 2]
            wa, wb, wc = barycentric[y, x, 0], barycentric[y, x, 1], barycentric[y, x, 2]
            for c in range(channels):
                out[y, x, c] = wa * attributes[i, c] + wb * attributes[j, c] + wc * attributes[k, c]


@njit(cache=True, nogil=True, error_model="numpy")
def sample_bilinear(image: Array, points: Array, out: Array) -> None:
    """Sample an image at points, clamped to its border.

    Parameters
    ----------
    image : (H, W, C) float32
    points : (N, 2) float32
        Pixels, x and y.
    out : (N, C) float32
        Written.
    """
    height, width, channels = image.shape
    for n in range(points.shape[0]):
        x = min(max(points[n, 0], np.float32(0.0)), np.float32(width - 1))
        y = min(max(points[n, 1], np.float32(0.0)), np.float32(height - 1))
        x0, y0 = int(x), int(y)
        x1, y1 = min(x0 + 1, width - 1), min(y0 + 1, height - 1)
        u, v = x - np.float32(x0), y - np.float32(y0)
        one = np.float32(1.0)
        w00, w01, w10, w11 = (one - u) * (one - v), u * (one - v), (one - u) * v, u * v
        for c in range(channels):
            out[n, c] = (
                w00 * image[y0, x0, c] + w01 * image[y0, x1, c] + w10 * image[y1, x0, c] + w11 * image[y1, x1, c]
            )

"""The compiled inner loops of the rasteriser.

Each kernel is compiled on its first call and cached on disk: beside this file, or where that is not writable in Numba's
user cache directory (``NUMBA_CACHE_DIR`` overrides both). Callers pass contiguous arrays of the documented types, so
one specialisation of each is compiled (of :func:`raster_keys` one for each integer type of triangles).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

Array = Any

BITS = 12
"""Vertices are snapped to 1/4096 pixel, so that edge functions are exact integers."""
REACH = 131072.0
"""Vertices further than this many pixels from the picture's corner are moved to that distance: no integer overflows."""

_SUBPIXEL = float(1 << BITS)
_FURTHEST = REACH * _SUBPIXEL
_ROUND_UP = (1 << BITS) - 1
_LAST = 0xFFFFFFFF


@njit(cache=True, nogil=True, error_model="numpy")
def snap_vertices(vertices: Array, near: float, perspective: bool, snapped: Array) -> float:
    """Turn screen vertices into what the rasteriser works with.

    Parameters
    ----------
    vertices : (V, 3) float64
        Pixels and depth.
    near : float
        Vertices at or before this depth are not a number (perspective only).
    perspective : bool
        Whether 1/z, rather than z, is affine on the screen.
    snapped : (V, 4) int32
        Written: x and y in whole subpixels, and the bits of the float32 closeness: 1/z (perspective), or the distance
        from the far plane.

    Returns
    -------
    float
        Depth of the far plane, just behind the furthest vertex; 0 for perspective.
    """
    low, high = np.inf, -np.inf
    if not perspective:
        for i in range(vertices.shape[0]):
            z = vertices[i, 2]
            if abs(z) < np.inf:
                low, high = min(low, z), max(high, z)
    far = high + (high - low) / 1024.0 if low <= high else 0.0
    closeness = snapped.view(np.float32)
    for i in range(vertices.shape[0]):
        x, y, z = vertices[i, 0] * _SUBPIXEL, vertices[i, 1] * _SUBPIXEL, vertices[i, 2]
        if abs(x) + abs(y) + abs(z) < np.inf:
            snapped[i, 0] = np.int32(np.rint(min(max(x, -_FURTHEST), _FURTHEST)))
            snapped[i, 1] = np.int32(np.rint(min(max(y, -_FURTHEST), _FURTHEST)))
            if perspective:
                closeness[i, 2] = 1.0 / z if z > near else np.nan
            else:
                closeness[i, 2] = far - z
        else:
            snapped[i, 0] = 0
            snapped[i, 1] = 0
            closeness[i, 2] = np.nan
    return far


@njit(inline="always")
def _keep_nearest(keys: Array, at: int, ea: int, eb: int, ec: int, close: float, low: int) -> None:
    """Offer a triangle to a pixel: without a branch, because which triangle covers it cannot be predicted."""
    outside = (ea | eb | ec) >> 63
    bits = np.int64(np.float32(close).view(np.int32))  # floats that are not negative sort like their bits
    key = ((bits << 32) | low) & ~outside
    keys[np.uint64(at)] = max(keys[np.uint64(at)], key)


@njit(cache=True, nogil=True, error_model="numpy")
def raster_keys(
    snapped: Array,
    triangles: Array,
    perspective: bool,
    cull: int,
    width: int,
    height: int,
    keys: Array,
    planes: Array,
) -> bool:
    """Find the nearest triangle of each pixel.

    Parameters
    ----------
    snapped : (V, 4) int32
        From :func:`snap_vertices`.
    triangles : (F, 3) int
    perspective : bool
    cull : int
        So many of the first triangles are dropped where they are seen from behind.
    width, height : int
    keys : ((height + 1) (width + 1)) int64
        Written: closeness (its float32 bits) and, below it, 2³² - 1 - triangle; 0 where there is none. Rows are one
        longer than the picture and there is one more of them, for blocks of two by two pixels that overhang.
    planes : (F, 8) float32
        Written for triangles that may be seen: the weights of the second and third corner at the pixel where the
        triangle's bounding box begins, their steps in x and y (times the corner's closeness if perspective), and the
        int32 x and y of that pixel.

    Returns
    -------
    bool
        False, and nothing of use is written, if a triangle refers to a vertex that does not exist.
    """
    keys[:] = 0
    closeness = snapped.view(np.float32)
    origin = planes.view(np.int32)
    last_x, last_y = np.int64(width - 1), np.int64(height - 1)
    stride = np.int64(width + 1)
    count = np.uint64(len(snapped))
    for f in range(triangles.shape[0]):
        i, j, k = np.uint64(triangles[f, 0]), np.uint64(triangles[f, 1]), np.uint64(triangles[f, 2])
        if max(i, j, k) >= count:  # negative indices are large ones here
            return False
        ax, ay = np.int64(snapped[i, 0]), np.int64(snapped[i, 1])
        bx, by = np.int64(snapped[j, 0]), np.int64(snapped[j, 1])
        cx, cy = np.int64(snapped[k, 0]), np.int64(snapped[k, 1])
        # y points down: positive where the triangle is counter-clockwise to the eye
        area = (by - ay) * (cx - ax) - (bx - ax) * (cy - ay)
        second = 0
        if area <= 0:
            if f < cull or area == 0:
                continue
            second = 3
            area = -area
            j, k = k, j
            bx, cx = cx, bx
            by, cy = cy, by
        x0, x1 = max((min(ax, bx, cx) + _ROUND_UP) >> BITS, 0), min(max(ax, bx, cx) >> BITS, last_x)
        y0, y1 = max((min(ay, by, cy) + _ROUND_UP) >> BITS, 0), min(max(ay, by, cy) >> BITS, last_y)
        if ((x1 - x0) | (y1 - y0)) < 0:
            continue
        za, zb, zc = np.float64(closeness[i, 2]), np.float64(closeness[j, 2]), np.float64(closeness[k, 2])
        rise_b, rise_c = zb - za, zc - za
        if not abs(rise_b + rise_c) < np.inf:
            continue
        # edge functions opposite a, b, c, positive inside, at the box's first pixel, and their steps per subpixel
        xa, ya = cy - by, bx - cx
        xb, yb = ay - cy, cx - ax
        xc, yc = by - ay, ax - bx
        px, py = (x0 << BITS) - ax, (y0 << BITS) - ay
        eb, ec = yb * py + xb * px, yc * py + xc * px
        ea = area - eb - ec
        scale = 1.0 / area
        step = _SUBPIXEL * scale
        wb, wb_x, wb_y = eb * scale, xb * step, yb * step
        wc, wc_x, wc_y = ec * scale, xc * step, yc * step
        near = za + (wb * rise_b + wc * rise_c)
        near_x, near_y = wb_x * rise_b + wc_x * rise_c, wb_y * rise_b + wc_y * rise_c
        if perspective:
            wb, wb_x, wb_y = wb * zb, wb_x * zb, wb_y * zb
            wc, wc_x, wc_y = wc * zc, wc_x * zc, wc_y * zc
        third = 3 - second
        planes[f, second], planes[f, second + 1], planes[f, second + 2] = wb, wb_x, wb_y
        planes[f, third], planes[f, third + 1], planes[f, third + 2] = wc, wc_x, wc_y
        origin[f, 6], origin[f, 7] = x0, y0
        # top-left rule: on any other edge a pixel centre is outside, so its (whole) edge function is one less
        ea += (((xa << 32) + ya) - 1) >> 63
        eb += (((xb << 32) + yb) - 1) >> 63
        ec += (((xc << 32) + yc) - 1) >> 63
        xa, xb, xc = xa << BITS, xb << BITS, xc << BITS
        ya, yb, yc = ya << BITS, yb << BITS, yc << BITS
        low = np.int64(_LAST) - f
        at = y0 * stride + x0
        if ((x1 - x0) | (y1 - y0)) < 2:  # most triangles of a fine mesh: two by two pixels at most, no loop
            _keep_nearest(keys, at, ea, eb, ec, near, low)
            _keep_nearest(keys, at + 1, ea + xa, eb + xb, ec + xc, near + near_x, low)
            ea, eb, ec, near = ea + ya, eb + yb, ec + yc, near + near_y
            _keep_nearest(keys, at + stride, ea, eb, ec, near, low)
            _keep_nearest(keys, at + stride + 1, ea + xa, eb + xb, ec + xc, near + near_x, low)
            continue
        for y in range(np.uint32(y1 - y0 + 1)):
            ra, rb, rc = ea, eb, ec
            row = near + np.float64(y) * near_y
            for x in range(np.uint32(x1 - x0 + 1)):
                if (ra | rb | rc) >= 0:
                    _keep_nearest(keys, at + x, ra, rb, rc, row + np.float64(x) * near_x, low)
                ra, rb, rc = ra + xa, rb + xb, rc + xc
            ea, eb, ec = ea + ya, eb + yb, ec + yc
            at += stride
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def resolve_keys(
    keys: Array, planes: Array, perspective: bool, far: float, index: Array, barycentric: Array, depth: Array
) -> None:
    """Turn keys into triangles, barycentric coordinates and depth.

    Parameters
    ----------
    keys, planes, perspective
        As in :func:`raster_keys`.
    far : float
        From :func:`snap_vertices`.
    index : (H, W) int32
        Written: triangle, -1 where none.
    barycentric : (H, W, 3) float32
        Written: weights of the triangle's corners, zero where there is none.
    depth : (H, W) float32
        Written: inf where there is no triangle.
    """
    height, width = index.shape
    origin = planes.view(np.int32)
    zero, one = np.float32(0.0), np.float32(1.0)
    for y in range(height):
        row = y * (width + 1)
        for x in range(width):
            key = keys[np.uint64(row + x)]
            if key == 0:
                index[y, x] = -1
                depth[y, x] = np.inf
                barycentric[y, x, 0] = zero
                barycentric[y, x, 1] = zero
                barycentric[y, x, 2] = zero
                continue
            f = np.uint32(_LAST - (key & _LAST))
            close = np.int32(key >> 32).view(np.float32)
            dx, dy = np.float32(np.int32(x - origin[f, 6])), np.float32(np.int32(y - origin[f, 7]))
            b = planes[f, 0] + planes[f, 1] * dx + planes[f, 2] * dy
            c = planes[f, 3] + planes[f, 4] * dx + planes[f, 5] * dy
            z = one / close
            if perspective:
                b *= z
                c *= z
            else:
                z = np.float32(far - close)
            index[y, x] = f
            depth[y, x] = z
            barycentric[y, x, 0] = (one - b) - c
            barycentric[y, x, 1] = b
            barycentric[y, x, 2] = c


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

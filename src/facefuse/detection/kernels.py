"""The compiled inner loops of cutting crops: compiled on first use and cached on disk.

Indices are unsigned where it matters: a signed one is checked for counting from the end.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

Array = Any


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def shrink(photo: Array, window: Array, block: Array, out: Array) -> None:
    """Average a window of a photo: over whole blocks of pixels, then with a tent about each pixel written.

    Parameters
    ----------
    photo : (H, W, 3) uint8
    window : (4,) int64
        Left, top, width and height of what is averaged, within the photo.
    block : (2,) int64
        Columns and rows of a block; the last ones may be cut off.
    out : (h, w, 3) float32
        Written: the window, shrunk to ``w`` by ``h``.
    """
    left, top, wide, tall = window[0], window[1], window[2], window[3]
    height, width, rows = out.shape[0], out.shape[1], block[1]
    first_row, row_weights, row_taps = _tents(tall, rows, 1, height)
    first, weights, most = _tents(wide, block[0], block[0], width)
    taps = np.uint64(most)
    values, filtered = photo.reshape(photo.size), out.reshape(out.size)
    length, stride = 3 * wide, 3 * photo.shape[1]
    line = np.zeros(length + 3 * most, np.float32)  # longer than the window: taps of weight zero may lie beyond it
    sums = np.empty((row_taps, length), np.float32)
    known = 0
    at = np.uint64(0)
    for y in range(height):
        line[:length] = 0
        for j in range(row_taps):
            row, weight = first_row[y] + j, row_weights[y, j]
            if weight == 0:
                continue
            kept = sums[row % row_taps]
            if row >= known:  # rows of blocks come in order, and as many are kept as a pixel needs
                known = row + 1
                kept[:] = 0
                for r in range(row * rows, min((row + 1) * rows, tall)):
                    start = (top + r) * stride + 3 * left
                    source = values[start : start + length]
                    for k in range(length):
                        kept[k] += np.float32(source[k])
            for k in range(length):
                line[k] += weight * kept[k]
        for x in range(width):
            r = g = b = np.float32(0)
            place = np.uint64(3) * np.uint64(first[x])
            for j in range(taps):
                weight = weights[x, j]
                r += weight * line[place]
                g += weight * line[place + np.uint64(1)]
                b += weight * line[place + np.uint64(2)]
                place += np.uint64(3)
            filtered[at], filtered[at + np.uint64(1)], filtered[at + np.uint64(2)] = r, g, b
            at += np.uint64(3)


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _tents(extent: int, block: int, spread: int, count: int) -> tuple[Array, Array, int]:
    """What each of ``count`` pixels across ``extent`` sees: the first block, weights of so many, and the most of them.

    Every block counts ``spread`` times: as many pixels, or as their sum.
    """
    scale = extent / (block * count)
    reach = max(scale, 1.0)
    blocks = (extent + block - 1) // block
    first = np.empty(count, np.int64)
    weights = np.zeros((count, int(2.0 * reach + 2.0) * spread), np.float32)
    most = 0
    for k in range(count):
        middle = (k + 0.5) * scale
        start, end = max(int(middle - reach + 0.5), 0), min(int(middle + reach + 0.5), blocks)
        total = 0.0
        for j in range(start, end):
            total += max(1.0 - abs(j + 0.5 - middle) / reach, 0.0)
        for j in range(start, end):
            tent = max(1.0 - abs(j + 0.5 - middle) / reach, 0.0) / (total * min(block, extent - j * block))
            for i in range(spread):
                weights[k, (j - start) * spread + i] = tent
        first[k] = start * spread
        most = max(most, (end - start) * spread)
    return first, weights, most


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def sample(picture: Array, places: Array, mirrored: bool, out: Array) -> None:
    """Interpolate a picture linearly; what lies outside it is black.

    Parameters
    ----------
    picture : (H, W, 3) float32
    places : (N, 2, 3) float64
        Of each crop: from its pixels (x, y, 1) to the picture's.
    mirrored : bool
        Write the mirror image of each crop too, after all the crops.
    out : (N or 2 N, S, S, 3) uint8
        Written.
    """
    height, width = picture.shape[0], picture.shape[1]
    size = out.shape[1]
    values = picture.reshape(picture.size)
    right, low = width - 1.0, height - 1.0
    for n in range(places.shape[0]):
        xu, xv, x0 = places[n, 0, 0], places[n, 0, 1], places[n, 0, 2]
        yu, yv, y0 = places[n, 1, 0], places[n, 1, 1], places[n, 1, 2]
        for v in range(size):
            for u in range(size):
                x, y = x0 + xu * u + xv * v, y0 + yu * u + yv * v
                inside = -0.5 <= x < right + 0.5 and -0.5 <= y < low + 0.5
                x, y = min(max(x, 0.0), right), min(max(y, 0.0), low)
                column, row = np.uint64(x), np.uint64(y)
                dx, dy = np.float32(x - column), np.float32(y - row)
                near = np.uint64(3) * (row * np.uint64(width) + column)
                east = np.uint64(3) if x < right else np.uint64(0)
                south = np.uint64(3 * width) if y < low else np.uint64(0)
                for c in range(np.uint64(3)):
                    a, b = values[near + c], values[near + south + c]
                    a += dx * (values[near + east + c] - a)
                    b += dx * (values[near + south + east + c] - b)
                    colour = np.uint8(a + dy * (b - a) + np.float32(0.5)) if inside else np.uint8(0)
                    out[n, v, u, c] = colour
                    if mirrored:
                        out[n + places.shape[0], v, size - 1 - u, c] = colour

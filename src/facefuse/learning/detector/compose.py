"""Compiled kernels that paste, blur and label while a training scene is composed."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

F32 = NDArray[np.float32]
STRIDES = (8, 16, 32)
SIDE_RANGES = ((14.0, 44.0), (34.0, 100.0), (80.0, 320.0))
"""Side of the faces that each output level answers for, in pixels; neighbours overlap."""
RANGE_MARGIN = 1.3
"""Beyond its range by up to this factor a level is neither rewarded nor punished."""
POSITIVE_RADIUS = 0.18
IGNORED_RADIUS = 0.30
"""Cells this near to the face's centre (in sides, along x and y) are faces, or are left out of the loss."""


@njit(cache=True, fastmath=True, boundscheck=False)
def paste(
    canvas: F32,
    owner: NDArray[np.int16],
    source: NDArray[np.uint8],
    to_source: F32,
    window: F32,
    radius: F32,
    feather: float,
    gain: F32,
    bias: F32,
    mark: int,
) -> None:
    """Draw a window of an image onto the canvas.

    Parameters
    ----------
    canvas : (H, W, 3) 0..255, changed in place.
    owner : (H, W) set to `mark` where the window covers the canvas by more than half.
    source : (h, w, 3).
    to_source : (2, 3) affine map from canvas to source pixels.
    window : (4,) centre x, y and half extents in source pixels. Beyond the image its border is repeated.
    radius : (K,) outline in polar form about the centre, relative to the half extents; empty for the full rectangle.
    feather : width of the soft border relative to the half extents, > 0.
    gain, bias : (3,) colour change.
    """
    height, width = owner.shape
    rows, columns = source.shape[0], source.shape[1]
    a, b, c = to_source[0, 0], to_source[0, 1], to_source[0, 2]
    d, e, f = to_source[1, 0], to_source[1, 1], to_source[1, 2]
    det = a * e - b * d
    low_x, low_y, high_x, high_y = 1e9, 1e9, -1e9, -1e9
    for sx in (-1.0, 1.0):
        for sy in (-1.0, 1.0):
            u = window[0] + sx * window[2] - c
            v = window[1] + sy * window[3] - f
            x = (e * u - b * v) / det
            y = (a * v - d * u) / det
            low_x, high_x = min(low_x, x), max(high_x, x)
            low_y, high_y = min(low_y, y), max(high_y, y)
    x0, x1 = max(0, math.floor(low_x)), min(width - 1, math.ceil(high_x))
    y0, y1 = max(0, math.floor(low_y)), min(height - 1, math.ceil(high_y))
    lobes = radius.shape[0]
    for y in range(y0, y1 + 1):
        for x in range(x0, x1 + 1):
            u = a * x + b * y + c
            v = d * x + e * y + f
            p = (u - window[0]) / window[2]
            q = (v - window[1]) / window[3]
            largest = max(abs(p), abs(q))
            if largest > 1.0:
                continue
            alpha = min(1.0, (1.0 - largest) / feather)
            if lobes > 0:
                k = int((math.atan2(q, p) + math.pi) * (lobes / (2.0 * math.pi))) % lobes
                alpha = min(alpha, (radius[k] - math.sqrt(p * p + q * q)) / feather)
                if alpha <= 0.0:
                    continue
            u = min(max(u, 0.0), columns - 1.001)
            v = min(max(v, 0.0), rows - 1.001)
            i, j = int(v), int(u)
            fu, fv = u - j, v - i
            w00, w01 = (1 - fu) * (1 - fv), fu * (1 - fv)
            w10, w11 = (1 - fu) * fv, fu * fv
            for k in range(3):
                value = (
                    w00 * source[i, j, k]
                    + w01 * source[i, j + 1, k]
                    + w10 * source[i + 1, j, k]
                    + w11 * source[i + 1, j + 1, k]
                )
                value = value * gain[k] + bias[k]
                canvas[y, x, k] += alpha * (value - canvas[y, x, k])
            if alpha > 0.5:
                owner[y, x] = mark


@njit(cache=True, fastmath=True, boundscheck=False)
def visible_share(owner: NDArray[np.int16], x: float, y: float, side: float, mark: int) -> float:
    """Share of the disc inscribed in a face's square that is in the canvas and shows that face."""
    height, width = owner.shape
    step = max(1.0, side / 16.0)
    count = int(side / step)
    seen, total = 0, 0
    for i in range(count):
        for j in range(count):
            dx, dy = (j + 0.5) * step - side / 2, (i + 0.5) * step - side / 2
            if dx * dx + dy * dy > side * side / 4:
                continue
            total += 1
            column, row = round(x + dx), round(y + dy)
            if 0 <= column < width and 0 <= row < height and owner[row, column] == mark:
                seen += 1
    return seen / max(total, 1)


@njit(cache=True, fastmath=True, boundscheck=False)
def finish(canvas: F32, noise: F32, gain: F32, bias: F32, gamma: float, grey: float, out: NDArray[np.uint8]) -> None:
    """Change the colours of the whole scene, add noise (a flat array that is read cyclically) and round to bytes."""
    height, width = canvas.shape[0], canvas.shape[1]
    table = np.empty((3, 1024), np.float32)
    for k in range(3):
        for n in range(1024):
            value = min(max((n / 4.0 * gain[k] + bias[k]) / 255.0, 0.0), 1.0)
            table[k, n] = 255.0 * value**gamma + 0.5
    mix = np.float32(grey)
    n, length = 0, noise.shape[0]
    for y in range(height):
        for x in range(width):
            red, green, blue = canvas[y, x, 0], canvas[y, x, 1], canvas[y, x, 2]
            light = (red * np.float32(0.299) + green * np.float32(0.587) + blue * np.float32(0.114)) * mix
            for k in range(3):
                index = int((canvas[y, x, k] * (np.float32(1.0) - mix) + light) * np.float32(4.0))
                value = table[k, min(max(index, 0), 1023)] + noise[n]
                n += 1
                if n == length:
                    n = 0
                out[y, x, k] = np.uint8(min(max(value, np.float32(0.0)), np.float32(255.0)))


@njit(cache=True, fastmath=True, boundscheck=False)
def assign(faces: F32, ignored: F32, size: int) -> tuple[NDArray[np.int8], NDArray[np.int16]]:
    """Which output cells answer for which face.

    Parameters
    ----------
    faces : (F, >=3) centre x, y and side, in pixels.
    ignored : (G, 3) likewise: squares that count neither as face nor as background.
    size : side of the scene.

    Returns
    -------
    (N,) 1 face, 0 background, -1 left out; and (N,) the face of each face cell (else -1), levels one after the other.
    """
    total = 0
    for level in range(3):
        total += (size // STRIDES[level]) ** 2
    state = np.zeros(total, np.int8)
    which = np.full(total, -1, np.int16)
    start = 0
    for level in range(3):
        stride = STRIDES[level]
        low, high = SIDE_RANGES[level]
        cells = size // stride
        for i in range(cells):
            for j in range(cells):
                x, y = (j + 0.5) * stride - 0.5, (i + 0.5) * stride - 0.5
                n = start + i * cells + j
                best = 1e9
                for g in range(ignored.shape[0]):
                    if max(abs(x - ignored[g, 0]), abs(y - ignored[g, 1])) <= max(0.4 * ignored[g, 2], stride):
                        state[n] = -1
                for g in range(faces.shape[0]):
                    side = faces[g, 2]
                    if side < low / RANGE_MARGIN or side > high * RANGE_MARGIN:
                        continue
                    away = max(abs(x - faces[g, 0]), abs(y - faces[g, 1]))
                    inside = low <= side <= high
                    if inside and away <= max(POSITIVE_RADIUS * side, 0.6 * stride):
                        if side < best:
                            best = side
                            state[n] = 1
                            which[n] = g
                    elif state[n] == 0 and away <= max(IGNORED_RADIUS * side, 1.1 * stride):
                        state[n] = -1
        start += cells * cells
    return state, which

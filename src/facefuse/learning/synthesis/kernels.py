"""The compiled inner loops on vertices, and noise. Arrays are contiguous float32 unless stated otherwise."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

Array = Any

SKIN, CLOTH, PLAIN, EYE, MOUTH = 0, 1, 2, 3, 4
"""Kinds of material: where the albedo comes from and how light scatters."""


@njit(cache=True, nogil=True, error_model="numpy")
def add_modes(base: Array, modes: Array, weights: Array, out: Array) -> None:
    """``out = base + weights @ modes`` with a fixed order of summation, for (N,), (K, N) and (K,)."""
    used, some = np.empty(weights.shape[0], np.int64), 0
    for k in range(weights.shape[0]):
        if weights[k] != 0.0:
            used[some] = k
            some += 1
    for i in range(base.shape[0]):
        out[i] = base[i]
    last = some % 4
    for n in range(last):
        for i in range(base.shape[0]):
            out[i] += weights[used[n]] * modes[used[n], i]
    for n in range(last, some, 4):  # four at a time: the sum is read and written less often
        a, b, c, d = used[n], used[n + 1], used[n + 2], used[n + 3]
        wa, wb, wc, wd = weights[a], weights[b], weights[c], weights[d]
        for i in range(base.shape[0]):
            out[i] += (wa * modes[a, i] + wb * modes[b, i]) + (wc * modes[c, i] + wd * modes[d, i])


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def vertex_normals(vertices: Array, triangles: Array, out: Array) -> None:
    """Area-weighted unit normals (V, 3) of vertices (V, 3); triangles (F, 3) int32."""
    out[:] = 0.0
    for f in range(triangles.shape[0]):
        i, j, k = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        ax, ay, az = (
            vertices[j, 0] - vertices[i, 0],
            vertices[j, 1] - vertices[i, 1],
            vertices[j, 2] - vertices[i, 2],
        )
        bx, by, bz = (
            vertices[k, 0] - vertices[i, 0],
            vertices[k, 1] - vertices[i, 1],
            vertices[k, 2] - vertices[i, 2],
        )
        nx, ny, nz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
        for v in (i, j, k):
            out[v, 0] += nx
            out[v, 1] += ny
            out[v, 2] += nz
    for v in range(out.shape[0]):
        length = math.sqrt(out[v, 0] ** 2 + out[v, 1] ** 2 + out[v, 2] ** 2) + np.float32(1e-12)
        for c in range(3):
            out[v, c] /= length


@njit(inline="always")
def _scattered(n):  # type: ignore[no-untyped-def]
    """A whole number as one of 0-65535 that looks random."""
    n = np.uint32((n ^ (n >> np.uint32(13))) * np.uint32(1274126177))
    return np.float32(np.int32((n ^ (n >> np.uint32(16))) & np.uint32(0xFFFF)))


@njit(inline="always")
def noise2(x, y):  # type: ignore[no-untyped-def]
    """Smooth value noise, 0-1, of float32 coordinates."""
    left, top = np.floor(x), np.floor(y)
    u, v = x - left, y - top
    u, v = u * u * (np.float32(3.0) - np.float32(2.0) * u), v * v * (np.float32(3.0) - np.float32(2.0) * v)
    across, down = np.uint32(374761393), np.uint32(668265263)
    n = np.uint32(np.uint32(np.int32(left)) * across + np.uint32(np.int32(top)) * down)
    a, b = _scattered(n), _scattered(np.uint32(n + across))
    c, d = _scattered(np.uint32(n + down)), _scattered(np.uint32(n + across + down))
    return (a + (b - a) * u + (c - a + (a - b - c + d) * u) * v) * np.float32(1.0 / 65535.0)


@njit(inline="always")
def irradiance(light, channel, x, y, z):  # type: ignore[no-untyped-def]
    """Spherical-harmonics irradiance of one colour channel at a unit normal."""
    return (
        np.float32(0.282095) * light[0, channel]
        + np.float32(0.488603) * (y * light[1, channel] + z * light[2, channel] + x * light[3, channel])
        + np.float32(1.092548) * (x * y * light[4, channel] + y * z * light[5, channel] + x * z * light[7, channel])
        + np.float32(0.315392) * (np.float32(3.0) * z * z - np.float32(1.0)) * light[6, channel]
        + np.float32(0.546274) * (x * x - y * y) * light[8, channel]
    )


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def vertex_attributes(normals: Array, occlusion: Array, rotation: Array, light: Array, out: Array) -> None:
    """What shading needs of each vertex (V, 7), side by side in memory.

    The normal turned into the camera frame by ``rotation`` (3, 3); the occlusion (V,); the irradiance of the ambient
    ``light`` (9, 3) there, occlusion included.
    """
    for v in range(normals.shape[0]):
        x, y, z = normals[v, 0], normals[v, 1], normals[v, 2]
        for c in range(3):
            out[v, c] = rotation[c, 0] * x + rotation[c, 1] * y + rotation[c, 2] * z
        out[v, 3] = occlusion[v]
        x, y, z = out[v, 0], out[v, 1], out[v, 2]
        for c in range(3):
            out[v, 4 + c] = max(irradiance(light, c, x, y, z), np.float32(0.0)) * occlusion[v]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def transform(points: Array, rotation: Array, shift: Array, out: Array) -> None:
    """``out = rotation @ p + shift`` for points (N, 3), in a fixed order of summation."""
    for n in range(points.shape[0]):
        x, y, z = points[n, 0], points[n, 1], points[n, 2]
        for c in range(3):
            out[n, c] = rotation[c, 0] * x + rotation[c, 1] * y + rotation[c, 2] * z + shift[c]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def to_screen(seen: Array, focal: float, cx: float, cy: float, out: Array) -> None:
    """Camera-frame points (N, 3) to pixels and depth (N, 3) float64."""
    for n in range(seen.shape[0]):
        z = np.float64(seen[n, 2])
        out[n, 0] = seen[n, 0] / z * focal + cx
        out[n, 1] = seen[n, 1] / z * focal + cy
        out[n, 2] = z

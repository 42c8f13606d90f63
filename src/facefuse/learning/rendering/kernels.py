"""Compiled forward and backward passes of the differentiable steps, for CPU tensors.

Each works on the covered pixels of one picture (``P`` of them) and is called for the pictures of a batch on several
threads. Floating arrays are all float32 or all float64. Gradients are added to what the arrays hold.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

Array = Any

_Y0, _Y1, _Y2, _Y3, _Y4 = 0.282095, 0.488603, 1.092548, 0.315392, 0.546274
"""Constants of the spherical harmonics, as in `facefuse.rendering.shading`."""


@njit(cache=True, nogil=True, error_model="numpy")
def vertex_normals(vertices: Array, triangles: Array, normals: Array, lengths: Array) -> None:
    """Unit normals at vertices, area-weighted over the adjacent triangles; zero where there is no area.

    Parameters
    ----------
    vertices : (V, 3) float
    triangles : (F, 3) int64
    normals : (V, 3) float
        Zero; written.
    lengths : (V,) float
        Written: what the sums of triangle normals were divided by; 1 where they were zero.
    """
    for f in range(len(triangles)):
        i, j, k = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        ux, uy, uz = (vertices[j, 0] - vertices[i, 0], vertices[j, 1] - vertices[i, 1], vertices[j, 2] - vertices[i, 2])
        vx, vy, vz = (vertices[k, 0] - vertices[i, 0], vertices[k, 1] - vertices[i, 1], vertices[k, 2] - vertices[i, 2])
        x, y, z = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for at in (i, j, k):
            normals[at, 0] += x
            normals[at, 1] += y
            normals[at, 2] += z
    for i in range(len(vertices)):
        length = math.sqrt(normals[i, 0] ** 2 + normals[i, 1] ** 2 + normals[i, 2] ** 2)
        lengths[i] = length if length > 0 else 1.0
        for k in range(3):
            normals[i, k] /= lengths[i]


@njit(cache=True, nogil=True, error_model="numpy")
def vertex_normals_backward(
    vertices: Array, triangles: Array, normals: Array, lengths: Array, grad_out: Array, grad_vertices: Array
) -> None:
    """Gradient of :func:`vertex_normals` with respect to the vertices (V, 3)."""
    sums = np.empty_like(grad_out)
    for i in range(len(vertices)):
        along = grad_out[i, 0] * normals[i, 0] + grad_out[i, 1] * normals[i, 1] + grad_out[i, 2] * normals[i, 2]
        for k in range(3):
            sums[i, k] = (grad_out[i, k] - along * normals[i, k]) / lengths[i]
    for f in range(len(triangles)):
        i, j, k = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        ux, uy, uz = (vertices[j, 0] - vertices[i, 0], vertices[j, 1] - vertices[i, 1], vertices[j, 2] - vertices[i, 2])
        vx, vy, vz = (vertices[k, 0] - vertices[i, 0], vertices[k, 1] - vertices[i, 1], vertices[k, 2] - vertices[i, 2])
        x, y, z = (
            sums[i, 0] + sums[j, 0] + sums[k, 0],
            sums[i, 1] + sums[j, 1] + sums[k, 1],
            sums[i, 2] + sums[j, 2] + sums[k, 2],
        )
        ax, ay, az = vy * z - vz * y, vz * x - vx * z, vx * y - vy * x
        bx, by, bz = y * uz - z * uy, z * ux - x * uz, x * uy - y * ux
        grad_vertices[j, 0] += ax
        grad_vertices[j, 1] += ay
        grad_vertices[j, 2] += az
        grad_vertices[k, 0] += bx
        grad_vertices[k, 1] += by
        grad_vertices[k, 2] += bz
        grad_vertices[i, 0] -= ax + bx
        grad_vertices[i, 1] -= ay + by
        grad_vertices[i, 2] -= az + bz


@njit(cache=True, nogil=True, error_model="numpy")
def barycentric(
    screen: Array,
    corners: Array,
    triangle: Array,
    place: Array,
    first: int,
    width: int,
    perspective: bool,
    out: Array,
) -> None:
    """Weights (P, 3) of the corners of each pixel's triangle; see `plain.barycentric`.

    Parameters
    ----------
    screen : (V, 3) float
    corners : (F, 3) int64
    triangle : (P,) int64
    place : (P,) int64
        Row times ``width`` plus column, plus ``first``.
    first, width : int
    perspective : bool
    out : (P, 3) float
        Written.
    """
    for p in range(len(place)):
        pixel = place[p] - first
        y = pixel // width
        x = pixel - y * width
        f = triangle[p]
        i, j, k = corners[f, 0], corners[f, 1], corners[f, 2]
        ax, ay = screen[i, 0] - x, screen[i, 1] - y
        bx, by = screen[j, 0] - x, screen[j, 1] - y
        cx, cy = screen[k, 0] - x, screen[k, 1] - y
        a, b, c = bx * cy - by * cx, cx * ay - cy * ax, ax * by - ay * bx
        if perspective:
            a /= screen[i, 2]
            b /= screen[j, 2]
            c /= screen[k, 2]
        scale = 1.0 / (a + b + c)
        out[p, 0] = a * scale
        out[p, 1] = b * scale
        out[p, 2] = c * scale


@njit(cache=True, nogil=True, error_model="numpy")
def barycentric_backward(
    screen: Array,
    corners: Array,
    triangle: Array,
    place: Array,
    first: int,
    width: int,
    perspective: bool,
    grad_out: Array,
    grad_screen: Array,
) -> None:
    """Gradient of :func:`barycentric` with respect to ``screen`` (V, 3)."""
    for p in range(len(place)):
        pixel = place[p] - first
        y = pixel // width
        x = pixel - y * width
        f = triangle[p]
        i, j, k = corners[f, 0], corners[f, 1], corners[f, 2]
        ax, ay = screen[i, 0] - x, screen[i, 1] - y
        bx, by = screen[j, 0] - x, screen[j, 1] - y
        cx, cy = screen[k, 0] - x, screen[k, 1] - y
        a, b, c = bx * cy - by * cx, cx * ay - cy * ax, ax * by - ay * bx
        qa, qb, qc = 1.0, 1.0, 1.0
        if perspective:
            qa, qb, qc = 1.0 / screen[i, 2], 1.0 / screen[j, 2], 1.0 / screen[k, 2]
        a, b, c = a * qa, b * qb, c * qc
        scale = 1.0 / (a + b + c)
        mean = (grad_out[p, 0] * a + grad_out[p, 1] * b + grad_out[p, 2] * c) * scale
        # of the unnormalised weights, then of the edge functions
        ga, gb, gc = (grad_out[p, 0] - mean) * scale, (grad_out[p, 1] - mean) * scale, (grad_out[p, 2] - mean) * scale
        if perspective:
            grad_screen[i, 2] -= ga * a * qa
            grad_screen[j, 2] -= gb * b * qb
            grad_screen[k, 2] -= gc * c * qc
        ga, gb, gc = ga * qa, gb * qb, gc * qc
        grad_screen[i, 0] += gc * by - gb * cy
        grad_screen[i, 1] += gb * cx - gc * bx
        grad_screen[j, 0] += ga * cy - gc * ay
        grad_screen[j, 1] += gc * ax - ga * cx
        grad_screen[k, 0] += gb * ay - ga * by
        grad_screen[k, 1] += ga * bx - gb * ax


@njit(cache=True, nogil=True, error_model="numpy")
def interpolate(weights: Array, corners: Array, triangle: Array, attributes: Array, out: Array) -> None:
    """Attributes (A, C) of the corners, weighted (P, 3), to ``out`` (P, C)."""
    channels = attributes.shape[1]
    for p in range(len(triangle)):
        f = triangle[p]
        i, j, k = corners[f, 0], corners[f, 1], corners[f, 2]
        wa, wb, wc = weights[p, 0], weights[p, 1], weights[p, 2]
        for c in range(channels):
            out[p, c] = wa * attributes[i, c] + wb * attributes[j, c] + wc * attributes[k, c]


@njit(cache=True, nogil=True, error_model="numpy")
def interpolate_backward(
    weights: Array,
    corners: Array,
    triangle: Array,
    attributes: Array,
    grad_out: Array,
    spread: bool,
    grad_weights: Array,
    grad_attributes: Array,
) -> None:
    """Gradients of :func:`interpolate` with respect to weights (P, 3) and, if ``spread``, attributes (A, C)."""
    channels = attributes.shape[1]
    for p in range(len(triangle)):
        f = triangle[p]
        i, j, k = corners[f, 0], corners[f, 1], corners[f, 2]
        wa, wb, wc = weights[p, 0], weights[p, 1], weights[p, 2]
        ga, gb, gc = 0.0, 0.0, 0.0
        for c in range(channels):
            g = grad_out[p, c]
            ga += g * attributes[i, c]
            gb += g * attributes[j, c]
            gc += g * attributes[k, c]
            if spread:
                grad_attributes[i, c] += wa * g
                grad_attributes[j, c] += wb * g
                grad_attributes[k, c] += wc * g
        grad_weights[p, 0] += ga
        grad_weights[p, 1] += gb
        grad_weights[p, 2] += gc


@njit(cache=True, nogil=True, error_model="numpy")
def sample_texture(texture: Array, uv: Array, out: Array) -> None:
    """Sample (S, T, C) at (P, 2) coordinates to ``out`` (P, C); see `plain.sample_texture`."""
    height, width, channels = texture.shape
    for p in range(len(uv)):
        x = min(max(uv[p, 0] * width - 0.5, 0.0), width - 1.0)
        y = min(max((1.0 - uv[p, 1]) * height - 0.5, 0.0), height - 1.0)
        x0, y0 = int(x), int(y)
        x1, y1 = min(x0 + 1, width - 1), min(y0 + 1, height - 1)
        s, t = x - x0, y - y0
        w00, w01, w10, w11 = (1 - s) * (1 - t), s * (1 - t), (1 - s) * t, s * t
        for c in range(channels):
            out[p, c] = (
                w00 * texture[y0, x0, c]
                + w01 * texture[y0, x1, c]
                + w10 * texture[y1, x0, c]
                + w11 * texture[y1, x1, c]
            )


@njit(cache=True, nogil=True, error_model="numpy")
def sample_texture_backward(
    texture: Array, uv: Array, grad_out: Array, spread: bool, grad_texture: Array, grad_uv: Array
) -> None:
    """Gradients of :func:`sample_texture` with respect to (P, 2) coordinates and, if ``spread``, (S, T, C) texture."""
    height, width, channels = texture.shape
    for p in range(len(uv)):
        free_x, free_y = uv[p, 0] * width - 0.5, (1.0 - uv[p, 1]) * height - 0.5
        x, y = min(max(free_x, 0.0), width - 1.0), min(max(free_y, 0.0), height - 1.0)
        x0, y0 = int(x), int(y)
        x1, y1 = min(x0 + 1, width - 1), min(y0 + 1, height - 1)
        s, t = x - x0, y - y0
        gs, gt = 0.0, 0.0
        for c in range(channels):
            g = grad_out[p, c]
            top = texture[y0, x1, c] - texture[y0, x0, c]
            bottom = texture[y1, x1, c] - texture[y1, x0, c]
            gs += g * ((1 - t) * top + t * bottom)
            left = texture[y1, x0, c] - texture[y0, x0, c]
            gt += g * (left + s * (bottom - top))
            if spread:
                grad_texture[y0, x0, c] += g * (1 - s) * (1 - t)
                grad_texture[y0, x1, c] += g * s * (1 - t)
                grad_texture[y1, x0, c] += g * (1 - s) * t
                grad_texture[y1, x1, c] += g * s * t
        if x == free_x:
            grad_uv[p, 0] += gs * width
        if y == free_y:
            grad_uv[p, 1] -= gt * height


@njit(cache=True, nogil=True, error_model="numpy")
def shade(normals: Array, light: Array, out: Array) -> None:
    """Shading of normals (P, 3), of any length, by light (9, 3), to ``out`` (P, 3); see `plain.shade`."""
    for p in range(len(normals)):
        x, y, z = normals[p, 0], normals[p, 1], normals[p, 2]
        scale = 1.0 / max(math.sqrt(x * x + y * y + z * z), 1e-12)
        x, y, z = x * scale, y * scale, z * scale
        for c in range(3):
            out[p, c] = (
                _Y0 * light[0, c]
                + _Y1 * (y * light[1, c] + z * light[2, c] + x * light[3, c])
                + _Y2 * (x * y * light[4, c] + y * z * light[5, c] + x * z * light[7, c])
                + _Y3 * (3 * z * z - 1) * light[6, c]
                + _Y4 * (x * x - y * y) * light[8, c]
            )


@njit(cache=True, nogil=True, error_model="numpy")
def shade_backward(normals: Array, light: Array, grad_out: Array, grad_normals: Array, grad_light: Array) -> None:
    """Gradients of :func:`shade` with respect to normals (P, 3) and light (9, 3)."""
    for p in range(len(normals)):
        x, y, z = normals[p, 0], normals[p, 1], normals[p, 2]
        scale = 1.0 / max(math.sqrt(x * x + y * y + z * z), 1e-12)
        x, y, z = x * scale, y * scale, z * scale
        gx, gy, gz = 0.0, 0.0, 0.0
        for c in range(3):
            g = grad_out[p, c]
            grad_light[0, c] += g * _Y0
            grad_light[1, c] += g * _Y1 * y
            grad_light[2, c] += g * _Y1 * z
            grad_light[3, c] += g * _Y1 * x
            grad_light[4, c] += g * _Y2 * x * y
            grad_light[5, c] += g * _Y2 * y * z
            grad_light[6, c] += g * _Y3 * (3 * z * z - 1)
            grad_light[7, c] += g * _Y2 * x * z
            grad_light[8, c] += g * _Y4 * (x * x - y * y)
            gx += g * (_Y1 * light[3, c] + _Y2 * (y * light[4, c] + z * light[7, c]) + 2 * _Y4 * x * light[8, c])
            gy += g * (_Y1 * light[1, c] + _Y2 * (x * light[4, c] + z * light[5, c]) - 2 * _Y4 * y * light[8, c])
            gz += g * (_Y1 * light[2, c] + _Y2 * (y * light[5, c] + x * light[7, c]) + 6 * _Y3 * z * light[6, c])
        along = gx * x + gy * y + gz * z
        grad_normals[p, 0] += (gx - along * x) * scale
        grad_normals[p, 1] += (gy - along * y) * scale
        grad_normals[p, 2] += (gz - along * z) * scale

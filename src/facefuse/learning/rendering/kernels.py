"""Compiled steps of drawing what is seen, and their gradients, for CPU tensors.

Each works on a block of covered pixels of one picture, few enough for all that is known of them to stay in the
processor's cache. Values lie channel by channel, (C, N) for ``N`` places of which the first ``count`` are used, so that
the arithmetic is done for many pixels at a time. Floating arrays are all float32 or all float64; what is computed with
literals is float64 and is rounded when it is stored. The steps are those of the same names in `plain`.
Gradients of what pixels share (``grad_screen``, ``grad_attributes``, ``grad_texture``, ``grad_light``) are added to
what the arrays hold, and so is that of ``weights``, to which several steps contribute; others are written.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

Array = Any

_SUMS = {"contract", "reassoc", "nsz"}
"""Freedoms of arithmetic that leave infinities and not-a-number what they are."""
_Y = (0.282095, 0.488603, 1.092548, 0.315392, 0.546274)
"""Constants of the spherical harmonics, as in `facefuse.rendering.shading`."""


@njit(cache=True, nogil=True, error_model="numpy")
def barycentric(screen: Array, corners: Array, where: Array, perspective: bool, count: int, weights: Array) -> None:
    """Weights (3, N) of the corners of each pixel's triangle.

    Parameters
    ----------
    screen : (V, 3) float
    corners : (3, N) int64
        Vertices of the triangle seen.
    where : (2, N) int64
        Column and row.
    perspective : bool
    count : int
    weights : (3, N) float
        Written.
    """
    for p in range(count):
        i, j, k = corners[0, p], corners[1, p], corners[2, p]
        x, y = where[0, p], where[1, p]
        ax, ay = screen[i, 0] - x, screen[i, 1] - y
        bx, by = screen[j, 0] - x, screen[j, 1] - y
        cx, cy = screen[k, 0] - x, screen[k, 1] - y
        a, b, c = bx * cy - by * cx, cx * ay - cy * ax, ax * by - ay * bx
        if perspective:
            a /= screen[i, 2]
            b /= screen[j, 2]
            c /= screen[k, 2]
        scale = 1.0 / (a + b + c)
        weights[0, p] = a * scale
        weights[1, p] = b * scale
        weights[2, p] = c * scale


@njit(cache=True, nogil=True, error_model="numpy")
def barycentric_backward(
    screen: Array,
    corners: Array,
    where: Array,
    perspective: bool,
    count: int,
    weights: Array,
    grad_weights: Array,
    grad_screen: Array,
) -> None:
    """Gradient of :func:`barycentric`, whose result are ``weights``, with respect to ``screen`` (V, 3)."""
    for p in range(count):
        i, j, k = corners[0, p], corners[1, p], corners[2, p]
        x, y = where[0, p], where[1, p]
        ax, ay = screen[i, 0] - x, screen[i, 1] - y
        bx, by = screen[j, 0] - x, screen[j, 1] - y
        cx, cy = screen[k, 0] - x, screen[k, 1] - y
        a, b, c = bx * cy - by * cx, cx * ay - cy * ax, ax * by - ay * bx
        qa, qb, qc = 1.0, 1.0, 1.0
        if perspective:
            qa, qb, qc = 1.0 / screen[i, 2], 1.0 / screen[j, 2], 1.0 / screen[k, 2]
        scale = 1.0 / (a * qa + b * qb + c * qc)
        wa, wb, wc = weights[0, p], weights[1, p], weights[2, p]
        ga, gb, gc = grad_weights[0, p], grad_weights[1, p], grad_weights[2, p]
        mean = ga * wa + gb * wb + gc * wc
        ga, gb, gc = (ga - mean) * qa, (gb - mean) * qb, (gc - mean) * qc
        if perspective:
            grad_screen[i, 2] -= ga * wa
            grad_screen[j, 2] -= gb * wb
            grad_screen[k, 2] -= gc * wc
        ga, gb, gc = ga * scale, gb * scale, gc * scale
        grad_screen[i, 0] += gc * by - gb * cy
        grad_screen[i, 1] += gb * cx - gc * bx
        grad_screen[j, 0] += ga * cy - gc * ay
        grad_screen[j, 1] += gc * ax - ga * cx
        grad_screen[k, 0] += gb * ay - ga * by
        grad_screen[k, 1] += ga * bx - gb * ax


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_SUMS)
def interpolate(weights: Array, corners: Array, attributes: Array, count: int, out: Array) -> None:
    """Attributes (A, C) of the corners (3, N), weighted (3, N), to ``out`` (C, N)."""
    for c in range(attributes.shape[1]):
        for p in range(count):
            i, j, k = corners[0, p], corners[1, p], corners[2, p]
            out[c, p] = (
                weights[0, p] * attributes[i, c] + weights[1, p] * attributes[j, c] + weights[2, p] * attributes[k, c]
            )


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_SUMS)
def interpolate_backward(
    weights: Array,
    corners: Array,
    attributes: Array,
    count: int,
    grad_out: Array,
    grad_weights: Array,
    grad_attributes: Array,
) -> None:
    """Gradients of :func:`interpolate`; ``grad_attributes`` (A, C), or (0, C) if it is not wanted."""
    for c in range(attributes.shape[1]):
        for p in range(count):
            i, j, k = corners[0, p], corners[1, p], corners[2, p]
            g = grad_out[c, p]
            grad_weights[0, p] += g * attributes[i, c]
            grad_weights[1, p] += g * attributes[j, c]
            grad_weights[2, p] += g * attributes[k, c]
    if len(grad_attributes) == 0:
        return
    for p in range(count):
        i, j, k = corners[0, p], corners[1, p], corners[2, p]
        wa, wb, wc = weights[0, p], weights[1, p], weights[2, p]
        for c in range(attributes.shape[1]):
            g = grad_out[c, p]
            grad_attributes[i, c] += wa * g
            grad_attributes[j, c] += wb * g
            grad_attributes[k, c] += wc * g


@njit(cache=True, nogil=True, error_model="numpy")
def find_texels(texture: Array, uv: Array, count: int, texels: Array, shares: Array) -> None:
    """Find the four texels around (2, N) coordinates of a texture (S, T, 3).

    Parameters
    ----------
    texture, uv, count
    texels : (3, N) uint64
        Written: where in the flattened texture the upper left one is, how much further its neighbours to the right
        and below are: nothing at and beyond the border.
    shares : (2, N) float
        Written: how far to the right and down the coordinate is between them, [0, 1].
    """
    height, width = texture.shape[:2]
    for p in range(count):
        x, y = uv[0, p] * width - 0.5, (1.0 - uv[1, p]) * height - 0.5
        right, down = 0.0 <= x < width - 1, 0.0 <= y < height - 1
        x, y = min(max(x, 0.0), width - 1.0), min(max(y, 0.0), height - 1.0)
        left, top = int(x), int(y)
        texels[0, p] = 3 * (top * width + left)
        texels[1, p] = 3 if right else 0
        texels[2, p] = 3 * width if down else 0
        shares[0, p], shares[1, p] = x - left, y - top


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_SUMS)
def sample_texture(texture: Array, texels: Array, shares: Array, count: int, out: Array) -> None:
    """Blend the texels of (S, T, 3) that :func:`find_texels` found, to ``out`` (3, N)."""
    flat, one = texture.reshape(-1), texture.dtype.type(1)
    for p in range(count):
        s, t = shares[0, p], shares[1, p]
        w00, w01, w10, w11 = (one - s) * (one - t), s * (one - t), (one - s) * t, s * t
        for c in range(3):
            a = texels[0, p] + np.uint64(c)
            b, d = a + texels[1, p], a + texels[2, p]
            out[c, p] = w00 * flat[a] + w01 * flat[b] + w10 * flat[d] + w11 * flat[d + texels[1, p]]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_SUMS)
def sample_texture_backward(
    texture: Array,
    texels: Array,
    shares: Array,
    count: int,
    grad_out: Array,
    grad_uv: Array,
    grad_texture: Array,
) -> None:
    """Gradients of both; ``grad_texture`` (S, T, 3), or (0, 0, 3) if it is not wanted."""
    flat, one = texture.reshape(-1), texture.dtype.type(1)
    grad_flat = grad_texture.reshape(-1)
    height, width = texture.dtype.type(texture.shape[0]), texture.dtype.type(texture.shape[1])
    for p in range(count):
        s, t = shares[0, p], shares[1, p]
        gs, gt = texture.dtype.type(0), texture.dtype.type(0)
        for c in range(3):
            a = texels[0, p] + np.uint64(c)
            b, d = a + texels[1, p], a + texels[2, p]
            e, g = d + texels[1, p], grad_out[c, p]
            top, bottom = flat[b] - flat[a], flat[e] - flat[d]
            gs += g * (top + t * (bottom - top))
            gt += g * (flat[d] - flat[a] + s * (bottom - top))
        grad_uv[0, p] = gs * width
        grad_uv[1, p] = -gt * height
    if len(grad_flat) == 0:
        return
    for p in range(count):
        s, t = shares[0, p], shares[1, p]
        w00, w01, w10, w11 = (one - s) * (one - t), s * (one - t), (one - s) * t, s * t
        for c in range(3):
            a = texels[0, p] + np.uint64(c)
            b, d = a + texels[1, p], a + texels[2, p]
            g = grad_out[c, p]
            grad_flat[a] += g * w00
            grad_flat[b] += g * w01
            grad_flat[d] += g * w10
            grad_flat[d + texels[1, p]] += g * w11


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_SUMS)
def unit(normals: Array, count: int, scale: Array) -> None:
    """Divide normals (3, N) by their lengths, in place; 1 / length goes to ``scale`` (N,)."""
    one, least = normals.dtype.type(1), normals.dtype.type(1e-12)
    for p in range(count):
        x, y, z = normals[0, p], normals[1, p], normals[2, p]
        scale[p] = one / max(math.sqrt(x * x + y * y + z * z), least)
    for c in range(3):
        for p in range(count):
            normals[c, p] *= scale[p]


@njit(cache=True, nogil=True, error_model="numpy")
def polynomial_light(light: Array, out: Array) -> None:
    """Turn light (9, 3) into coefficients (9, 3) of 1, y, z, x, xy, yz, z², xz, x² - y²."""
    for c in range(3):
        out[0, c] = _Y[0] * light[0, c] - _Y[3] * light[6, c]
        for k in range(1, 4):
            out[k, c] = _Y[1] * light[k, c]
        for k in (4, 5, 7):
            out[k, c] = _Y[2] * light[k, c]
        out[6, c] = 3 * _Y[3] * light[6, c]
        out[8, c] = _Y[4] * light[8, c]


@njit(cache=True, nogil=True, error_model="numpy")
def polynomial_light_backward(grad_out: Array, grad_light: Array) -> None:
    """Gradient of :func:`polynomial_light`."""
    for c in range(3):
        grad_light[0, c] += _Y[0] * grad_out[0, c]
        for k in range(1, 4):
            grad_light[k, c] += _Y[1] * grad_out[k, c]
        for k in (4, 5, 7):
            grad_light[k, c] += _Y[2] * grad_out[k, c]
        grad_light[6, c] += _Y[3] * (3 * grad_out[6, c] - grad_out[0, c])
        grad_light[8, c] += _Y[4] * grad_out[8, c]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_SUMS)
def shade(normals: Array, light: Array, count: int, out: Array) -> None:
    """Shading of unit normals (3, N) by coefficients (9, 3) of :func:`polynomial_light`, to ``out`` (3, N)."""
    for c in range(3):
        l0, l1, l2, l3, l4 = light[0, c], light[1, c], light[2, c], light[3, c], light[4, c]
        l5, l6, l7, l8 = light[5, c], light[6, c], light[7, c], light[8, c]
        for p in range(count):
            x, y, z = normals[0, p], normals[1, p], normals[2, p]
            linear = l0 + y * l1 + z * l2 + x * l3
            out[c, p] = linear + x * y * l4 + z * (y * l5 + z * l6 + x * l7) + (x * x - y * y) * l8


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_SUMS)
def shade_backward(
    normals: Array, scale: Array, light: Array, count: int, grad_out: Array, grad_normals: Array, grad_light: Array
) -> None:
    """Gradients of :func:`unit` and :func:`shade`, whose results ``normals`` and ``scale`` are.

    ``grad_normals`` (3, N) is that of the normals of any length, ``grad_light`` (9, 3) that of the coefficients.
    """
    zero = normals.dtype.type(0)
    for c in range(3):
        for p in range(count):
            grad_normals[c, p] = zero
    for c in range(3):
        l1, l2, l3, l4, l5 = light[1, c], light[2, c], light[3, c], light[4, c], light[5, c]
        l6, l7, l8 = light[6, c], light[7, c], light[8, c]
        for p in range(count):
            x, y, z, g = normals[0, p], normals[1, p], normals[2, p], grad_out[c, p]
            grad_normals[0, p] += g * (l3 + y * l4 + z * l7 + (x + x) * l8)
            grad_normals[1, p] += g * (l1 + x * l4 + z * l5 - (y + y) * l8)
            grad_normals[2, p] += g * (l2 + y * l5 + x * l7 + (z + z) * l6)
        s0, s1, s2, s3, s4, s5, s6, s7, s8 = zero, zero, zero, zero, zero, zero, zero, zero, zero
        for p in range(count):
            x, y, z, g = normals[0, p], normals[1, p], normals[2, p], grad_out[c, p]
            gx, gy, gz = g * x, g * y, g * z
            s0 += g
            s1 += gy
            s2 += gz
            s3 += gx
            s4 += gx * y
            s5 += gy * z
            s6 += gz * z
            s7 += gx * z
            s8 += gx * x - gy * y
        for k, s in enumerate((s0, s1, s2, s3, s4, s5, s6, s7, s8)):
            grad_light[k, c] += s
    for p in range(count):
        x, y, z = normals[0, p], normals[1, p], normals[2, p]
        gx, gy, gz = grad_normals[0, p], grad_normals[1, p], grad_normals[2, p]
        along = gx * x + gy * y + gz * z
        grad_normals[0, p] = (gx - along * x) * scale[p]
        grad_normals[1, p] = (gy - along * y) * scale[p]
        grad_normals[2, p] = (gz - along * z) * scale[p]

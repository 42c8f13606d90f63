"""Compiled vertex normals and their gradient, for CPU tensors: one mesh at a time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

Array = Any


@njit(cache=True, nogil=True, error_model="numpy")
def _sides(vertices: Array, i: int, j: int, k: int) -> tuple[float, float, float, float, float, float]:
    """The edges of a triangle that leave its first corner."""
    x, y, z = vertices[i, 0], vertices[i, 1], vertices[i, 2]
    return (
        vertices[j, 0] - x,
        vertices[j, 1] - y,
        vertices[j, 2] - z,
        vertices[k, 0] - x,
        vertices[k, 1] - y,
        vertices[k, 2] - z,
    )


@njit(cache=True, nogil=True, error_model="numpy")
def vertex_normals(vertices: Array, triangles: Array, normals: Array, lengths: Array) -> None:
    """Unit normals at vertices, area-weighted over the adjacent triangles; zero where there is no area.

    Parameters
    ----------
    vertices : (V, 3) float
    triangles : (F, 3) int64
    normals : (V, 3) float
        Written.
    lengths : (V,) float
        Written: what the sums of triangle normals were divided by; 1 where they were zero.
    """
    normals[:] = 0
    for f in range(len(triangles)):
        i, j, k = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        ux, uy, uz, vx, vy, vz = _sides(vertices, i, j, k)
        x, y, z = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for at in (i, j, k):
            normals[at, 0] += x
            normals[at, 1] += y
            normals[at, 2] += z
    for i in range(len(vertices)):
        x, y, z = normals[i, 0], normals[i, 1], normals[i, 2]
        length = math.sqrt(x * x + y * y + z * z)
        lengths[i] = length if length > 0 else 1.0
        for k in range(3):
            normals[i, k] /= lengths[i]


@njit(cache=True, nogil=True, error_model="numpy")
def vertex_normals_backward(
    vertices: Array, triangles: Array, normals: Array, lengths: Array, grad_out: Array, grad_vertices: Array
) -> None:
    """Gradient of :func:`vertex_normals`, added to ``grad_vertices`` (V, 3)."""
    sums = np.empty_like(grad_out)
    for i in range(len(vertices)):
        along = grad_out[i, 0] * normals[i, 0] + grad_out[i, 1] * normals[i, 1] + grad_out[i, 2] * normals[i, 2]
        for k in range(3):
            sums[i, k] = (grad_out[i, k] - along * normals[i, k]) / lengths[i]
    for f in range(len(triangles)):
        i, j, k = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        x, y, z = (
            sums[i, 0] + sums[j, 0] + sums[k, 0],
            sums[i, 1] + sums[j, 1] + sums[k, 1],
            sums[i, 2] + sums[j, 2] + sums[k, 2],
        )
        if x == 0 and y == 0 and z == 0:  # most triangles: those not seen
            continue
        ux, uy, uz, vx, vy, vz = _sides(vertices, i, j, k)
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

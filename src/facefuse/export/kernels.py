"""The compiled inner loop of the morph targets; cached on disk, as in :mod:`facefuse.rendering.kernels`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

Array = Any


@njit(cache=True, nogil=True, error_model="numpy")
def turn_normals(
    vertices: Array,
    triangles: Array,
    expressions: Array,
    moving: Array,
    face: Array,
    face_start: Array,
    vertex: Array,
    vertex_start: Array,
    changes: Array,
) -> None:
    """Find how the unit normals change when an expression moves the vertices.

    Parameters
    ----------
    vertices : (V, 3) float32
    triangles : (F, 3) int32
    expressions : (E, V, 3) float32
        Displacements at weight one.
    moving : (E, V) bool
        The vertices that each expression moves.
    face, vertex : (M,) and (N,) int64
        The triangles at those vertices, and the corners of those triangles, expression by expression.
    face_start, vertex_start : (E + 1,) int64
        Where those of each expression begin.
    changes : (N, 3) float32
        Written.
    """
    count = len(vertices)
    flat = np.empty((len(triangles), 3), np.float32)
    total = np.zeros((count, 3), np.float32)
    points = np.empty((3, 3), np.float32)
    normal = np.empty(3, np.float32)
    unit = np.empty(3, np.float32)
    for f in range(len(triangles)):
        for k in range(3):
            for axis in range(3):
                points[k, axis] = vertices[triangles[f, k], axis]
        _cross(points, flat[f])
        for k in range(3):
            for axis in range(3):
                total[triangles[f, k], axis] += flat[f, axis]
    turned = np.empty((count, 3), np.float32)
    for e in range(len(expressions)):
        for n in range(vertex_start[e], vertex_start[e + 1]):
            for axis in range(3):
                turned[vertex[n], axis] = total[vertex[n], axis]
        for n in range(face_start[e], face_start[e + 1]):
            f = face[n]
            for k in range(3):
                i = triangles[f, k]
                share = np.float32(moving[e, i])
                for axis in range(3):
                    points[k, axis] = vertices[i, axis] + share * expressions[e, i, axis]
            _cross(points, normal)
            for k in range(3):
                for axis in range(3):
                    turned[triangles[f, k], axis] += normal[axis] - flat[f, axis]
        for n in range(vertex_start[e], vertex_start[e + 1]):
            _unit(turned[vertex[n]], normal)
            _unit(total[vertex[n]], unit)
            for axis in range(3):
                changes[n, axis] = normal[axis] - unit[axis]


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _cross(points: Array, out: Array) -> None:
    """Area-weighted normal of a triangle's corners (3, 3)."""
    ux, uy, uz = points[1, 0] - points[0, 0], points[1, 1] - points[0, 1], points[1, 2] - points[0, 2]
    vx, vy, vz = points[2, 0] - points[0, 0], points[2, 1] - points[0, 1], points[2, 2] - points[0, 2]
    out[0], out[1], out[2] = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _unit(vector: Array, out: Array) -> None:
    """Unit vector; +Z where there is no length."""
    length = np.sqrt(vector[0] ** 2 + vector[1] ** 2 + vector[2] ** 2)
    if length > 0:
        for axis in range(3):
            out[axis] = vector[axis] / length
    else:
        out[0], out[1], out[2] = 0, 0, 1

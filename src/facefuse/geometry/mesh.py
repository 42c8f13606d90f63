"""Triangle meshes: the value, normals, edges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from array_api_compat import is_torch_array

from facefuse.geometry.arrays import array_namespace

Array = Any


@dataclass(frozen=True)
class Mesh:
    """A triangle mesh.

    Attributes
    ----------
    vertices : (V, 3) float
        Millimetres.
    triangles : (F, 3) int
        Counter-clockwise seen from outside.
    """

    vertices: Array
    triangles: Array


def triangle_normals(vertices: Array, triangles: Array) -> Array:
    """Return area-weighted triangle normals (length: twice the area): (..., V, 3), (F, 3) to (..., F, 3)."""
    xp = array_namespace(vertices)
    a, b, c = (vertices[..., triangles[:, k], :] for k in range(3))
    u, v = b - a, c - a
    return xp.stack(
        (
            u[..., 1] * v[..., 2] - u[..., 2] * v[..., 1],
            u[..., 2] * v[..., 0] - u[..., 0] * v[..., 2],
            u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0],
        ),
        axis=-1,
    )


def vertex_normals(vertices: Array, triangles: Array) -> Array:
    """Unit normals at vertices, area-weighted over the adjacent triangles.

    Parameters
    ----------
    vertices : (..., V, 3) float
    triangles : (F, 3) int

    Returns
    -------
    (..., V, 3) float
        Zero where a vertex has no triangle with area.
    """
    xp = array_namespace(vertices)
    face = triangle_normals(vertices, triangles)
    if is_torch_array(vertices):
        total = xp.zeros_like(vertices)
        for k in range(3):
            total = total.index_add(-2, triangles[:, k], face)
    else:
        count = vertices.shape[-2]
        flat = face.reshape(-1, *face.shape[-2:])
        total = np.empty((len(flat), count, 3), dtype=vertices.dtype)
        corner = np.ravel(triangles, order="F")
        for one, normals in zip(total, flat, strict=True):
            for axis in range(3):
                one[:, axis] = np.bincount(corner, np.tile(normals[:, axis], 3), minlength=count)
        total = total.reshape(vertices.shape)
    length = xp.sqrt(xp.sum(total * total, axis=-1))[..., None]
    return total / xp.where(length > 0, length, xp.ones_like(length))


def unique_edges(triangles: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.integer[Any]]:
    """Return each edge once, smaller index first: (F, 3) to (E, 2)."""
    pairs = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    return np.unique(np.sort(pairs, axis=1), axis=0)

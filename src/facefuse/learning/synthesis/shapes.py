"""Simple solids: tubes, ellipsoids, boxes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .meshes import Floats, Ints, Material, Piece, grid_triangles

Array = NDArray[np.float64]


def tube(path: Array, radius: Array, sides: int = 7, flat: Array | None = None) -> tuple[Floats, Ints]:
    """Tube along a path (N, 3) with radii (N,), closed at both ends.

    ``flat`` (3,) is a direction along which the tube is half as thick.
    """
    path, radius = np.asarray(path, np.float64), np.broadcast_to(np.asarray(radius, np.float64), len(path))
    along = np.gradient(path, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
    across = np.cross(along, [0.36, 0.48, 0.80] if flat is None else flat)
    across /= np.linalg.norm(across, axis=1, keepdims=True) + 1e-9
    up = np.cross(along, across) * (1.0 if flat is None else 0.5)
    turn = 2 * np.pi * np.arange(sides) / sides
    ring = np.cos(turn)[None, :, None] * across[:, None] + np.sin(turn)[None, :, None] * up[:, None]
    body = path[:, None] + radius[:, None, None] * ring
    caps = np.stack([np.repeat(path[:1], sides, 0), np.repeat(path[-1:], sides, 0)])
    # the ends are rounded by one ring and closed by a point
    first = path[0] - along[0] * radius[0] * 0.6 + 0.7 * radius[0] * ring[0]
    last = path[-1] + along[-1] * radius[-1] * 0.6 + 0.7 * radius[-1] * ring[-1]
    caps[0] -= along[0] * radius[0] * 0.9
    caps[1] += along[-1] * radius[-1] * 0.9
    grid = np.concatenate([caps[:1], first[None], body, last[None], caps[1:]])
    return grid.reshape(-1, 3).astype(np.float32), grid_triangles(len(grid), sides, closed=True)


def ellipsoid(centre: Array, axes: Array, rows: int = 12, columns: int = 18) -> tuple[Floats, Ints]:
    """Ellipsoid with half axes as the rows of ``axes`` (3, 3)."""
    polar = np.linspace(0.02, np.pi - 0.02, rows)[:, None]
    turn = np.arange(columns)[None] * 2 * np.pi / columns
    unit = np.stack([np.sin(polar) * np.sin(turn), np.cos(polar) + 0 * turn, np.sin(polar) * np.cos(turn)], -1).reshape(
        -1, 3
    )
    return (centre + unit @ axes).astype(np.float32), grid_triangles(rows, columns, closed=True)


def box(centre: Array, axes: Array) -> tuple[Floats, Ints]:
    """Box with half axes as the rows of ``axes`` (3, 3), every face with its own corners."""
    vertices: list[Array] = []
    triangles: list[tuple[int, int, int]] = []
    for axis in range(3):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        for sign in (-1.0, 1.0):
            first = len(vertices)
            vertices += [
                centre + sign * axes[axis] + a * axes[u] + b * sign * axes[v]
                for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))
            ]
            triangles += [(first, first + 1, first + 2), (first, first + 2, first + 3)]
    return np.array(vertices, np.float32), np.array(triangles, np.int32)


def solid(mesh: tuple[Floats, Ints], material: Material, part: str, open_: float = 0.8) -> Piece:
    """A mesh as a piece of a scene; its texture is laid on from the front, 120 mm to a repeat."""
    vertices, triangles = mesh
    uv = np.ascontiguousarray(vertices[:, :2] / 120.0, np.float32)
    return Piece(vertices, triangles, uv, material, part, np.full(len(vertices), open_, np.float32))


def joined(meshes: list[tuple[Floats, Ints]]) -> tuple[Floats, Ints]:
    """Several meshes as one."""
    offsets = np.cumsum([0, *(len(v) for v, _ in meshes)])
    return (
        np.concatenate([v for v, _ in meshes]),
        np.concatenate([t + np.int32(o) for (_, t), o in zip(meshes, offsets[:-1], strict=True)]),
    )

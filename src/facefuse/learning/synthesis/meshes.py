"""Pieces of geometry and how they are put together into one mesh."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from . import kernels

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]


@dataclass(frozen=True)
class Material:
    """How a surface reflects light.

    Attributes
    ----------
    kind : int
        `kernels.SKIN`, `CLOTH`, `PLAIN`, `EYE` or `MOUTH`.
    colour : (3,) float
        Linear albedo of plain surfaces.
    specular : float
        Reflectance at normal incidence.
    gloss : int
        The highlight's exponent is two to this power.
    wrap : float
        How far red light creeps round edges.
    rough : float
        Strength of the grain that disturbs normals.
    """

    kind: int
    colour: tuple[float, float, float] = (0.5, 0.5, 0.5)
    specular: float = 0.03
    gloss: int = 3
    wrap: float = 0.0
    rough: float = 0.0

    def row(self) -> list[float]:
        """The row of the kernel's table."""
        return [self.kind, *self.colour, self.specular, self.gloss, self.wrap, self.rough]


@dataclass(frozen=True)
class Piece:
    """A mesh of one label.

    Attributes
    ----------
    vertices : (V, 3) float32
        Millimetres, model frame.
    triangles : (F, 3) int32
        Counter-clockwise seen from outside.
    uv : (V, 2) float32
    material : Material
    part : str
        What it is, one of `part_names`.
    occlusion : (V,) float32
        Share of the surroundings' light that gets to each vertex.
    """

    vertices: Floats
    triangles: Ints
    uv: Floats
    material: Material
    part: str
    occlusion: Floats


@dataclass(frozen=True)
class Scene:
    """Everything that is rasterised, in one mesh; the base model's head comes first.

    Attributes
    ----------
    vertices, normals : (V, 3) float32
        Model frame, mm.
    triangles, uv_triangles : (F, 3) int32
    uv : (U, 2) float32
    occlusion : (V,) float32
    material : (F,) int32
        Row of ``table``.
    table : (M, 8) float32
    part : (F,) uint8
        Index into `part_names`.
    closed : int
        The first so many triangles, the head's, are never seen from behind.
    """

    vertices: Floats
    normals: Floats
    triangles: Ints
    uv_triangles: Ints
    uv: Floats
    occlusion: Floats
    material: Ints
    table: Floats
    part: NDArray[np.uint8]
    closed: int


@lru_cache(maxsize=64)
def grid_triangles(rows: int, columns: int, closed: bool) -> Ints:
    """Triangles of a grid of vertices, row by row; ``closed`` joins the last column to the first.

    Counter-clockwise where columns run to the right and rows run down. The array is shared: nobody writes in it.
    """
    last = columns if closed else columns - 1
    i, j = np.meshgrid(np.arange(rows - 1), np.arange(last), indexing="ij")
    a, b = (i * columns + j).ravel(), (i * columns + (j + 1) % columns).ravel()
    c, d = a + columns, b + columns
    return np.concatenate([np.stack([a, c, d], 1), np.stack([a, d, b], 1)]).astype(np.int32)


def normals_of(vertices: Floats, triangles: Ints) -> Floats:
    """Unit normals (V, 3)."""
    out = np.empty_like(vertices)
    kernels.vertex_normals(vertices, triangles, out)
    return out

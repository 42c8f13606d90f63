"""The UV atlas of a model at one texture size: what every texel is."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from facefuse.morphable.model import FaceModel
from facefuse.rendering.interpolate import uv_to_pixels
from facefuse.rendering.rasterize import rasterize
from facefuse.texturing import kernels

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Atlas:
    """The texels of the UV islands of one model.

    Attributes
    ----------
    size : int
        Side of the texture, S.
    texel : (N,) int32
        Flat index of each texel inside an island.
    number : (S, S) int32
        The inverse: number of each texel, -1 outside the islands.
    triangle : (N,) int32
        The triangle at its centre.
    barycentric : (N, 3) float32
        Where in that triangle.
    mirror : (N,) int32
        The texel nearest to the point on the other side of the head, -1 where there is none.
    """

    size: int
    texel: npt.NDArray[np.int32]
    number: npt.NDArray[np.int32]
    triangle: npt.NDArray[np.int32]
    barycentric: npt.NDArray[np.float32]
    mirror: npt.NDArray[np.int32]

    def interpolate(self, attributes: FloatArray, triangles: IntArray, texels: IntArray) -> FloatArray:
        """Interpolate vertex attributes (V, C) at some texels (n,): (n, C)."""
        corners = triangles[self.triangle[texels]]
        out: FloatArray = np.einsum("nk,nkc->nc", self.barycentric[texels], attributes[corners])
        return out


_CACHE: OrderedDict[tuple[int, int], tuple[FaceModel, Atlas]] = OrderedDict()
_CACHE_SIZE = 4


def atlas_of(model: FaceModel, size: int) -> Atlas:
    """Return the atlas of a model at a texture size, built once and kept for the last few models and sizes."""
    key = (id(model), size)
    kept = _CACHE.get(key)
    if kept is None or kept[0] is not model:
        kept = (model, build_atlas(model, size))
        _CACHE[key] = kept
        while len(_CACHE) > _CACHE_SIZE:
            _CACHE.popitem(last=False)
    return kept[1]


def build_atlas(model: FaceModel, size: int) -> Atlas:
    """Rasterise the UV islands of a model at a texture size."""
    corners = uv_to_pixels(np.asarray(model.uv, np.float64), size, size)
    flat = np.concatenate([corners, np.ones((len(corners), 1), np.float32)], axis=1)
    seen = rasterize(flat, model.uv_triangles, size, size, perspective=False, cull_back=False)
    count = int(np.count_nonzero(seen.triangle >= 0))
    texel, triangle, mirror = (np.empty(count, np.int32) for _ in range(3))
    number, barycentric = np.empty((size, size), np.int32), np.empty((count, 3), np.float32)
    kernels.gather_texels(seen.triangle, seen.barycentric, texel, number, triangle, barycentric)
    partner = mirror_corners(np.asarray(model.triangles), np.asarray(model.uv_triangles), np.asarray(model.symmetric))
    kernels.mirror_texels(triangle, barycentric, np.asarray(partner, np.int64), corners, number, mirror)
    return Atlas(size, texel, number, triangle, barycentric, mirror)


def mirror_corners(triangles: IntArray, uv_triangles: IntArray, symmetric: IntArray) -> IntArray:
    """Find the texture coordinates of each triangle's mirror image.

    Parameters
    ----------
    triangles, uv_triangles : (F, 3) int
    symmetric : (V,) int
        Mirror partner of each vertex.

    Returns
    -------
    (F, 3) int
        Indices into the texture coordinates, corner by corner; -1 where the mirror image is not a triangle.
    """
    count = int(symmetric.max()) + 1

    def code(corners: IntArray) -> IntArray:
        """Give triangles of the same corners, in any order, the same number."""
        a, b, c = corners.T.astype(np.int64)
        low, high = np.minimum(np.minimum(a, b), c), np.maximum(np.maximum(a, b), c)
        number: IntArray = (low * count + (a + b + c - low - high)) * count + high
        return number

    own, mirrored = code(triangles), symmetric[triangles]
    wanted = code(mirrored)
    by_code = np.argsort(own)
    found = by_code[np.minimum(np.searchsorted(own[by_code], wanted), len(own) - 1)]
    there, uv_there = triangles[found].T, uv_triangles[found].T
    out: IntArray = np.full_like(triangles, -1)
    for corner in range(3):
        same = there == mirrored[:, corner]
        out[:, corner] = np.where(same[0], uv_there[0], np.where(same[1], uv_there[1], uv_there[2]))
    out[own[found] != wanted] = -1
    return out

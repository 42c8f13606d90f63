"""Vertex attributes and textures at pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from facefuse.rendering import kernels
from facefuse.rendering.rasterize import Fragments

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]


def interpolate(
    fragments: Fragments, attributes: FloatArray, triangles: IntArray, background: float | FloatArray = 0.0
) -> npt.NDArray[np.float32]:
    """Interpolate vertex attributes at every pixel.

    Parameters
    ----------
    fragments : Fragments
    attributes : (V, C) float
        One value per vertex (or per texture coordinate).
    triangles : (F, 3) int
        Indices into ``attributes`` of each rasterised triangle's corners.
    background : float or (C,) float
        The value where there is no triangle.

    Returns
    -------
    (H, W, C) float32
    """
    values = np.ascontiguousarray(attributes, dtype=np.float32)
    if values.ndim != 2:
        raise ValueError(f"expected (V, C) attributes, found {values.shape}")
    fill = np.ascontiguousarray(np.broadcast_to(np.asarray(background, np.float32), values.shape[1:]))
    out = np.empty((*fragments.triangle.shape, values.shape[1]), np.float32)
    faces = np.ascontiguousarray(triangles, dtype=np.int32)
    kernels.interpolate_attributes(fragments.triangle, fragments.barycentric, values, faces, fill, out)
    return out


def sample_image(image: FloatArray, points: FloatArray) -> npt.NDArray[np.float32]:
    """Sample an image bilinearly.

    Parameters
    ----------
    image : (H, W, C) float
    points : (..., 2) float
        x and y in pixels; clamped to the border.

    Returns
    -------
    (..., C) float32
    """
    values = np.ascontiguousarray(image, dtype=np.float32)
    where = np.ascontiguousarray(points, dtype=np.float32)
    out = np.empty((where.size // 2, values.shape[2]), np.float32)
    kernels.sample_bilinear(values, where.reshape(-1, 2), out)
    return out.reshape(*where.shape[:-1], values.shape[2])


def sample_texture(texture: FloatArray, uv: FloatArray) -> npt.NDArray[np.float32]:
    """Sample a texture bilinearly at texture coordinates.

    Parameters
    ----------
    texture : (S, T, C) float
        Row 0 is the top, v = 1.
    uv : (..., 2) float
        u right, v up, [0, 1].

    Returns
    -------
    (..., C) float32
    """
    return sample_image(texture, uv_to_pixels(uv, texture.shape[1], texture.shape[0]))


def uv_to_pixels(uv: FloatArray, width: int, height: int) -> npt.NDArray[np.float32]:
    """Texture coordinates to pixels of a texture whose row 0 is the top: (..., 2) to (..., 2)."""
    out = np.empty(uv.shape, np.float32)
    out[..., 0] = uv[..., 0] * width - 0.5
    out[..., 1] = (1 - uv[..., 1]) * height - 0.5
    return out

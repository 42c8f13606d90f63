"""Textures as files, and their colours at vertices."""

from __future__ import annotations

import base64
import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from facefuse.morphable.model import FaceModel
from facefuse.rendering.shading import linear_to_srgb

Pixels = npt.NDArray[np.uint8]


def encode_jpeg(pixels: Pixels, quality: int = 92) -> bytes:
    """Encode (H, W, 3) sRGB pixels as JPEG without colour subsampling."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=quality, subsampling=0)
    return out.getvalue()


def jpeg_data_uri(pixels: Pixels, quality: int = 84) -> str:
    """Return (H, W, 3) sRGB pixels as the ``data:`` address of a JPEG."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=quality)
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode("ascii")


def vertex_colours(model: FaceModel, texture: Pixels) -> Pixels:
    """Sample a texture at the vertices.

    Parameters
    ----------
    model : FaceModel
    texture : (S, S, 3) uint8
        sRGB, row 0 at v = 1.

    Returns
    -------
    (V, 3) uint8
        sRGB, of the nearest texel; a vertex on a seam takes one of its places, a vertex without a triangle the mean
        albedo.
    """
    uv_of_vertex = np.full(model.vertex_count, -1)
    uv_of_vertex[np.ravel(model.triangles)] = np.ravel(model.uv_triangles)
    textured = uv_of_vertex >= 0
    colours = np.empty((model.vertex_count, 3), np.uint8)
    height, width = texture.shape[:2]
    uv = np.asarray(model.uv)[uv_of_vertex[textured]]
    column = np.clip(np.floor(uv[:, 0] * width), 0, width - 1).astype(int)
    row = np.clip(np.floor((1 - uv[:, 1]) * height), 0, height - 1).astype(int)
    colours[textured] = texture[row, column]
    colours[~textured] = np.rint(255 * linear_to_srgb(np.clip(np.asarray(model.albedo)[~textured], 0, 1)))
    return colours

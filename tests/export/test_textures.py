"""Encoded textures and colours at vertices."""

from __future__ import annotations

import base64
import io
from dataclasses import replace

import numpy as np
from PIL import Image

from facefuse.export.textures import encode_jpeg, jpeg_data_uri, vertex_colours


def test_jpeg_is_close(reconstruction):
    texture = reconstruction.texture
    jpeg = np.asarray(Image.open(io.BytesIO(encode_jpeg(texture))), dtype=float)
    assert np.abs(jpeg - texture).mean() < 8


def test_data_address_holds_the_picture(reconstruction):
    head, _, body = jpeg_data_uri(reconstruction.texture).partition(",")
    assert head == "data:image/jpeg;base64"
    assert Image.open(io.BytesIO(base64.b64decode(body))).size == reconstruction.texture.shape[:2]


def test_colours_come_from_the_place_in_the_texture(model):
    # red tells u, green tells v; the top row of the picture is v = 1
    size = 256
    centres = (np.arange(size) + 0.5) / size
    texture = np.zeros((size, size, 3), np.uint8)
    texture[..., 0] = np.rint(255 * centres)[None, :]
    texture[..., 1] = np.rint(255 * (1 - centres))[:, None]
    colours = vertex_colours(model, texture).astype(float)
    # a vertex on a seam has several places; both this and the package take the last
    uv_of = dict(zip(np.ravel(model.triangles).tolist(), np.ravel(model.uv_triangles).tolist(), strict=True))
    expected = 255 * model.uv[[uv_of[vertex] for vertex in range(model.vertex_count)]]
    assert np.abs(colours[:, :2] - expected).max() <= 1.001


def test_a_vertex_without_triangle_takes_the_albedo(model):
    loose = replace(
        model,
        mean=np.concatenate([model.mean, [[0.0, 0, 0]]]),
        albedo=np.concatenate([model.albedo, [[1.0, 0.0, 0.5]]]),
    )
    colour = vertex_colours(loose, np.zeros((4, 4, 3), np.uint8))[-1]
    assert colour.tolist() == [255, 0, 188]  # 0.5 linear is 188 in sRGB

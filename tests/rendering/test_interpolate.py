from __future__ import annotations

import numpy as np
import pytest

from facefuse.rendering.interpolate import interpolate, sample_image, sample_texture, uv_to_pixels
from facefuse.rendering.rasterize import rasterize


def test_interpolates_linear_functions_exactly() -> None:
    vertices = np.array([[0.0, 0, 1], [30, 2, 1], [4, 28, 1]])
    triangles = np.array([[0, 1, 2]])
    seen = rasterize(vertices, triangles, 32, 32, perspective=False, cull_back=False)
    got = interpolate(seen, vertices[:, :2] * [2.0, -1.0] + 5, triangles, background=(-1.0, -2.0))
    y, x = np.nonzero(seen.mask)
    np.testing.assert_allclose(got[y, x], np.stack((2 * x + 5, 5 - y), 1), atol=2e-3)
    np.testing.assert_array_equal(np.unique(got[~seen.mask], axis=0), [[-1, -2]])


def test_sampling_between_pixels_and_beyond_the_border() -> None:
    image = np.arange(12.0).reshape(3, 4, 1)
    points = np.array([[0.0, 0], [1.5, 0.5], [3, 2], [99, -5]])
    np.testing.assert_allclose(sample_image(image, points)[:, 0], [0, 3.5, 11, 3])


def test_top_left_texel_is_at_small_u_and_large_v() -> None:
    texture = np.zeros((8, 4, 3))
    texture[0, 0] = 1
    np.testing.assert_allclose(sample_texture(texture, np.array([[0.125, 1 - 1 / 16]])), [[1, 1, 1]], atol=1e-6)
    np.testing.assert_allclose(uv_to_pixels(np.array([0.0, 1.0]), 4, 8), [-0.5, -0.5])


def test_attributes_must_have_channels() -> None:
    seen = rasterize(np.zeros((3, 3)), np.array([[0, 1, 2]]), 4, 4)
    with pytest.raises(ValueError, match="attributes"):
        interpolate(seen, np.zeros(3), np.array([[0, 1, 2]]))

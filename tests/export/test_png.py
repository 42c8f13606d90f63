"""PNG files, read back by Pillow."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from facefuse.export.png import write_png


@pytest.mark.parametrize("shape", [(1, 1, 3), (7, 5, 3), (64, 33, 3), (7, 5, 1)])
def test_eight_bits_come_back(shape: tuple[int, int, int]) -> None:
    values = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    read = np.asarray(Image.open(io.BytesIO(write_png(values))))
    np.testing.assert_array_equal(read.reshape(shape), values)


def test_sixteen_bits_come_back() -> None:
    values = np.random.default_rng(0).integers(0, 65536, (9, 6, 1), dtype=np.uint16)
    read = np.asarray(Image.open(io.BytesIO(write_png(values))))
    np.testing.assert_array_equal(read.reshape(values.shape), values)


def test_smooth_pictures_are_small_and_noise_does_not_grow() -> None:
    ramp = np.tile(np.arange(256, dtype=np.uint8)[:, None, None], (1, 256, 3))
    assert len(write_png(ramp)) < ramp.size / 100
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert len(write_png(noise)) < 1.02 * noise.size


def test_the_description_is_kept() -> None:
    image = Image.open(io.BytesIO(write_png(np.zeros((2, 2, 1), np.uint8), "a × b")))
    assert image.text == {"Description": "a × b"}  # type: ignore[attr-defined]


def test_a_view_of_other_strides_is_written_as_it_looks() -> None:
    values = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)[::-1, ::2]
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(write_png(values)))), values)

from __future__ import annotations

import math

import numpy as np
import pytest

from facefuse.detection.crop import Square, cut_square, square_overlap
from facefuse.errors import UsageError


def smooth_photo(height: int, width: int) -> np.ndarray:
    """Colours that vary linearly, so that any correct interpolation returns them exactly."""
    y, x = np.mgrid[:height, :width].astype(float)
    return np.stack([40 + 120 * x / width, 30 + 150 * y / height, 200 - 60 * (x + y) / (width + height)], -1)


def colours_at(points: np.ndarray, height: int, width: int) -> np.ndarray:
    x, y = points[..., 0], points[..., 1]
    return np.stack([40 + 120 * x / width, 30 + 150 * y / height, 200 - 60 * (x + y) / (width + height)], -1)


@pytest.mark.parametrize("roll", [0.0, 0.4, -1.2, math.pi / 2])
@pytest.mark.parametrize("side", [30.0, 64.0, 150.7, 321.3])
def test_crop_shows_the_place_that_to_photo_names(side: float, roll: float) -> None:
    height, width, size = 500, 620, 64
    photo = np.round(smooth_photo(height, width)).astype(np.uint8)
    square = Square(np.array([305.3, 251.8]), side, roll)
    crop = cut_square(photo, square, size)
    rows, columns = np.mgrid[:size, :size]
    places = square.to_photo(np.stack([columns, rows], -1).astype(float), size)
    assert np.abs(crop - colours_at(places, height, width)).max() < 1.6


def test_crop_of_whole_pixels_copies_them() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (50, 60, 3)).astype(np.uint8)
    crop = cut_square(photo, Square(np.array([19.5, 24.5]), 20.0), 20)
    np.testing.assert_array_equal(crop, photo[15:35, 10:30])


def test_points_go_to_the_crop_and_back() -> None:
    square = Square(np.array([3.0, -7.0]), 41.0, 0.7)
    points = np.random.default_rng(1).normal(size=(9, 2)) * 100
    np.testing.assert_allclose(square.to_photo(square.to_crop(points, 120), 120), points, atol=1e-9)
    corner = square.to_photo(np.array([-0.5, -0.5]), 120)
    assert np.linalg.norm(corner - square.centre) == pytest.approx(41.0 / math.sqrt(2.0))


def test_positive_roll_turns_the_square_clockwise() -> None:
    square = Square(np.zeros(2), 10.0, math.pi / 2)
    right_of_centre = square.to_photo(np.array([9.5, 4.5]), 10)
    np.testing.assert_allclose(right_of_centre, [0.0, 5.0], atol=1e-12)  # y points down


def test_outside_the_photo_is_black() -> None:
    photo = np.full((40, 40, 3), 200, np.uint8)
    crop = cut_square(photo, Square(np.array([39.5, 19.5]), 40.0), 40)
    np.testing.assert_array_equal(crop[:, :19], 200)
    np.testing.assert_array_equal(crop[:, 21:], 0)
    assert not cut_square(photo, Square(np.array([500.0, 20.0]), 40.0), 16).any()
    assert not cut_square(photo, Square(np.array([-500.0, -20.0]), 40.0, 0.3), 16).any()


@pytest.mark.parametrize("roll", [0.0, 0.5])
def test_shrinking_averages_instead_of_picking_pixels(roll: float) -> None:
    # A checkerboard of single pixels is grey when seen from afar; picking pixels would give black and white.
    board = (np.indices((800, 800)).sum(axis=0) % 2 * 255).astype(np.uint8)
    crop = cut_square(np.repeat(board[..., None], 3, axis=2), Square(np.array([400.0, 400.0]), 500.0, roll), 50)
    assert np.abs(crop.astype(int) - 127).max() < 12


def test_huge_square_about_a_small_photo_is_cheap_and_right() -> None:
    photo = np.full((10, 10, 3), 255, np.uint8)
    crop = cut_square(photo, Square(np.array([4.5, 4.5]), 1e6), 100)
    assert crop.shape == (100, 100, 3)
    assert crop.mean() < 2.0


@pytest.mark.parametrize("side", [0.0, -3.0, math.nan, math.inf])
def test_a_square_without_extent_is_refused(side: float) -> None:
    with pytest.raises(UsageError, match="finite face box"):
        cut_square(np.zeros((9, 9, 3), np.uint8), Square(np.zeros(2), side), 8)


def test_overlap_by_hand() -> None:
    first = np.array([0.0, 0, 10, 10])
    assert square_overlap(first, first) == pytest.approx(1.0)
    assert square_overlap(first, np.array([5.0, 0, 15, 10])) == pytest.approx(50 / 150)
    assert square_overlap(first, np.array([11.0, 0, 15, 4])) == 0.0
    assert square_overlap(first, np.array([3.0, 3, 3, 3])) == 0.0

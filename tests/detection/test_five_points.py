import numpy as np
import pytest

from facefuse.detection.crop import cut_square
from facefuse.detection.five_points import CROP_SIZE, TEMPLATE, aligned_square, five_points
from facefuse.errors import UnusableInput
from facefuse.geometry import euler_to_rotmat
from facefuse.geometry.cameras import ScaledOrthographicCamera

RNG = np.random.default_rng(0)


def seen(yaw=0.0, scale=130.0, at=(410.0, 300.0), roll=0.0):
    rotation = euler_to_rotmat(np.float64(yaw), np.float64(5.0), np.float64(roll))
    return ScaledOrthographicCamera(scale, rotation, np.array(at)).project(TEMPLATE)


@pytest.mark.parametrize("yaw", [0, 30, -55])
def test_a_weak_perspective_face_is_found_exactly_whatever_its_pose(yaw):
    square = aligned_square(seen(yaw, roll=12.0))
    np.testing.assert_allclose(square.centre, (410, 300), atol=1e-9)
    assert square.side == pytest.approx(130 * 224 / 102)
    assert square.roll == 0


def test_points_of_the_crop_have_the_published_scale_and_return_to_the_photo():
    points = seen(20.0)
    square = aligned_square(points)
    crop = square.to_crop(points, CROP_SIZE)
    np.testing.assert_allclose(square.to_photo(crop, CROP_SIZE), points, atol=1e-9)
    expected = seen(20.0, scale=102.0, at=(111.5, 111.5))
    np.testing.assert_allclose(crop, expected, atol=1e-9)


def test_moving_and_scaling_the_photo_moves_and_scales_the_crop():
    points = seen(-15.0) + RNG.normal(scale=3, size=(5, 2))
    one, other = aligned_square(points), aligned_square(points * 2.5 + [30, -70])
    np.testing.assert_allclose(other.centre, one.centre * 2.5 + [30, -70])
    assert other.side == pytest.approx(one.side * 2.5)


def test_pixels_land_where_points_do():
    pixels = np.zeros((700, 900, 3), np.uint8)
    points = seen()
    yy, xx = np.mgrid[: pixels.shape[0], : pixels.shape[1]]
    for x, y in points:
        dot = np.exp(-((xx - x) ** 2 + (yy - y) ** 2) / 18)
        pixels = np.maximum(pixels, np.rint(255 * dot[..., None]).astype(np.uint8))
    square = aligned_square(points)
    crop = cut_square(pixels, square, CROP_SIZE)[..., 0].astype(float)
    for x, y in square.to_crop(points, CROP_SIZE):
        yy, xx = np.mgrid[:224, :224]
        near = crop * (np.hypot(xx - x, yy - y) < 9)
        np.testing.assert_allclose([(near * xx).sum() / near.sum(), (near * yy).sum() / near.sum()], [x, y], atol=0.1)


def test_five_points_of_68():
    points = RNG.normal(size=(2, 68, 2))
    found = five_points(points)
    assert found.shape == (2, 5, 2)
    np.testing.assert_allclose(found[1, 0], (points[1, 36] + points[1, 39]) / 2)
    np.testing.assert_allclose(found[1, 2:], points[1, [30, 48, 54]])


def test_points_that_are_no_face():
    with pytest.raises(UnusableInput, match="fall together"):
        aligned_square(np.zeros((5, 2)))
    with pytest.raises(UnusableInput, match="five finite points"):
        aligned_square(np.full((5, 2), np.nan))

from __future__ import annotations

import numpy as np
import pytest

from facefuse.geometry import ScaledOrthographicCamera
from facefuse.rendering.draw import EVEN, contact_sheet, draw_head, draw_landmarks, draw_overlay, portrait_camera


def ball(radius: float = 80.0, rows: int = 24) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A sphere with texture coordinates: vertices, triangles, uv."""
    v, u = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, 2 * rows), indexing="ij")
    polar, around = np.pi * (1 - v), 2 * np.pi * u - np.pi
    points = radius * np.stack((np.sin(polar) * np.sin(around), np.cos(polar), np.sin(polar) * np.cos(around)), -1)
    number = np.arange(v.size).reshape(v.shape)
    a, b, c, d = (number[:-1, :-1], number[:-1, 1:], number[1:, 1:], number[1:, :-1])
    triangles = np.concatenate([np.stack(t, -1).reshape(-1, 3) for t in ((a, b, c), (a, c, d))])
    return points.reshape(-1, 3), triangles, np.stack((u, v), -1).reshape(-1, 2)


def test_overlay_changes_the_mesh_and_nothing_else() -> None:
    vertices, triangles, _ = ball()
    photo = np.random.default_rng(0).integers(0, 255, (120, 160, 3), dtype=np.uint8)
    before = photo.copy()
    camera = ScaledOrthographicCamera(0.5, np.diag([1.0, -1, -1]), np.array([70.0, 60.0]))
    drawn = draw_overlay(photo, vertices, triangles, camera)
    np.testing.assert_array_equal(photo, before)
    y, x = np.mgrid[:120, :160]
    distance = np.hypot(x - 70, y - 60)
    np.testing.assert_array_equal(drawn[distance > 42], photo[distance > 42])
    inside = distance < 37
    assert (drawn[inside] != photo[inside]).any(-1).mean() > 0.98
    assert drawn[inside].std() < 0.6 * photo[inside].std()  # half transparent: the photo shows, weaker


def test_overlay_outside_the_picture_is_the_photo() -> None:
    vertices, triangles, _ = ball()
    photo = np.full((40, 40, 3), 90, np.uint8)
    camera = ScaledOrthographicCamera(0.5, np.diag([1.0, -1, -1]), np.array([500.0, 60.0]))
    np.testing.assert_array_equal(draw_overlay(photo, vertices, triangles, camera), photo)


def test_edges_are_antialiased() -> None:
    vertices, triangles, _ = ball()
    photo = np.zeros((120, 120, 3), np.uint8)
    camera = ScaledOrthographicCamera(0.5, np.diag([1.0, -1, -1]), np.array([60.0, 60.0]))
    drawn = draw_overlay(photo, vertices, triangles, camera, opacity=1.0).astype(int)
    jumps = np.abs(np.diff(drawn[:, 60, 0]))
    ring = drawn[:, :, 0][(drawn[:, :, 0] > 5) & (drawn[:, :, 0] < 60)]
    assert len(ring) > 50  # partly covered pixels exist
    assert jumps.max() < 200


def test_landmarks_are_drawn_where_they_are_and_gaps_are_allowed() -> None:
    photo = np.zeros((100, 100, 3), np.uint8)
    points = np.array([[20.0, 30.0], [np.nan, 5], [-50, 400], [70.5, 60.5]])
    drawn = draw_landmarks(photo, points, radius=3.0)
    y, x = np.nonzero(drawn[..., 1] > 120)
    near = [np.hypot(x - px, y - py).min() for px, py in ((20, 30), (70.5, 60.5))]
    assert max(near) < 1.5
    assert all(
        min(abs(px - 20) + abs(py - 30), abs(px - 70.5) + abs(py - 60.5)) < 8 for px, py in zip(x, y, strict=True)
    )
    np.testing.assert_array_equal(draw_landmarks(photo, np.full((68, 2), np.nan)), photo)


def test_textured_head_shows_its_texture() -> None:
    vertices, triangles, uv = ball()
    texture = np.zeros((64, 64, 3), np.uint8)
    texture[:, :32] = (200, 40, 40)  # u < 0.5: -X, left in a frontal picture
    texture[:, 32:] = (40, 40, 200)
    camera = portrait_camera(vertices, 100)
    picture = draw_head(
        vertices, triangles, camera, (100, 100), texture=texture, uv=uv, uv_triangles=triangles, light=EVEN
    )
    left, right = picture[50, 35].astype(int), picture[50, 65].astype(int)
    assert left[0] > 2 * left[2]
    assert right[2] > 2 * right[0]
    corner = picture[2, 2].astype(int)
    assert np.ptp(corner) == 0
    with pytest.raises(ValueError, match="uv"):
        draw_head(vertices, triangles, camera, (100, 100), texture=texture)


@pytest.mark.parametrize("yaw", [0.0, 60.0, -90.0])
def test_portrait_camera_keeps_everything_in_the_picture(yaw: float) -> None:
    vertices, _, _ = ball()
    vertices = vertices * [1, 1.4, 0.9] + [30, -20, 50]
    points = portrait_camera(vertices, 200, yaw=yaw, pitch=10).project(vertices)
    assert points.min() > 4
    assert points.max() < 196
    assert np.ptp(points, axis=0).max() > 140


def test_contact_sheet_places_pictures_in_rows() -> None:
    pictures = [np.full((10, 12, 3), value, np.uint8) for value in (10, 20, 30)]
    sheet = contact_sheet(pictures, 2, gap=2)
    assert sheet.shape == (22, 26, 3)
    assert sheet[5, 20, 0] == 20
    assert sheet[15, 5, 0] == 30
    assert sheet[15, 20, 0] == 255

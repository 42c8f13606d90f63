"""Hand-placed landmarks pull photos onto the mesh."""

from __future__ import annotations

import numpy as np

from facefuse.geometry.cameras import PinholeCamera
from facefuse.learning.appearance.files import plain_model
from facefuse.learning.appearance.people import Person
from facefuse.learning.appearance.warping import LOOSE, Places, find_places, warped
from facefuse.morphable.model import barycentric_points

CAMERA = PinholeCamera(1500.0, np.array([149.5, 149.5]), np.diag([1.0, -1.0, -1.0]), np.array([0.0, 0.0, 1300.0]))


def person(vertices: np.ndarray, points: np.ndarray | None) -> Person:
    return Person("x", 30.0, "", "", np.zeros((300, 300, 3), np.uint8), vertices, vertices, CAMERA, points)


def test_a_smooth_displacement_is_found_and_an_outlier_is_not_followed() -> None:
    model = plain_model()
    mean = np.asarray(model.mean, float)
    rng = np.random.default_rng(1)
    face = np.flatnonzero(np.asarray(model.face_mask))
    corners = rng.choice(face, 60)
    places = Places(np.arange(60), np.stack([corners] * 3, 1), np.tile([1.0, 0, 0], (60, 1)))

    def shift(points: np.ndarray) -> np.ndarray:
        return 3 * np.stack([np.sin(points[:, 1] / 30), np.cos(points[:, 0] / 40)], axis=1)

    at = barycentric_points(mean, places.corners, places.weights)
    wanted = CAMERA.project(at) + shift(at)
    wanted[7] += 40
    camera = warped(person(mean, wanted), places)
    near = face[np.linalg.norm(mean[face][:, None] - at[None], axis=2).min(1) < 6]
    near = near[np.linalg.norm(mean[near] - at[7], axis=1) > 12]
    moved = camera.project(mean[near]) - CAMERA.project(mean[near])
    assert np.abs(moved - shift(mean[near])).mean() < 0.5
    apart = np.linalg.norm(camera.project(at[7:8]) - CAMERA.project(at[7:8]) - shift(at[7:8]))
    assert apart < 20  # half of what the misplaced point asks for
    back = np.argmin(mean[:, 2])
    np.testing.assert_allclose(camera.project(mean[back : back + 1]), CAMERA.project(mean[back : back + 1]), atol=0.05)
    np.testing.assert_array_equal(camera.depth(mean), CAMERA.depth(mean))
    assert warped(person(mean, None), places) is CAMERA


def test_places_are_where_the_points_were_put() -> None:
    model = plain_model()
    mean = np.asarray(model.mean, float)
    front = np.flatnonzero(np.asarray(model.face_mask) & (np.abs(mean[:, 0]) < 40) & (mean[:, 1] > 25))
    points = np.zeros((189, 2))
    vertices = np.random.default_rng(2).choice(front, 189)
    points[:] = CAMERA.project(mean[vertices])
    found = find_places(model, [person(mean, points)] * 3)
    at = barycentric_points(mean, found.corners, found.weights)
    np.testing.assert_array_equal(found.points, np.setdiff1d(np.arange(189), LOOSE))
    assert np.median(np.linalg.norm(at - mean[vertices[found.points]], axis=1)) < 1.5

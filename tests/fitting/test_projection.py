import numpy as np
import pytest

from facefuse.fitting.projection import Views, project, project_with_derivatives
from facefuse.geometry import euler_to_rotmat, rotvec_to_rotmat


@pytest.fixture
def views() -> Views:
    yaw = np.array([10.0, -70.0, 150.0])
    return Views(
        rotation=euler_to_rotmat(yaw, yaw / 9, yaw / 3),
        origin=np.array([[300.0, 200.0], [100.0, 400.0], [20.0, 30.0]]),
        log_scale=np.log([1.5, 0.7, 3.0]),
        log_nearness=-np.log([300.0, 900.0, 200.0]),
        centre=np.array([[320.0, 240.0], [320.0, 240.0], [100.0, 100.0]]),
    )


@pytest.fixture
def points() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(3, 7, 3)) * 50


def test_a_view_is_the_pinhole_camera_it_states(views, points):
    seen = project(points, views)
    for i in range(3):
        np.testing.assert_allclose(views.camera(i).project(points[i]), seen[i], atol=1e-9)


def test_derivatives_are_finite_differences(views, points):
    step = 1e-5
    _, by_point, by_view = project_with_derivatives(points, views)
    for axis in range(3):
        move = np.zeros(3)
        move[axis] = step
        numeric = (project(points + move, views) - project(points - move, views)) / (2 * step)
        np.testing.assert_allclose(by_point[..., axis], numeric, rtol=1e-5, atol=1e-6)
    for axis in range(7):
        move = np.zeros((3, 7))
        move[:, axis] = step
        numeric = (project(points, views.moved(move)) - project(points, views.moved(-move))) / (2 * step)
        np.testing.assert_allclose(by_view[..., axis], numeric, rtol=1e-5, atol=1e-4)


def test_far_away_is_scaled_orthographic(views, points):
    far = Views(views.rotation, views.origin, views.log_scale, np.full(3, -30.0), views.centre)
    flat = (points @ views.rotation.transpose(0, 2, 1))[..., :2] * views.scale[:, None, None] + views.origin[:, None]
    np.testing.assert_allclose(project(points, far), flat, atol=1e-6)


def test_a_point_behind_the_camera_stays_finite(views):
    behind = np.zeros((3, 1, 3))
    behind[:, 0] = views.rotation[:, 2] * -5000.0
    assert np.isfinite(project(behind, views)).all()


def test_a_step_turns_by_rodrigues_formula(views):
    turns = np.array([[0.3, -0.2, 0.5], [0.0, 0.0, 0.0], [1e-9, 2.0, -1.0]])
    step = np.concatenate([turns, np.zeros((3, 4))], axis=1)
    np.testing.assert_allclose(views.moved(step).rotation, rotvec_to_rotmat(turns) @ views.rotation, atol=1e-12)

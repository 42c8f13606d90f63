from __future__ import annotations

import numpy as np
import pytest

from facefuse.geometry import PinholeCamera, ScaledOrthographicCamera, euler_to_rotmat


def _rotation() -> np.ndarray:
    return euler_to_rotmat(np.asarray(20.0), np.asarray(-10.0), np.asarray(5.0))


def test_pinhole_projection_by_hand() -> None:
    camera = PinholeCamera(1000.0, np.array([320.0, 240.0]), np.diag([1.0, -1.0, -1.0]), np.array([0.0, 0.0, 500.0]))
    # 10 mm to the subject's left and 20 mm up lie right of and above the centre
    np.testing.assert_allclose(camera.project(np.array([[10.0, 20.0, 0.0]])), [[340.0, 200.0]])
    np.testing.assert_allclose(camera.depth(np.array([[0.0, 0.0, 100.0]])), [400.0])
    np.testing.assert_allclose(camera.position(), [0.0, 0.0, 500.0])


def test_the_intrinsic_matrix_gives_the_same_projection() -> None:
    points = np.random.default_rng(0).normal(scale=50, size=(4, 9, 3))
    camera = PinholeCamera(800.0, np.array([100.0, 120.0]), _rotation(), np.array([5.0, -7.0, 600.0]))
    homogeneous = camera.to_camera(points) @ camera.matrix.T
    np.testing.assert_allclose(camera.project(points), homogeneous[..., :2] / homogeneous[..., 2:])


def test_a_far_pinhole_is_scaled_orthographic() -> None:
    points = np.random.default_rng(1).normal(scale=50, size=(30, 3))
    far = 1e7
    pinhole = PinholeCamera(2.0 * far, np.array([64.0, 32.0]), _rotation(), np.array([0.0, 0.0, far]))
    orthographic = ScaledOrthographicCamera(2.0, _rotation(), np.array([64.0, 32.0]))
    np.testing.assert_allclose(pinhole.project(points), orthographic.project(points), atol=2e-3)
    np.testing.assert_allclose(pinhole.depth(points) - far, orthographic.depth(points), atol=1e-6)


def test_cameras_work_on_pytorch_tensors() -> None:
    torch = pytest.importorskip("torch")
    points = np.random.default_rng(2).normal(scale=50, size=(3, 3))
    camera = PinholeCamera(800.0, np.array([100.0, 120.0]), _rotation(), np.array([5.0, -7.0, 600.0]))
    other = PinholeCamera(
        800.0, torch.tensor(camera.centre), torch.tensor(camera.rotation), torch.tensor(camera.translation)
    )
    np.testing.assert_allclose(other.project(torch.tensor(points)).numpy(), camera.project(points))

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facefuse.geometry import rotations

ANGLES = st.floats(-179, 179)
PITCH = st.floats(-89, 89)


@given(ANGLES, PITCH, ANGLES)
def test_euler_angles_survive_the_round_trip(yaw: float, pitch: float, roll: float) -> None:
    rotmat = rotations.euler_to_rotmat(*(np.asarray(v) for v in (yaw, pitch, roll)))
    back = rotations.rotmat_to_euler(rotmat)
    np.testing.assert_allclose(back, (yaw, pitch, roll), atol=1e-5)


def test_a_frontal_face_has_the_documented_rotation() -> None:
    zero = np.asarray(0.0)
    np.testing.assert_allclose(rotations.euler_to_rotmat(zero, zero, zero), np.diag([1.0, -1.0, -1.0]), atol=1e-12)


@pytest.mark.parametrize(
    ("angles", "model", "image"),
    [
        ((30.0, 0.0, 0.0), (0, 0, 1), (1, 0)),  # turned to the subject's left, the nose points right in the image
        ((0.0, 30.0, 0.0), (0, 0, 1), (0, -1)),  # looking up, the nose points up
        ((0.0, 0.0, 30.0), (0, 1, 0), (1, -1)),  # tilted clockwise, the crown goes right
    ],
)
def test_signs_of_the_euler_angles(
    angles: tuple[float, float, float], model: tuple[int, int, int], image: tuple[int, int]
) -> None:
    rotmat = rotations.euler_to_rotmat(*(np.asarray(v) for v in angles))
    moved = rotmat @ np.asarray(model, dtype=float)
    assert np.array_equal(np.sign(np.round(moved[:2], 9)), image)


@given(st.lists(st.floats(-1.7, 1.7), min_size=3, max_size=3))
def test_rotation_vectors_survive_the_round_trip(rotvec: list[float]) -> None:
    vector = np.asarray(rotvec)
    rotmat = rotations.rotvec_to_rotmat(vector)
    np.testing.assert_allclose(rotmat @ rotmat.T, np.eye(3), atol=1e-9)
    np.testing.assert_allclose(rotations.rotmat_to_rotvec(rotmat), vector, atol=1e-6)


def test_rotation_vector_agrees_with_the_matrix_exponential() -> None:
    from scipy.linalg import expm

    vectors = np.random.default_rng(0).normal(size=(5, 4, 3))
    rotmats = rotations.rotvec_to_rotmat(vectors)
    assert rotmats.shape == (5, 4, 3, 3)
    for vector, rotmat in zip(vectors.reshape(-1, 3), rotmats.reshape(-1, 3, 3), strict=True):
        np.testing.assert_allclose(rotmat, expm(rotations.cross_matrix(vector)), atol=1e-10)


def test_six_numbers_give_a_rotation_and_survive_the_round_trip() -> None:
    rot6d = np.random.default_rng(1).normal(size=(7, 6))
    rotmat = rotations.rot6d_to_rotmat(rot6d)
    np.testing.assert_allclose(rotmat @ np.swapaxes(rotmat, -1, -2), np.broadcast_to(np.eye(3), (7, 3, 3)), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(rotmat), 1.0)
    np.testing.assert_allclose(rotations.rot6d_to_rotmat(rotations.rotmat_to_rot6d(rotmat)), rotmat, atol=1e-12)


def test_numpy_and_pytorch_agree_with_gradients() -> None:
    torch = pytest.importorskip("torch")
    vector = np.random.default_rng(2).normal(size=(3, 3))
    tensor = torch.tensor(vector, requires_grad=True)
    np.testing.assert_allclose(
        rotations.rotvec_to_rotmat(tensor).detach().numpy(), rotations.rotvec_to_rotmat(vector), atol=1e-12
    )
    assert torch.autograd.gradcheck(rotations.rotvec_to_rotmat, (tensor,))
    zero = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    rotations.rotvec_to_rotmat(zero).sum().backward()
    assert bool(torch.isfinite(zero.grad).all())
    rot6d = torch.randn(2, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(rotations.rot6d_to_rotmat, (rot6d,))

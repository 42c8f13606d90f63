from __future__ import annotations

import numpy as np
import pytest

from facefuse.geometry.cameras import ScaledOrthographicCamera
from facefuse.geometry.rotations import euler_to_rotmat, rotvec_to_rotmat
from facefuse.morphable.registry import load_model
from facefuse.regression.faces import RegressedFace
from facefuse.regression.sharpening import EXPRESSION, IDENTITY, TURN, LandmarkBasis, sharpened

MODEL = load_model("base")
BASIS = LandmarkBasis.of(MODEL)


def face(identity: float = 0.0, smile: float = 0.0, yaw: float = 30.0, scale: float = 1.5) -> RegressedFace:
    coefficients, expression = np.zeros(MODEL.identity_count), np.zeros(MODEL.expression_count)
    coefficients[:3] = identity
    expression[MODEL.expression_names.index("mouthSmileLeft")] = smile
    rotation = np.asarray(euler_to_rotmat(np.array(yaw), np.array(-5.0), np.array(3.0)))
    return RegressedFace(coefficients, expression, ScaledOrthographicCamera(scale, rotation, np.array([300.0, 200.0])))


def seen(one: RegressedFace) -> np.ndarray:
    return np.asarray(one.camera.project(one.landmarks(MODEL)))


def test_the_basis_is_the_models_landmarks() -> None:
    rng = np.random.default_rng(0)
    identity, expression = rng.normal(size=MODEL.identity_count), rng.uniform(0, 1, MODEL.expression_count)
    points = BASIS.mean + np.tensordot(np.concatenate([identity, expression]), BASIS.modes, 1)
    np.testing.assert_allclose(points, MODEL.landmarks(MODEL.vertices(identity, expression)), atol=1e-3)


def test_a_face_that_agrees_with_its_points_stays() -> None:
    one = face(0.8, 0.4)
    found = sharpened(BASIS, one, seen(one), np.ones(68))
    np.testing.assert_allclose(found.identity, one.identity, atol=1e-4)
    np.testing.assert_allclose(found.expression, one.expression, atol=1e-4)
    np.testing.assert_allclose(found.camera.rotation, one.camera.rotation, atol=1e-6)


@pytest.mark.parametrize(
    "true", [face(0.5), face(smile=0.5), face(yaw=34.0), face(scale=1.56), face(0.4, 0.3, 28.0, 1.47)]
)
def test_one_step_takes_out_most_of_the_error(true: RegressedFace) -> None:
    guess, target = face(), seen(true)
    before = np.linalg.norm(seen(guess) - target, axis=1).mean()
    after = np.linalg.norm(seen(sharpened(BASIS, guess, target, np.full(68, 0.5))) - target, axis=1).mean()
    assert after < 0.2 * before
    rotation = np.asarray(sharpened(BASIS, guess, target, np.full(68, 0.5)).camera.rotation)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)


def test_unsure_points_move_nothing_and_weights_stay_in_range() -> None:
    guess, target = face(), seen(face(2.0, 0.5))
    still = sharpened(BASIS, guess, target, np.full(68, 1e9))
    np.testing.assert_allclose(still.identity, guess.identity, atol=1e-6)
    found = sharpened(BASIS, guess, target + np.random.default_rng(1).normal(0, 20, (68, 2)), np.full(68, 0.1))
    assert found.expression.min() >= 0.0
    assert found.expression.max() <= 1.0


def test_the_step_is_the_least_squares_solution() -> None:
    # with derivatives by finite differences, and a solver that knows nothing of normal equations
    guess, rng = face(0.4, 0.3), np.random.default_rng(3)
    sigma = rng.uniform(0.5, 2.0, 68)
    target = seen(guess) + rng.normal(0, 1.0, (68, 2))
    unknowns = np.concatenate([guess.identity, guess.expression])
    known = len(guess.identity)

    def points(step: np.ndarray) -> np.ndarray:
        moved, turn, rest = unknowns + step[:-6], step[-6:-3], step[-3:]
        rotation = np.asarray(rotvec_to_rotmat(turn)) @ guess.camera.rotation
        camera = ScaledOrthographicCamera(
            guess.camera.scale * np.exp(rest[0]), rotation, guess.camera.translation + rest[1:]
        )
        return camera.project(BASIS.mean + np.tensordot(moved, BASIS.modes, 1))

    zero, count = np.zeros(len(unknowns) + 6), len(unknowns) + 6
    columns = [(points(zero + h) - points(zero - h)).ravel() / 2e-4 for h in 1e-4 * np.eye(count)]
    weight = np.repeat(1.0 / sigma, 2)
    deviations = np.concatenate(
        [np.full(known, IDENTITY), np.full(count - 6 - known, EXPRESSION), np.full(3, TURN), np.full(3, 1e2)]
    )
    system = np.concatenate([np.stack(columns, -1) * weight[:, None], np.diag(1.0 / deviations)])
    wanted = np.concatenate([(target - points(zero)).ravel() * weight, np.zeros(count)])
    step = np.linalg.lstsq(system, wanted, rcond=None)[0]
    found = sharpened(BASIS, guess, target, sigma)
    np.testing.assert_allclose(found.identity, (unknowns + step[:-6])[:known], atol=1e-4)
    np.testing.assert_allclose(found.expression, np.clip((unknowns + step[:-6])[known:], 0.0, 1.0), atol=1e-4)
    turned = np.asarray(rotvec_to_rotmat(step[-6:-3])) @ guess.camera.rotation
    np.testing.assert_allclose(found.camera.rotation, turned, atol=1e-6)
    assert found.camera.scale == pytest.approx(guess.camera.scale * np.exp(step[-3]), rel=1e-6)

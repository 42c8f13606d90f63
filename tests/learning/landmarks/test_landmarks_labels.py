from __future__ import annotations

import math

import numpy as np

from facefuse.learning.landmarks.labels import (
    FieldPrior,
    build_targets,
    correct,
    face_frame,
    manual_residual,
    systematic_offset,
)
from facefuse.learning.landmarks.points import IBUG_MIRROR, aflw_from_ibug


def template68() -> np.ndarray:
    """A symmetric frontal face, about one unit wide."""
    rng = np.random.default_rng(5)
    shape = rng.uniform(-0.5, 0.5, (68, 2))
    shape[36:48, 1], shape[48:68, 1] = -0.2, 0.3 + 0.02 * rng.random(20)
    return (shape + shape[IBUG_MIRROR] * [-1.0, 1.0]) / 2.0


def faces(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """True points (N, 68, 2) in pixels and yaw (N,): the template, squeezed by yaw, with some individual change."""
    yaw = rng.uniform(-40.0, 40.0, count)
    shape = np.tile(template68(), (count, 1, 1)) + rng.normal(0.0, 0.01, (count, 68, 2))
    shape[..., 0] *= np.cos(np.radians(yaw))[:, None]
    return shape * 80.0 + 60.0, yaw


def shift_each(points: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    return points + rng.normal(0.0, sigma, (len(points), 1, 2))


def mean_error(points: np.ndarray, truth: np.ndarray) -> float:
    return float(np.linalg.norm(points - truth, axis=-1).mean())


def test_face_frame_turns_with_the_face() -> None:
    points, _ = faces(5, np.random.default_rng(0))
    angle = 0.6
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    _, upright = face_frame(points)
    _, turned = face_frame(points @ turn.T)
    np.testing.assert_allclose(turned, turn @ upright, atol=1e-9)
    down = np.einsum("nji,nj->ni", upright, points[:, 48:].mean(1) - points[:, 36:48].mean(1))
    np.testing.assert_allclose(down[:, 0], 0.0, atol=1e-9)
    assert (down[:, 1] > 0).all()


def test_systematic_offset_is_the_scheme_difference_and_nothing_else() -> None:
    rng = np.random.default_rng(1)
    points, yaw = faces(1500, rng)
    manual = aflw_from_ibug(points) + rng.normal(0.0, 1.0, (1500, 21, 2))
    manual[:, 14, 1] += 4.0  # the manual nose tip lies lower
    residual = manual_residual(points, manual)
    offset = systematic_offset(residual, points, yaw)
    side, _ = face_frame(points)
    np.testing.assert_allclose((offset[:, 14, 1] * side).mean(), 4.0, atol=0.2)
    np.testing.assert_allclose(np.median(offset[:, 0, 1] * side), 0.0, atol=0.2)


def test_correction_moves_misplaced_predictions_towards_the_truth() -> None:
    rng = np.random.default_rng(2)
    truth, yaw = faces(1200, rng)
    predicted = shift_each(truth, 2.0, rng)
    manual = aflw_from_ibug(truth) + rng.normal(0.0, 1.0, (1200, 21, 2))
    manual[rng.random((1200, 21)) < 0.3] = np.nan
    result = correct(predicted, manual, yaw, template68(), FieldPrior())
    assert mean_error(predicted + result.field, truth) < 0.4 * mean_error(predicted, truth)
    assert np.nanmean(result.leftover) < np.nanmean(result.before)


def test_one_wild_click_is_not_followed() -> None:
    rng = np.random.default_rng(3)
    truth, yaw = faces(600, rng)
    manual = aflw_from_ibug(truth) + rng.normal(0.0, 0.5, (600, 21, 2))
    manual[0, 20] += 40.0
    result = correct(truth, manual, yaw, template68(), FieldPrior())
    assert np.linalg.norm(result.field[0], axis=-1).max() < 2.5


def test_targets_prefer_the_prediction_that_agrees_with_the_manual_points() -> None:
    rng = np.random.default_rng(4)
    truth, yaw = faces(800, rng)
    mesh = truth[:, :10] + 1.0
    mesh[-5:] = np.nan
    good, bad = shift_each(truth, 0.3, rng), shift_each(truth, 4.0, rng)
    bad[-5:] = np.nan
    manual = aflw_from_ibug(truth) + rng.normal(0.0, 1.0, (800, 21, 2))
    targets = build_targets(good, np.ones((800, 68)), bad, mesh, manual, yaw)
    assert mean_error(targets.points68, truth) < 0.35 * mean_error(bad[:-5], truth[:-5])
    assert (targets.mesh_weight[-5:] == 0).all()
    assert (targets.mesh_weight[:-5] > 0).all()
    assert not np.isnan(targets.points68).any()

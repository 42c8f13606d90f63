from __future__ import annotations

import numpy as np
import pytest

from facefuse.geometry import Similarity, rotvec_to_rotmat, similarity_from_points

RNG = np.random.default_rng(0)
TRUTH = Similarity(1.7, rotvec_to_rotmat(np.array([0.3, -2.0, 0.4])), np.array([5.0, -3.0, 2.0]))


def test_a_known_similarity_is_recovered() -> None:
    points = RNG.normal(size=(20, 3))
    found = similarity_from_points(points, TRUTH.apply(points))
    assert found.scale == pytest.approx(TRUTH.scale)
    np.testing.assert_allclose(found.rotation, TRUTH.rotation, atol=1e-12)
    np.testing.assert_allclose(found.translation, TRUTH.translation, atol=1e-12)


def test_a_reflection_is_never_returned() -> None:
    points = RNG.normal(size=(20, 3))
    found = similarity_from_points(points, points * np.array([-1.0, 1.0, 1.0]))
    assert np.linalg.det(found.rotation) == pytest.approx(1.0)


def test_points_of_weight_zero_do_not_count() -> None:
    points = RNG.normal(size=(20, 3))
    target = TRUTH.apply(points)
    target[:3] += 100
    weights = np.ones(20)
    weights[:3] = 0
    np.testing.assert_allclose(similarity_from_points(points, target, weights).rotation, TRUTH.rotation, atol=1e-10)


def test_no_other_similarity_has_a_smaller_error() -> None:
    points = RNG.normal(size=(15, 2))
    target = RNG.normal(size=(15, 2))
    best = similarity_from_points(points, target)
    error = ((best.apply(points) - target) ** 2).sum()
    for _ in range(50):
        angle, scale = RNG.normal(scale=0.1), np.exp(RNG.normal(scale=0.1))
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        other = Similarity(best.scale * scale, best.rotation @ turn, best.translation + RNG.normal(scale=0.1, size=2))
        assert ((other.apply(points) - target) ** 2).sum() >= error


def test_inverse_and_composition() -> None:
    points = RNG.normal(size=(5, 3))
    np.testing.assert_allclose(TRUTH.inverse().apply(TRUTH.apply(points)), points, atol=1e-12)
    np.testing.assert_allclose(TRUTH.compose(TRUTH).apply(points), TRUTH.apply(TRUTH.apply(points)), atol=1e-12)


@pytest.mark.parametrize("shapes", [((5, 3), (4, 3)), ((2, 3), (2, 3)), ((6,), (6,))])
def test_wrong_shapes_are_refused(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    with pytest.raises(ValueError, match="expected two"):
        similarity_from_points(np.zeros(shapes[0]), np.zeros(shapes[1]))

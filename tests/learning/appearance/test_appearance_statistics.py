"""Statistics of albedo: known truth recovered from hidden and spoiled samples."""

from __future__ import annotations

import numpy as np
import pytest

from facefuse.learning.appearance.build import iris_statistics, symmetrised
from facefuse.learning.appearance.statistics import balanced_weights, explain, learn, reconstruct


def test_balanced_weights_make_groups_equal() -> None:
    rng = np.random.default_rng(0)
    groups = rng.choice(["a", "b", "c"], 300, p=[0.7, 0.2, 0.1])
    ages = rng.choice(["young", "old", ""], 300, p=[0.6, 0.3, 0.1])
    weights = balanced_weights([list(groups), list(ages)])
    assert weights.sum() == pytest.approx(1)
    for name in "abc":
        assert weights[groups == name].sum() == pytest.approx(1 / 3, abs=0.02)
    known = weights[ages != ""].sum()
    assert weights[ages == "old"].sum() == pytest.approx(known / 2, abs=0.02)


def test_no_one_counts_more_than_the_limit() -> None:
    weights = balanced_weights([["a"] * 99 + ["b"]], limit=5.0)
    assert weights.max() / weights.min() == pytest.approx(5)


def mirrored_world(people: int = 60, half: int = 60) -> tuple[np.ndarray, ...]:
    """People from two symmetric modes and one antisymmetric, on vertices paired with their neighbour."""
    rng = np.random.default_rng(4)
    mirror = np.arange(2 * half).reshape(-1, 2)[:, ::-1].ravel()
    even = np.repeat(rng.normal(size=(2, half, 3)), 2, axis=1) * np.array([0.08, 0.03])[:, None, None]
    odd = np.repeat(rng.normal(size=(half, 3)), 2, axis=0) * np.tile([1, -1], half)[:, None] * 0.015
    modes = np.concatenate([even, odd[None]])
    mean = np.repeat(rng.uniform(0.3, 0.6, (half, 3)), 2, axis=0)
    scores = rng.standard_normal((people, 3))
    return mean, modes, scores, mean + np.tensordot(scores, modes, axes=1), mirror


def test_hidden_and_spoiled_parts_do_not_enter() -> None:
    _, modes, _, truth, mirror = mirrored_world()
    rng = np.random.default_rng(5)
    seen = (rng.uniform(size=truth.shape[:2]) > 0.2).astype(float)
    colours = truth.copy()
    colours[seen == 0] = 0.45
    spoiled = rng.uniform(size=seen.shape) < 0.04
    colours[spoiled & (seen > 0)] = 1.5  # highlights
    people, metric = np.full(len(truth), 1 / len(truth)), np.ones(truth.shape[1])
    found = learn(colours, seen, people, metric, mirror, 3)
    errors = [reconstruct(found, explain(found, c, np.ones(len(metric)))) - c for c in truth]
    assert np.sqrt(np.mean(np.square(errors))) < 0.02
    sample, naive = ((some + some[:, mirror]).mean(0) / 2 for some in (truth, colours))
    assert np.abs(found.mean - sample).mean() < 0.2 * np.abs(naive - sample).mean()
    flat, wanted = found.modes.reshape(3, -1), modes.reshape(3, -1)
    cosine = flat @ wanted.T / np.linalg.norm(flat, axis=1)[:, None] / np.linalg.norm(wanted, axis=1)
    assert np.abs(np.diag(cosine)).min() > 0.9
    swapped = found.modes[:, mirror]
    for mode, other, sign in zip(found.modes, swapped, (1, 1, -1), strict=True):
        np.testing.assert_allclose(other, sign * mode, atol=1e-6)


def test_coefficients_are_normalised_and_shrink_without_evidence() -> None:
    _, _, _, truth, mirror = mirrored_world()
    people, metric = np.full(len(truth), 1 / len(truth)), np.ones(truth.shape[1])
    found = learn(truth, np.ones(truth.shape[:2]), people, metric, mirror, 3)
    scores = np.stack([explain(found, c, metric) for c in truth])
    np.testing.assert_allclose((scores**2).mean(0), 1, atol=0.15)
    few = np.zeros(len(metric))
    few[:3] = 1.0
    assert np.linalg.norm(explain(found, truth[0], few)) <= np.linalg.norm(scores[0]) * 1.5


def test_iris_follows_the_skin_as_far_as_it_does() -> None:
    rng = np.random.default_rng(8)
    scores = rng.standard_normal((4000, 2))
    own = rng.standard_normal(4000)
    axis = np.array([0.02, 0.03, 0.04])
    irises = 0.15 + scores[:, :1] * [0.02, 0.01, 0.0] + own[:, None] * axis
    irises[0] = np.nan
    mean, predicted, modes = iris_statistics(irises, scores, np.full(4000, 1 / 4000))
    np.testing.assert_allclose(mean, 0.15, atol=0.005)
    # the ridge holds the prediction back, never beyond the truth
    assert 0.5 * 0.02 < predicted[0, 0] < 0.021
    assert np.abs(predicted[1]).max() < 0.003
    assert modes[0] @ axis / np.linalg.norm(modes[0]) / np.linalg.norm(axis) > 0.97
    assert np.linalg.norm(modes[0]) == pytest.approx(np.linalg.norm(axis), rel=0.06)


def test_symmetrised_keeps_the_nearer_parity() -> None:
    mirror = np.array([1, 0, 2])
    modes = np.zeros((2, 3, 3))
    modes[0] = [[1.0] * 3, [1.01] * 3, [2.0] * 3]
    modes[1] = [[1.0] * 3, [-1.01] * 3, [0.01] * 3]
    out = symmetrised(modes, mirror)
    np.testing.assert_allclose(out[0, 0], out[0, 1])
    np.testing.assert_allclose(out[1, 0], -out[1, 1])
    np.testing.assert_allclose(out[1, 2], 0)

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from facefuse.fitting.evidence import Evidence, agreeing_groups


def linear_gaussian(rng, x, count=8, sigma=0.5):
    design = rng.normal(size=(count, len(x)))
    seen = design @ x + sigma * rng.normal(size=count)
    return design, seen, design.T @ design / sigma**2, design.T @ seen / sigma**2


def test_odds_are_the_ratio_of_marginal_likelihoods():
    rng = np.random.default_rng(7)
    x, sigma = rng.normal(size=3), 0.5
    one, other = linear_gaussian(rng, x), linear_gaussian(rng, x)
    evidence = Evidence(np.stack([one[2], other[2]]), np.stack([one[3], other[3]]), np.eye(3))

    def log_marginal(design, seen):
        covariance = design @ design.T + sigma**2 * np.eye(len(seen))
        return multivariate_normal(np.zeros(len(seen)), covariance).logpdf(seen)

    both = log_marginal(np.concatenate([one[0], other[0]]), np.concatenate([one[1], other[1]]))
    want = both - log_marginal(one[0], one[1]) - log_marginal(other[0], other[1])
    assert evidence.log_odds()[0, 1] == pytest.approx(want)
    assert evidence.log_odds()[0, 0] == 0


def test_groups_are_those_who_agree():
    rng = np.random.default_rng(8)
    people = [np.full(3, 3.0), np.full(3, -3.0)]
    shown = [0, 1, 0, 0, 1]
    seen = [linear_gaussian(rng, people[i]) for i in shown]
    evidence = Evidence(np.stack([one[2] for one in seen]), np.stack([one[3] for one in seen]), np.eye(3))
    assert agreeing_groups(evidence) == [[0, 2, 3], [1, 4]]


def test_nothing_seen_is_no_reason_to_part():
    evidence = Evidence(np.zeros((3, 2, 2)), np.zeros((3, 2)), np.eye(2))
    assert agreeing_groups(evidence) == [[0, 1, 2]]

import numpy as np
import pytest

from facefuse.evaluation.bootstrap import mean_estimate, paired_difference

RNG = np.random.default_rng(0)


def test_interval_of_a_mean_is_that_of_the_normal_distribution():
    values = RNG.normal(loc=2, scale=0.5, size=400)
    found = mean_estimate(values)
    half = 1.96 * values.std() / 20
    assert found.value == pytest.approx(values.mean())
    assert found.interval == pytest.approx((values.mean() - half, values.mean() + half), abs=0.006)


def test_one_person_has_no_interval():
    assert mean_estimate(np.array([1.5])).interval is None
    assert paired_difference(np.array([1.0]), np.array([2.0])).relative.interval is None


def test_pairing_sees_a_small_difference_between_very_different_people():
    people = RNG.uniform(1, 5, size=60)
    found = paired_difference(people - 0.05 + RNG.normal(scale=0.02, size=60), people)
    assert found.absolute.value == pytest.approx(-0.05, abs=0.01)
    assert found.absolute.interval[1] < 0
    assert found.relative.value == pytest.approx(100 * found.absolute.value / people.mean())
    assert found.relative.interval[0] < found.relative.value < found.relative.interval[1] < 0
    assert found.people == 60
    shuffled = paired_difference(RNG.permutation(people), people)
    assert shuffled.absolute.interval[0] < -0.3 < 0.3 < shuffled.absolute.interval[1]


def test_other_lengths_are_refused():
    with pytest.raises(ValueError, match="one length"):
        paired_difference(np.ones(3), np.ones(4))
    with pytest.raises(ValueError, match="one length"):
        paired_difference(np.ones(0), np.ones(0))

from __future__ import annotations

import numpy as np
import pytest

from facefuse.learning.landmarks.points import (
    AFLW_FROM_IBUG,
    AFLW_MIRROR,
    IBUG_MIRROR,
    aflw_from_ibug,
    mirror_partners,
)


def test_mirroring_twice_changes_nothing() -> None:
    np.testing.assert_array_equal(IBUG_MIRROR[IBUG_MIRROR], np.arange(68))
    np.testing.assert_array_equal(AFLW_MIRROR[AFLW_MIRROR], np.arange(21))


def test_only_the_midline_is_its_own_partner() -> None:
    assert set(np.flatnonzero(np.arange(68) == IBUG_MIRROR)) == {8, 27, 28, 29, 30, 33, 51, 57, 62, 66}


def test_aflw_points_mirror_like_the_ibug_points_they_are_made_of() -> None:
    for point, members in enumerate(AFLW_FROM_IBUG):
        assert {int(IBUG_MIRROR[m]) for m in members} == set(AFLW_FROM_IBUG[AFLW_MIRROR[point]])


def test_aflw_points_are_means() -> None:
    points = np.random.default_rng(0).normal(size=(3, 68, 2))
    found = aflw_from_ibug(points)
    assert found.shape == (3, 21, 2)
    np.testing.assert_allclose(found[:, 7], points[:, 36:42].mean(axis=1))
    np.testing.assert_allclose(found[:, 20], points[:, 8])


def test_partners_are_found_in_a_symmetric_shape_and_refused_in_another() -> None:
    half = np.array([[1.0, 0.0], [2.0, 1.0], [0.5, 3.0]])
    shape = np.concatenate([half, [[0.0, 2.0]], half * [-1.0, 1.0]]) + np.array([7.0, 0.0])
    np.testing.assert_array_equal(mirror_partners(shape), [4, 5, 6, 3, 0, 1, 2])
    with pytest.raises(ValueError, match="do not pair up"):
        mirror_partners(np.array([[0.0, 0.0], [1.0, 0.0], [1.1, 0.0], [5.0, 0.0]]))

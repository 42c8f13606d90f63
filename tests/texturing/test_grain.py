from __future__ import annotations

import numpy as np

from facefuse.texturing import kernels
from facefuse.texturing.grain import grain_of


def test_noise_is_centred_bounded_and_smooth() -> None:
    points = np.random.default_rng(0).uniform(-50, 50, (5000, 3)).astype(np.float32)
    noise, near = np.zeros(5000, np.float32), np.zeros(5000, np.float32)
    kernels.value_noise(points, noise)
    kernels.value_noise(points + np.float32(0.01), near)
    assert np.abs(noise).max() <= 1
    assert abs(noise.mean()) < 0.03
    assert noise.std() > 0.15
    assert np.abs(noise - near).max() < 0.1


def test_strands_run_away_from_the_crown() -> None:
    crown = np.array([[0.0, 0, 0], [0, 90.0, 0]])
    angle = np.linspace(0.6, 1.4, 4000)
    meridian = 90 * np.stack((np.sin(angle) * 0.6, np.cos(angle), np.sin(angle) * 0.8), axis=1)
    turn = np.linspace(0, 0.8, 4000)
    parallel = 90 * np.stack(
        (np.sin(1.0) * np.sin(turn), np.full(4000, np.cos(1.0)), np.sin(1.0) * np.cos(turn)), axis=1
    )
    along, across = (np.abs(np.diff(grain_of(points, crown)[:, 1])).mean() for points in (meridian, parallel))
    assert across > 2.5 * along


def test_grain_depends_on_the_place_only() -> None:
    points = np.random.default_rng(1).normal(0, 60, (500, 3))
    crown = np.array([[0.0, 0, 0], [0, 80.0, -40]])
    order = np.random.default_rng(2).permutation(500)
    np.testing.assert_array_equal(grain_of(points, crown)[order], grain_of(points[order], crown))

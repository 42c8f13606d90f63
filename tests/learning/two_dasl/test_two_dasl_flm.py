from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from facefuse.learning.two_dasl.flm import FLM_POINTS, FLM_WEIGHTS, flm_points, hard_map, soft_map  # noqa: E402


def spread_points() -> torch.Tensor:
    return torch.stack([torch.tensor([10.0 + 5.0 * k, 20.0 + 4.0 * k]) for k in range(18)])[None]


def test_the_18_points_are_brows_eyes_nose_and_mouth() -> None:
    points = torch.arange(68.0)[:, None].repeat(1, 2)
    found = flm_points(points)[:, 0].tolist()
    assert found == [17, 19, 21, 22, 24, 26, 36, 38.5, 39, 42, 44.5, 45, 31, 30, 35, 48, 64, 54]
    assert len(FLM_POINTS) == len(FLM_WEIGHTS) == 18


def test_the_published_weights_sit_on_eye_centres_nose_tip_and_mouth() -> None:
    heavy = {FLM_POINTS[k]: w for k, w in enumerate(FLM_WEIGHTS) if w > 1.0}
    assert heavy == {(37, 40): 2.0, (43, 46): 2.0, (30,): 4.0, (48,): 2.0, (62, 66): 4.0, (54,): 2.0}


def test_a_hard_map_marks_whole_pixels() -> None:
    maps = hard_map(spread_points(), 120)
    assert maps.shape == (1, 120, 120)
    assert maps.sum() == 18
    assert maps[0, 20, 10] == 1.0
    assert maps[0, 24, 15] == 1.0
    assert set(maps.unique().tolist()) == {0.0, 1.0}


def test_a_hard_map_clamps_on_both_sides() -> None:
    maps = hard_map(torch.tensor([[[-7.0, 200.0], [130.0, -3.0]]]), 120)
    assert maps[0, 119, 0] == 1.0
    assert maps[0, 0, 119] == 1.0
    assert maps.sum() == 2


def test_a_soft_map_peaks_at_the_points_at_any_size() -> None:
    for size in (60, 96, 120):
        maps = soft_map(spread_points(), size, 1.5)
        place = ((spread_points() + 0.5) * size / 120.0 - 0.5)[0]
        for x, y in place.tolist():
            patch = maps[0, round(y), round(x)]
            assert patch > 0.75
        assert maps.max() <= 1.0
        assert maps[0, 0, 0] < 1e-3


def test_a_soft_map_pulls_its_points_and_a_hard_one_does_not() -> None:
    points = torch.tensor([[[40.3, 50.6]]], requires_grad=True)
    target = soft_map(torch.tensor([[[42.0, 50.6]]]), 96, 2.0)
    loss = (soft_map(points, 96, 2.0) - target).square().sum()
    loss.backward()
    assert points.grad[0, 0, 0] < 0.0  # to the right
    assert abs(float(points.grad[0, 0, 1])) < 0.2 * abs(float(points.grad[0, 0, 0]))
    assert not hard_map(points, 96).requires_grad


def test_soft_gradients_agree_with_finite_differences() -> None:
    points = torch.tensor([[[20.2, 31.7], [30.0, 12.1]]], dtype=torch.float64, requires_grad=True)
    weight = torch.rand(1, 40, 40, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda p: (soft_map(p, 40, 3.0) * weight).sum(), (points,))

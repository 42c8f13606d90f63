from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from facefuse.learning.two_dasl import losses  # noqa: E402
from facefuse.learning.two_dasl.flm import FLM_WEIGHTS  # noqa: E402

SIDE = 120.0 / math.sqrt(2.0)


def test_wpdc_is_the_3ddfa_form() -> None:
    values, truth = torch.tensor([[1.0, 2.0, 0.5]]), torch.tensor([[0.0, 2.5, 0.5]])
    impact = torch.tensor([[2.0, 8.0, 1.0]])
    # weights |Δ|·impact = 2, 4, 0, over the largest: 0.5, 1, 0
    expected = (0.5 * 1.0 + 1.0 * 0.25 + 0.0) / 3.0
    assert float(losses.wpdc(values, truth, impact)) == pytest.approx(expected, rel=1e-4)


def test_wpdc_ignores_values_without_impact_and_its_weights_carry_no_gradient() -> None:
    values = torch.tensor([[1.0, 5.0]], requires_grad=True)
    losses.wpdc(values, torch.zeros(1, 2), torch.tensor([[1.0, 0.0]])).sum().backward()
    assert values.grad[0].tolist() == pytest.approx([1.0, 0.0])  # d/dv of v²/2 with a constant weight of 1


def test_vdc_is_a_mean_square_in_sides() -> None:
    truth = torch.zeros(1, 4, 3)
    points = truth.clone()
    points[0, 0] = torch.tensor([3.0, 4.0, 12.0])
    assert float(losses.vdc(points, truth)) == pytest.approx(169.0 / 4.0 / SIDE**2)


def test_self_consistency_in_2d_weighs_points_as_published() -> None:
    seen = torch.zeros(1, 18, 2)
    totals = []
    for k in range(18):
        moved = seen.clone()
        moved[0, k, 0] = SIDE
        totals.append(float(losses.consistency_2d(seen, moved)))
    assert totals == pytest.approx([w / sum(FLM_WEIGHTS) for w in FLM_WEIGHTS])
    assert float(losses.cycle(seen, seen)) == 0.0


def test_self_consistency_in_3d_is_zero_for_equal_shapes_only() -> None:
    first = torch.rand(2, 68, 3)
    assert losses.consistency_3d(first, first).tolist() == [0.0, 0.0]
    moved = first.clone()
    moved[1] += torch.tensor([100.0, 0.0, 0.0])
    assert losses.consistency_3d(first, moved).tolist() == pytest.approx([0.0, 1.0])


def test_landmark_distance_counts_weighted_points() -> None:
    points, target = torch.zeros(1, 4, 2), torch.zeros(1, 4, 2)
    points[0, 0] = torch.tensor([3.0, 4.0])
    points[0, 1] = 1000.0
    weight = torch.tensor([[1.0, 0.0, 1.0, 1.0]])
    expected = (math.sqrt(25.0 + 0.0625) - 0.25) / 4.0 / SIDE
    assert float(losses.landmark_distance(points, target, weight)) == pytest.approx(expected, rel=1e-4)


def test_sigma_is_learnt_without_moving_points() -> None:
    points = torch.ones(1, 3, 2, requires_grad=True)
    log_sigma = torch.zeros(1, 3, requires_grad=True)
    losses.sigma_likelihood(log_sigma, points, torch.zeros(1, 3, 2), torch.ones(1, 3)).sum().backward()
    assert points.grad is None
    # the best sigma of a distance d has b = d / 2
    best = torch.tensor(math.log(math.sqrt(2.0) / 2.0 * math.sqrt(3.0)))
    at = [
        float(losses.sigma_likelihood(best + s, points, torch.zeros(1, 3, 2), torch.ones(1, 3))) for s in (-0.1, 0, 0.1)
    ]
    assert at[1] == min(at)


def test_gaps_see_openings_not_shifts() -> None:
    openings = losses.lids_and_lips([4, 13, 14, 159])  # both lips in the middle; one lid of an eye alone
    assert (69, 70) in zip(*openings, strict=True)
    assert max(openings[0]) == 69
    target = torch.rand(1, 72, 2) * 50.0
    weight = torch.ones(1, 72)
    assert float(losses.gap_distance(target + 7.0, target, weight, openings)) == pytest.approx(0.0, abs=1e-4)
    for lower in (66, 70):  # lower inner lip, of the landmarks and of the mesh
        opened = target.clone()
        opened[0, lower, 1] += 10.0
        assert float(losses.gap_distance(opened, target, weight, openings)) > 0.01


def test_priors_grow_with_the_coefficients() -> None:
    small, large = torch.full((1, 5), 0.1), torch.full((1, 5), 0.9)
    for prior in (losses.identity_prior, losses.expression_prior):
        assert float(prior(small)) < float(prior(large))
    assert float(losses.blendshape_distance(small, small, torch.full((5,), 0.5))) == 0.0
    assert float(losses.blendshape_distance(small, large, torch.full((5,), 0.5))) == pytest.approx(0.64 * 4.0)


def test_the_critic_wants_real_high_and_the_regressor_wants_fake_high() -> None:
    real, fake = torch.tensor([0.3, -0.2], requires_grad=True), torch.tensor([0.1, 0.4], requires_grad=True)
    losses.critic_objective(real, fake).backward()
    assert (real.grad < 0).all()
    assert (fake.grad > 0).all()
    fake.grad = None
    losses.critic_cost(fake).sum().backward()
    assert (fake.grad < 0).all()
    # no vanishing gradient where the critic is sure that it is fake
    sure = torch.tensor([-20.0], requires_grad=True)
    losses.critic_cost(sure).sum().backward()
    assert float(sure.grad) == pytest.approx(-1.0, abs=1e-3)

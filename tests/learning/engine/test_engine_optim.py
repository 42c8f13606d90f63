from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from facefuse.learning.engine.average import averaged_copy, update_average  # noqa: E402
from facefuse.learning.engine.config import OptimConfig  # noqa: E402
from facefuse.learning.engine.optim import make_optimizer, rate_at, set_rate  # noqa: E402

CONFIG = OptimConfig(learning_rate=2.0, warm_up=10, final_rate=0.05)


@pytest.mark.parametrize("schedule", ["cosine", "exponential"])
def test_the_rate_rises_then_falls_to_its_end(schedule: str) -> None:
    config = replace(CONFIG, schedule=schedule)
    rates = np.array([rate_at(config, step, 101) for step in range(102)])
    assert (np.diff(rates[:10]) > 0).all()
    assert rates[9] == pytest.approx(2.0)
    assert (np.diff(rates[10:]) < 0).all()
    assert rates[101] == pytest.approx(2.0 * 0.05)


def test_exponential_rates_fall_by_the_same_factor() -> None:
    rates = np.array([rate_at(replace(CONFIG, schedule="exponential", warm_up=0), step, 50) for step in range(50)])
    np.testing.assert_allclose(rates[1:] / rates[:-1], 0.05 ** (1 / 50))


def test_a_constant_rate_stays() -> None:
    assert {rate_at(replace(CONFIG, schedule="constant"), step, 100) for step in range(10, 100)} == {2.0}


@pytest.mark.parametrize("kind", ["adamw", "adam", "sgd"])
def test_only_matrices_are_decayed_and_the_rate_applies_to_all(kind: str) -> None:
    layer = torch.nn.Linear(3, 2)
    layer.bias.data.fill_(1.0)
    layer.weight.data.fill_(1.0)
    optimizer = make_optimizer(layer, OptimConfig(kind=kind, learning_rate=1.0, weight_decay=0.5))
    set_rate(optimizer, 0.1)
    for parameter in layer.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    assert torch.equal(layer.bias, torch.ones(2))
    assert (layer.weight < 1.0).all()
    assert {group["lr"] for group in optimizer.param_groups} == {0.1}


def test_frozen_weights_are_left_out() -> None:
    layer = torch.nn.Linear(3, 2)
    layer.weight.requires_grad_(False)
    optimizer = make_optimizer(layer, OptimConfig())
    assert sum(len(group["params"]) for group in optimizer.param_groups) == 1


def test_the_average_follows_slowly_and_wants_no_gradients() -> None:
    network = torch.nn.BatchNorm1d(1)
    average = averaged_copy(network)
    network.weight.data.fill_(2.0)
    update_average(average, network, 0.9, step=10_000)
    assert float(average.weight) == pytest.approx(1.1)
    network.num_batches_tracked.fill_(7)
    update_average(average, network, 0.9, step=10_000)
    assert int(average.num_batches_tracked) == 7
    assert not any(p.requires_grad for p in average.parameters())
    assert not average.training


def test_the_average_forgets_the_first_weights_quickly() -> None:
    network = torch.nn.Linear(1, 1)
    average = averaged_copy(network)
    network.weight.data.fill_(100.0)
    update_average(average, network, 0.999, step=0)
    assert float(average.weight) > 80.0

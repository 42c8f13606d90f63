from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from landmarks_sample import TINY, made_up_backgrounds, made_up_faces  # noqa: E402

from facefuse.learning.landmarks import engine  # noqa: E402
from facefuse.learning.landmarks.batches import make_batch  # noqa: E402
from facefuse.learning.landmarks.data import split  # noqa: E402
from facefuse.learning.landmarks.losses import point_loss, sigma_loss  # noqa: E402
from facefuse.learning.landmarks.network import LandmarkNet  # noqa: E402


def test_an_interrupted_run_ends_exactly_like_an_uninterrupted_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces, held_out, backgrounds = made_up_faces(), made_up_faces(2, 7), made_up_backgrounds()
    whole = engine.train(faces, held_out, backgrounds, TINY, tmp_path / "whole")

    saved = engine.save_state

    def save_and_stop(state: engine.TrainState, path: Path) -> None:
        saved(state, path)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(engine, "save_state", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            engine.train(faces, held_out, backgrounds, TINY, tmp_path / "halves")
    halves = engine.train(faces, held_out, backgrounds, TINY, tmp_path / "halves")

    assert halves.step == whole.step == 4
    for a, b in ((whole.network, halves.network), (whole.average, halves.average)):
        for name, value in a.state_dict().items():
            assert torch.equal(value, b.state_dict()[name]), name
    steps = [json.loads(line)["step"] for line in (tmp_path / "halves" / "log.jsonl").read_text().splitlines()]
    assert steps == [1, 3, 4]


def test_training_learns() -> None:
    faces, backgrounds = made_up_faces(2), made_up_backgrounds()
    config = dataclasses.replace(TINY, learning_rate=5e-3)
    state = engine.new_state(config, 72)
    chances = np.full(2, 0.5)
    batch = make_batch(faces, backgrounds, chances, config, 0)
    losses = []
    for _ in range(30):
        loss, _ = engine.batch_loss(state.network, batch, config)
        state.optimizer.zero_grad()
        loss.backward()
        state.optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.6 * losses[0]


def test_learning_rate_rises_then_falls() -> None:
    config = dataclasses.replace(TINY, stages=((48, 100),), warm_up=10)
    rates = [engine.rate_at(config, s) for s in range(100)]
    assert np.argmax(rates) in (9, 10)
    assert max(rates) == pytest.approx(config.learning_rate)
    assert (np.diff(rates[:10]) > 0).all()
    assert (np.diff(rates[11:]) < 0).all()


def test_split_keeps_groups_together() -> None:
    kept, out = split(made_up_faces(12), 4, seed=3)
    assert len(out) == 4
    assert len(kept) == 8
    assert not set(kept.group) & set(out.group)


def test_crop_size_follows_the_stages() -> None:
    assert [TINY.size_at(s) for s in (0, 2, 3, 99)] == [48, 48, 64, 64]
    assert TINY.steps == 4


def test_point_loss_counts_only_weighted_points() -> None:
    target = torch.zeros(2, 3, 2)
    points = target.clone()
    points[0, 0] = torch.tensor([3.0, 4.0])
    points[1, 2] = 1e3
    weight = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    side = 120.0 / math.sqrt(2.0)
    distance = math.sqrt(25.0 + 0.0625) - 0.25
    assert float(point_loss(points, target, weight)) == pytest.approx(distance / 2.0 / side, rel=1e-4)


def test_sigma_loss_is_least_at_the_true_spread() -> None:
    rng = np.random.default_rng(0)
    # Round Laplace distribution with b = 2: distances follow a Gamma(2, b) law, the coordinate variance is 3 b^2.
    distance, angle = rng.gamma(2.0, 2.0, 20000), rng.uniform(0, 2 * np.pi, 20000)
    points = torch.tensor(np.stack([distance * np.cos(angle), distance * np.sin(angle)], -1)[:, None])
    target, weight = torch.zeros_like(points), torch.ones(20000, 1)
    guesses = np.linspace(0.5, 2.0, 61)
    losses = [float(sigma_loss(torch.full((20000, 1), g), points, target, weight)) for g in guesses]
    spread = float(points.std())
    assert math.exp(guesses[int(np.argmin(losses))]) == pytest.approx(spread, rel=0.04)


def test_sigma_loss_does_not_move_the_points() -> None:
    points = torch.ones(1, 2, 2, requires_grad=True)
    log_sigma = torch.zeros(1, 2, requires_grad=True)
    sigma_loss(log_sigma, points, torch.zeros(1, 2, 2), torch.ones(1, 2)).backward()
    assert points.grad is None
    assert log_sigma.grad is not None


def test_network_coordinates_do_not_depend_on_the_input_size() -> None:
    # Votes for a fixed place: cell weights all on the first cell, offsets zero -> the centre of the first pixel.
    network = LandmarkNet(TINY.network, 5).eval()
    with torch.no_grad():
        network.votes.weight.zero_()
        network.votes.bias.zero_()
        for size in (48, 80, 120):
            points, _, _ = network(torch.zeros(1, size, size, 3, dtype=torch.uint8))
            cells = -(-size // 16)
            mean_cell = 16.0 * (cells - 1) / 2.0
            expected = (mean_cell + 0.5) * 120.0 / size - 0.5
            assert torch.allclose(points, torch.tensor(expected), atol=1e-4)

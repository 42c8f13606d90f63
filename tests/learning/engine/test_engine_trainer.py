from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from engine_sample import TINY, TinyTask  # noqa: E402

from facefuse.errors import AssetError  # noqa: E402
from facefuse.learning.engine.checkpoint import averaged_weights  # noqa: E402
from facefuse.learning.engine.distributed import World  # noqa: E402
from facefuse.learning.engine.trainer import train  # noqa: E402


def log_of(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def same(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def test_two_and_two_steps_equal_four_bit_for_bit(tmp_path: Path) -> None:
    whole_task = TinyTask(TINY)
    whole = train(whole_task, TINY, tmp_path / "whole", World())

    def interrupt(step: int) -> None:
        if step == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    first = train(TinyTask(TINY, on_step=interrupt), TINY, tmp_path / "halves", World())
    assert (first.step, first.finished) == (2, False)
    torch.manual_seed(99)  # dropout must go on from the checkpoint's random state, not from this one
    halves_task = TinyTask(TINY)
    halves = train(halves_task, TINY, tmp_path / "halves", World())
    assert (halves.step, halves.finished) == (4, True)
    assert same(whole.average, halves.average)
    assert same(whole_task.net, halves_task.net)
    assert same(whole_task.other, halves_task.other)
    figures = [
        [{k: v for k, v in row.items() if k != "steps_per_second"} for row in log_of(tmp_path / d)]
        for d in ("whole", "halves")
    ]
    assert figures[0] == figures[1]
    assert [row["step"] for row in figures[0]] == [1, 2, 3, 4]


def test_a_signal_keeps_its_meaning_after_training(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    train(TinyTask(TINY), TINY, tmp_path, World())
    assert signal.getsignal(signal.SIGTERM) == before


def test_training_learns_and_reports(tmp_path: Path) -> None:
    config = replace(TINY, steps=160, log_every=40, validate_every=80, images_every=80, save_every=60)
    outcome = train(TinyTask(config, dropout=0.0), config, tmp_path, World())
    rows = log_of(tmp_path)
    assert [row["step"] for row in rows] == [40, 80, 120, 160]
    assert rows[-1]["plain"] < 0.6 * rows[0]["plain"]
    assert ["val" in row for row in rows] == [False, True, False, True]
    assert rows[-1]["rate_net"] < rows[0]["rate_net"]
    assert list((tmp_path / "tensorboard").iterdir())
    assert same_weights(averaged_weights(tmp_path / "checkpoint.pt"), outcome.average.state_dict())
    assert not outcome.average.training


def same_weights(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    train(TinyTask(TINY), TINY, tmp_path, World())
    again = TinyTask(TINY)
    outcome = train(again, TINY, tmp_path, World())
    assert outcome.finished
    assert len(log_of(tmp_path)) == 4


def test_a_players_gradient_comes_from_its_own_objective_only(tmp_path: Path) -> None:
    # The second player's weights enter the first one's objective (which would pull them to zero) and must not move
    # for it: with no learning rate of its own it stays as it was.
    task = TinyTask(TINY)
    frozen = replace(task.players["other"].optim, learning_rate=0.0, weight_decay=0.0)
    task.players["other"] = replace(task.players["other"], optim=frozen)
    before = task.other.weight.detach().clone()
    train(task, TINY, tmp_path, World())
    assert torch.equal(task.other.weight, before)


def test_mixed_precision_trains(tmp_path: Path) -> None:
    config = replace(TINY, bfloat16=True)
    outcome = train(TinyTask(config), config, tmp_path, World())
    assert all(torch.isfinite(value).all() for value in outcome.average.state_dict().values())


def test_a_checkpoint_of_other_networks_is_refused(tmp_path: Path) -> None:
    train(TinyTask(TINY), TINY, tmp_path, World())
    other = TinyTask(TINY)
    other.net.append(torch.nn.Linear(2, 2))
    with pytest.raises(AssetError, match="not a checkpoint of these networks"):
        train(other, TINY, tmp_path, World())


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(b"nonsense")
    with pytest.raises(AssetError, match="not a checkpoint"):
        train(TinyTask(TINY), TINY, tmp_path, World())
    with pytest.raises(AssetError, match="not a checkpoint"):
        averaged_weights(tmp_path / "checkpoint.pt")

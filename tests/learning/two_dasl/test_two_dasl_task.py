from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from two_dasl_sample import TINY, made_up_2d, tiny_task  # noqa: E402

from facefuse.learning.engine.distributed import World  # noqa: E402
from facefuse.learning.engine.trainer import prepare, train  # noqa: E402
from facefuse.learning.two_dasl.config import LossConfig  # noqa: E402
from facefuse.learning.two_dasl.data import with_points  # noqa: E402
from facefuse.learning.two_dasl.validation import gesture_correlations  # noqa: E402


def run(config, folder: Path):  # type: ignore[no-untyped-def]
    prepare(config.engine, World())
    return train(tiny_task(config), config.engine, folder, World())


def test_two_and_two_steps_of_2dasl_equal_four_bit_for_bit(tmp_path: Path) -> None:
    whole = run(TINY, tmp_path / "whole")
    first = tiny_task()
    prepare(TINY.engine, World())
    stopped = replace(TINY.engine, save_every=2)

    class Enough(Exception):
        pass

    draw = first.losses
    taken: list[int] = []

    def losses(batch, step):  # type: ignore[no-untyped-def]
        if step == 2:
            raise Enough
        taken.append(step)
        return draw(batch, step)

    first.losses = losses  # type: ignore[method-assign]
    with pytest.raises(Enough):
        train(first, stopped, tmp_path / "halves", World())
    assert taken == [0, 1]
    halves = run(TINY, tmp_path / "halves")
    for name, value in whole.average.state_dict().items():
        assert torch.equal(value, halves.average.state_dict()[name]), name


def test_a_batch_is_a_function_of_step_and_shards() -> None:
    one, other = tiny_task(), tiny_task()
    a, b = one.batch(3, [0, 1]), other.batch(3, [0, 1])
    for name in a.__dict__:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    halves = [one.batch(3, [k]) for k in (0, 1)]
    np.testing.assert_array_equal(np.concatenate([h.crops for h in halves]), a.crops)
    assert (one.batch(4, [0]).crops != halves[0].crops).any()
    assert a.has_truth.tolist() == [1, 1, 0, 0, 1, 1, 0, 0]


def test_every_term_is_reported_and_weighted() -> None:
    task = tiny_task()
    batch = task.batch(0, [0, 1])
    found = task.losses(batch, 0)
    weights = TINY.losses
    assert set(found.parts) == {name for name, weight in weights.__dict__.items() if weight}
    total = sum(getattr(weights, name) * float(value.detach()) for name, value in found.parts.items())
    assert float(found.objectives["regressor"].detach()) == pytest.approx(total, rel=1e-5)
    assert all(torch.isfinite(value) for value in found.parts.values())
    assert "critic" in found.objectives


def test_a_batch_without_truth_trains_too() -> None:
    config = replace(TINY, losses=replace(TINY.losses, critic=0.0), data=replace(TINY.data, labelled_3d=0))
    task = tiny_task(config)
    found = task.losses(task.batch(0, [0, 1]), 0)
    assert "wpdc" not in found.parts
    assert torch.isfinite(found.objectives["regressor"])


def test_the_network_learns_a_batch_by_heart() -> None:
    losses = LossConfig(landmarks=1.0, wpdc=0.1)
    config = replace(TINY, losses=losses, maps=replace(TINY.maps, second_share=0.0))
    torch.manual_seed(0)
    task = tiny_task(config)
    batch = task.batch(0, [0, 1])
    optimizer = torch.optim.Adam(task.network.parameters(), lr=5e-3)
    values = []
    for _ in range(60):
        loss = task.losses(batch, 0).objectives["regressor"]
        values.append(float(loss.detach()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert values[-1] < 0.5 * values[0]


def test_validation_reports_both_passes_by_pose(tmp_path: Path) -> None:
    task = tiny_task()
    task.network.eval()
    figures = task.validate(task.network)
    for kind in ("first", "second", "votes"):
        bins = [figures[f"val_{kind}_{b}"] for b in ("0_30", "30_60", "60_90")]
        assert figures[f"val_{kind}"] == pytest.approx(np.mean(bins))
    assert figures["val_first"] > 1.0  # untrained
    picture = task.images(task.network)["held_out"]
    assert picture.dtype == np.uint8
    assert (picture == np.array([0, 255, 0])).all(axis=-1).any()


def test_gestures_are_correlated_by_name() -> None:
    names = ("jawOpen", "eyeBlinkLeft", "eyeBlinkRight")
    scores = np.random.default_rng(0).random((30, 3)).astype(np.float32)
    scores[0] = np.nan
    found = gesture_correlations(np.nan_to_num(scores), scores, names)
    assert found == pytest.approx({"val_blink": 1.0, "val_jaw_open": 1.0})
    turned = gesture_correlations(1.0 - np.nan_to_num(scores), scores, names)
    assert turned["val_jaw_open"] == pytest.approx(-1.0)


def test_points_left_out_leave_the_partners_right() -> None:
    faces = made_up_2d().faces
    kept = np.ones(71, bool)
    kept[68] = False
    fewer = with_points(faces, kept)
    assert fewer.points.shape[1] == 70
    assert fewer.mesh_indices.tolist() == [33, 263]
    assert fewer.mirror[68:].tolist() == [69, 68]
    np.testing.assert_array_equal(fewer.mirror[fewer.mirror], np.arange(70))

"""The published method from end to end, on made-up files in the formats of 300W-LP and the BFM packing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

torch = pytest.importorskip("torch")

from bfm_3ddfa_files import made_up, write_first_layout  # noqa: E402

from facefuse.learning.engine.distributed import World  # noqa: E402
from facefuse.learning.engine.trainer import prepare, train  # noqa: E402
from facefuse.learning.two_dasl.build import make_task  # noqa: E402
from facefuse.learning.two_dasl.presets import PRESETS  # noqa: E402
from facefuse.learning.two_dasl.resnet import ResNet50  # noqa: E402
from facefuse.learning.two_dasl.sources import Sources  # noqa: E402


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    rng = np.random.default_rng(0)
    (tmp_path / "data" / "300W_LP").mkdir(parents=True)
    (tmp_path / "data" / "photos").mkdir()
    for k in range(3):
        picture = Image.fromarray(rng.integers(0, 256, (200, 200, 3)).astype(np.uint8))
        stem = tmp_path / "data" / "300W_LP" / f"a{k}"
        picture.save(stem.with_suffix(".jpg"))
        pose = np.array([[0.1, 0.5 * (k - 1), 0.0, 100.0, 100.0, -40.0, 7e-4]])
        truth = {"Shape_Para": rng.normal(0, 1e4, (199, 1)), "Exp_Para": rng.normal(0, 0.5, (29, 1))}
        savemat(stem.with_suffix(".mat"), {"Pose_Para": pose, **truth})
        picture.save(tmp_path / "data" / "photos" / f"b{k}.png")
    points = rng.uniform(50.0, 150.0, (3, 68, 2))
    names = np.array([f"b{k}.png" for k in range(3)])
    np.savez(tmp_path / "data" / "photos" / "landmarks.npz", names=names, landmarks68=points)
    return Sources(tmp_path / "data", None, write_first_layout(tmp_path / "bfm", made_up()))


@pytest.mark.parametrize("stage", ["paper", "paper-fine"])
def test_both_stages_of_the_paper_train(sources: Sources, tmp_path: Path, stage: str) -> None:
    preset = PRESETS[stage]
    config = replace(
        preset,
        engine=replace(
            preset.engine, steps=1, device="cpu", threads=1, log_every=1, validate_every=0, images_every=0, save_every=0
        ),
        data=replace(preset.data, labelled_3d=2, labelled_2d=2, size=64, held_out=1),
    )
    prepare(config.engine, World())
    task = make_task(config, sources, "cpu")
    assert isinstance(task.network, ResNet50)
    assert task.space.size == 62
    before = task.network.fc.weight.detach().clone()
    outcome = train(task, config.engine, tmp_path / "run", World())
    assert outcome.finished
    assert not torch.equal(task.network.fc.weight, before)
    assert all(torch.isfinite(value).all() for value in outcome.average.state_dict().values())
    assert ("wpdc" if stage == "paper" else "vdc") in (tmp_path / "run" / "log.jsonl").read_text()
    assert np.isfinite(task.validate(outcome.average)["val_first"])

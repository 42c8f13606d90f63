from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from two_dasl_sample import TINY  # noqa: E402

from facefuse.cli.main import main  # noqa: E402
from facefuse.learning.engine.settings import to_json  # noqa: E402
from facefuse.learning.two_dasl import sources  # noqa: E402
from facefuse.learning.two_dasl.presets import PRESETS  # noqa: E402


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sources, "MADE_UP_PHOTOS", 8)
    config = replace(TINY, engine=replace(TINY.engine, steps=2), data=replace(TINY.data, held_out=2))
    path = tmp_path / "settings.json"
    path.write_text(to_json(config))
    return path


def test_train_resume_and_export_from_the_command_line(
    settings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert main(["train", "2dasl", "--config", str(settings), "--out", str(out)]) == 0
    assert json.loads((out / "run.json").read_text())["method"] == "2dasl"
    assert (out / "config.json").read_text() == settings.read_text()
    lines = (out / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2]
    assert main(["train", "--resume", str(out)]) == 0
    assert (out / "log.jsonl").read_text().splitlines() == lines
    assert main(["export-onnx", str(out), "--out", str(tmp_path / "net.onnx")]) == 0
    assert (tmp_path / "net.onnx").stat().st_size > 10_000
    assert str(tmp_path / "net.onnx") in capsys.readouterr().out


def test_a_folder_with_another_run_is_refused(settings: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    out.mkdir()
    (out / "config.json").write_text("{}")
    assert main(["train", "2dasl", "--config", str(settings), "--out", str(out)]) == 2


@pytest.mark.parametrize(
    "words",
    [
        ["train", "2dasl"],
        ["train", "3dasl", "--out", "x"],
        ["train", "2dasl", "--resume", "x"],
        ["train", "--resume", "no-such-folder"],
        ["train", "2dasl", "--out", "x", "--config", "no-such-preset"],
        ["export-onnx", "no-such-run", "--out", "x.onnx"],
    ],
)
def test_wrong_use_is_explained(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2


def test_presets_say_what_the_paper_says() -> None:
    paper = PRESETS["paper"]
    assert (paper.losses.consistency_2d, paper.losses.consistency_3d, paper.losses.cycle, paper.losses.critic) == (
        0.005,
        0.005,
        1.0,
        0.005,
    )
    assert paper.data.labelled_3d + paper.data.labelled_2d == 32
    assert paper.optim.learning_rate == 5e-5
    assert (paper.network.kind, paper.maps.kind, paper.space) == ("resnet50", "hard", "bfm62")
    assert PRESETS["paper-fine"].losses.vdc > 0.0


@pytest.mark.slow
def test_the_smoke_preset_trains_end_to_end(tmp_path: Path) -> None:
    assert main(["train", "2dasl", "--config", "smoke", "--out", str(tmp_path / "run")]) == 0
    last = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[-1])
    assert last["step"] == 24
    assert 0.0 < last["val_first"] < 60.0

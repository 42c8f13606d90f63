"""``facefuse evaluate``: files in, figures out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from facefuse.cli.main import main
from facefuse.evaluation.alignment import AflwResult
from facefuse.evaluation.metrics import summarise_nme, summarise_pose
from facefuse.evaluation.scan import NOW_LANDMARKS
from facefuse.export.ply import mesh_to_ply
from facefuse.morphable.registry import load_model


@pytest.fixture
def scan_words(tmp_path: Path) -> list[str]:
    """The mean head as prediction, and the same head with a bump of 1 mm all over as scan."""
    model = load_model()
    texture = np.zeros((64, 64, 3), np.uint8)
    (tmp_path / "head.ply").write_bytes(mesh_to_ply(model, model.mean, texture, "prediction"))
    (tmp_path / "scan.ply").write_bytes(mesh_to_ply(model, model.mean * 1.02, texture, "scan"))
    landmarks = np.asarray(model.landmarks(model.mean * 1.02))[list(NOW_LANDMARKS)]
    np.savetxt(tmp_path / "landmarks.txt", landmarks)
    files = {"--prediction": "head.ply", "--scan": "scan.ply", "--landmarks": "landmarks.txt"}
    return ["evaluate", "scan", *(word for key, name in files.items() for word in (key, str(tmp_path / name)))]


def test_scan(scan_words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*scan_words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["similarity"]["median"] < 0.05  # the scale is found
    assert found["similarity"]["scale"] == pytest.approx(1.02, abs=0.003)
    assert found["rigid"]["median"] > 0.3  # and missed where it is fixed
    assert main(scan_words) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].split()[-5:] == ["median", "mean", "std", "rms", "points"]
    assert f"{found['rigid']['median']:.3f}" in printed[2]


def test_scan_files_that_cannot_be_used(scan_words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    scan_words[-1] += ".missing"
    assert main(scan_words) == 3
    said = capsys.readouterr()
    assert said.out == ""
    assert ".missing" in said.err


def result() -> AflwResult:
    yaw = np.linspace(-89, 89, 60)
    errors = 3 + np.abs(yaw) / 60
    errors[0] = np.nan
    return AflwResult(
        method="fit",
        boxes="detector",
        images=60,
        original=summarise_nme(errors, yaw),
        reannotated=summarise_nme(errors - 1, yaw),
        nme_3d=None,
        pose=summarise_pose(np.full((60, 3), 2.0), np.zeros((60, 3))),
        latency_ms=4.25,
        latency_mean_ms=5.0,
        names=tuple(str(number) for number in range(60)),
        errors=errors,
    )


def test_aflw2000(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked = []

    def measure(data: str, method: str, boxes: str, progress: object, weights: Path | None) -> AflwResult:
        asked.append((data, method, boxes, weights))
        return result()

    monkeypatch.setattr("facefuse.evaluation.alignment.evaluate_aflw2000", measure)
    words = ["evaluate", "aflw2000", "--data", "set.zip", "--method", "fit", "--boxes", "detector"]
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert asked == [("set.zip", "fit", "detector", None)]
    assert main(["evaluate", "aflw2000", "--data", "s", "--method", "2dasl", "--weights", "w.onnx"]) == 0
    assert asked[-1] == ("s", "2dasl", "published", Path("w.onnx"))
    capsys.readouterr()
    assert found["original"]["balanced"] == pytest.approx(result().original.balanced)
    assert found["errors"]["0"] is None
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert f"{result().original.balanced:.2f} (" in printed
    assert f"{result().reannotated.mean:.2f} (" in printed
    assert "no face found in 1 photos; 4.2 ms" in printed
    assert "2.00 degrees" in printed


def test_aflw2000_data_that_cannot_be_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "aflw2000", "--data", str(tmp_path)]) == 3
    assert "expected AFLW2000-3D as published" in capsys.readouterr().err
    assert main(["evaluate", "aflw2000", "--data", str(tmp_path / "nothing.zip")]) == 3
    assert "nothing.zip" in capsys.readouterr().err

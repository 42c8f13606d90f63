"""``facefuse evaluate detector``: a folder in, figures out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from facefuse.cli.commands import parse
from facefuse.cli.evaluate import Evaluate
from facefuse.cli.evaluate_detector import EvaluateDetector
from facefuse.cli.main import main
from facefuse.evaluation.detector import FalseAlarms, Miss, Recall
from facefuse.evaluation.detector_figures import DetectorFigures

FIGURES = DetectorFigures(
    recall={
        "AFLW2000-3D": Recall(
            found=3,
            faces=4,
            rate=75.0,
            interval=(30.1, 95.4),
            bin_found=(2, 1, 0),
            bin_faces=(2, 1, 1),
            missed=(Miss("image7", 123.4, -71.0, 0.25),),
            median_iou=0.87,
            eye_error=6.04,
            other=5,
            latency_ms=12.34,
        )
    },
    false_alarms={"no_face": FalseAlarms(1, 10, ("clock.jpg",), ((1.0, 2.0, 31.0, 32.0),), (0.64,), 9.0)},
    milliseconds={"640x480": 12.5},
)


def test_words_become_the_command() -> None:
    assert parse(["evaluate", "detector", "--data", "d", "--method", "faces", "--json"]) == Evaluate(
        EvaluateDetector("d", "faces", json=True)
    )


def test_figures_are_printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked = []

    def measure(data: str, detector: object, progress: object) -> DetectorFigures:
        asked.append((data, type(detector).__name__))
        return FIGURES

    monkeypatch.setattr("facefuse.evaluation.detector_figures.evaluate_detector", measure)
    assert main(["evaluate", "detector", "--data", "sets"]) == 0
    printed = capsys.readouterr().out
    for part in (
        "AFLW2000-3D: 3 of 4 faces found, 75.0 % (30.1 to 95.4)",
        "by yaw: 0-30 100.0 %, 30-60 100.0 %, 60-90 0.0 %",
        "missed: image7, 123 px, yaw -71, best IoU 0.25",
        "no_face: 1 false alarms in 10 photos",
        "clock.jpg at 1, 2, 31, 32, score 0.64",
        "640x480 12.5 ms",
    ):
        assert part in printed
    assert main(["evaluate", "detector", "--data", "sets", "--method", "faces", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["recall"]["AFLW2000-3D"]["missed"][0]["best_iou"] == 0.25
    assert asked == [("sets", "FaceNetwork"), ("sets", "CheckedDetector")]


def test_face_free_photos_are_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "photos" / "no_face").mkdir(parents=True)
    Image.new("RGB", (64, 48), (90, 120, 60)).save(tmp_path / "photos" / "no_face" / "lawn.png")
    assert main(["evaluate", "detector", "--data", str(tmp_path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["false_alarms"]["no_face"]["photos"] == 1
    assert found["false_alarms"]["no_face"]["alarms"] == 0
    assert found["recall"] == {}


def test_data_that_cannot_be_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "detector", "--data", str(tmp_path)]) == 3
    assert "photos/no_face" in capsys.readouterr().err
    assert main(["evaluate", "detector", "--data", str(tmp_path), "--yunet", str(tmp_path / "no.onnx")]) == 3
    assert "no.onnx" in capsys.readouterr().err

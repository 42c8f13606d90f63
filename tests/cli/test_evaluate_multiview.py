"""``facefuse evaluate multiview``: words in, figures out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from facefuse.cli.evaluate_multiview import parse_views
from facefuse.cli.main import main
from facefuse.errors import UsageError
from facefuse.evaluation.agreement import PeopleAgreement
from facefuse.evaluation.multiview import AVERAGE, JOINT, MEAN_FACE, METRICS, MultiviewResult, MultiviewRow


def row(views: int, head: str, median: float) -> MultiviewRow:
    people = ("ada", "bob", "eve")
    errors = np.array([[median + 0.1 * k, 2.0, 3.0, 4.0] for k in range(3)])
    return MultiviewRow(views, head, people, dict.fromkeys(METRICS, errors))


RESULT = MultiviewResult(
    "fit",
    (row(0, MEAN_FACE, 1.5), row(1, JOINT, 1.0), row(3, AVERAGE, 0.9), row(3, JOINT, 0.8)),
    PeopleAgreement({"ada": 0.5, "bob": 0.6}, 1.25, 0.75, 0.875),
    ("x.jpg: no face found",),
)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    calls: list[tuple[object, ...]] = []

    def measure(*words: object, progress: object) -> MultiviewResult:
        calls.append(words)
        return RESULT

    monkeypatch.setattr("facefuse.evaluation.multiview.evaluate_multiview", measure)
    return calls


def test_table(asked: list[tuple[object, ...]], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "multiview", "--data", "people", "--views", "3,1,3", "--subsets", "2"]) == 0
    assert asked == [("people", (1, 3), "auto", 2)]
    said = capsys.readouterr()
    assert "not used: x.jpg" in said.err
    lines = said.out.splitlines()
    assert lines[3].split()[:5] == ["0", "mean", "face", "3", "1.600"]
    assert any(line.startswith("all views of 3 against average of single views of 3") for line in lines)
    against = next(line for line in lines if line.startswith("all views of 3 against 1 view"))
    assert "-18.2 (" in against
    assert "different people 1.25, at least 0.75" in " ".join(said.out.split())
    assert "in 88 %" in said.out


def test_json(asked: list[tuple[object, ...]], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "multiview", "--data", "people", "--json"]) == 0
    assert asked == [("people", (1, 3, 7), "auto", 7)]
    found = json.loads(capsys.readouterr().out)
    assert found["rows"][3]["similarity"]["median"]["value"] == pytest.approx(0.9)
    assert found["agreement"]["separation"] == 0.875


def test_what_cannot_be_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "multiview", "--data", str(tmp_path)]) == 3
    assert "no photos found" in capsys.readouterr().err
    assert main(["evaluate", "multiview", "--data", str(tmp_path), "--views", "some"]) == 2
    assert "--views some" in capsys.readouterr().err


def test_views() -> None:
    assert parse_views(" 5, 1,2 ") == (1, 2, 5)
    for words in ("", "0", "1;2", "-1", "²"):
        with pytest.raises(UsageError, match="above zero"):
            parse_views(words)

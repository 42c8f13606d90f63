"""``facefuse synthesize``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from facefuse.cli.main import main


def test_writes_photos_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["synthesize", "--count", "1", "--views", "2", "--size", "48", "--out", str(tmp_path), "--jobs", "1"]
    assert main([*words, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["photos"] == facts["new_photos"] == 2
    assert len(list((tmp_path / "photos").glob("*.png"))) == 2
    assert main(words) == 0
    assert "nothing left to make" in capsys.readouterr().out
    assert main([*words, "--quiet"]) == 0
    assert capsys.readouterr().out == ""


def test_other_settings_and_missing_files_are_wrong_usage(tmp_path: Path) -> None:
    words = ["synthesize", "--count", "1", "--size", "48", "--out", str(tmp_path), "--jobs", "1", "--quiet"]
    assert main(words) == 0
    assert main([*words, "--seed", "5"]) == 2
    assert main([*words, "--textures", str(tmp_path / "nowhere")]) == 2

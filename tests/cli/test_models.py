"""``facefuse models``: what users do with a face model of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
from deep3d_file import write_deep3d

from facefuse.cli.main import main


def test_a_users_model_is_imported_once_and_then_named_by_its_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "bfm.safetensors")
    assert main(["models", "import", str(write_deep3d(tmp_path)), "--out", out]) == 0
    said = capsys.readouterr()
    assert said.out.strip() == out
    assert "Basel Face Model licence" in said.err
    assert main(["models", "show", out]) == 0
    shown = capsys.readouterr().out
    assert "bfm09-deep3d" in shown
    assert "identity modes    80" in shown
    assert "64: expression_00" in shown


def test_what_cannot_be_imported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "some.mat").write_text("text")
    out = str(tmp_path / "bfm.safetensors")
    assert main(["models", "import", str(tmp_path / "some.mat"), "--out", out]) == 1
    assert "not a readable MATLAB file" in capsys.readouterr().err
    assert main(["models", "import", str(tmp_path / "some.mat"), "--out", "bfm.npz"]) == 2
    assert "ends in .safetensors" in capsys.readouterr().err
    path = str(write_deep3d(tmp_path))
    assert main(["models", "import", path, "--out", str(tmp_path / "nowhere" / "bfm.safetensors")]) == 2
    assert "cannot be written" in capsys.readouterr().err
    assert main(["models", "show", out]) == 1
    assert "cannot be read as a face model" in capsys.readouterr().err

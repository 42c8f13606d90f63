from __future__ import annotations

import importlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from facefuse.cli.main import main
from facefuse.cli.train import TRAINABLE


def test_without_pytorch_the_user_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "torch" else found(name, *rest)
    )
    assert main(["train", "2dasl", "--out", str(tmp_path / "run")]) == 2
    assert 'pip install "facefuse[train]"' in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_the_command_line_does_not_load_pytorch() -> None:
    program = "import sys; import facefuse.cli.commands; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_every_trainable_method_has_its_commands() -> None:
    pytest.importorskip("torch")
    for name in TRAINABLE.values():
        module = importlib.import_module(name)
        for function in ("start", "resume", "export"):
            assert callable(getattr(module, function))


def test_a_run_of_an_unknown_method_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"method": "4dasl"}))
    assert main(["train", "--resume", str(tmp_path)]) == 2
    assert "4dasl" in capsys.readouterr().err

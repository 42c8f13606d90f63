"""The table of rooms in docs/architecture.md, held against the code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def test_rooms_import_only_what_they_may() -> None:
    pytest.importorskip("importlinter")
    from importlinter.cli import lint_imports

    assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True) == 0


def test_the_runtime_imports_neither_pytorch_nor_learning() -> None:
    code = (
        "import sys, facefuse.cli.main, facefuse.reconstruction, facefuse.export.writer, facefuse.evaluation.aflw2000;"
        "bad = [m for m in sys.modules if m.split('.')[0] == 'torch' or m.startswith('facefuse.learning')];"
        "sys.exit(', '.join(bad) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

"""A run's folder keeps its settings, and refuses others."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from facefuse.errors import UsageError
from facefuse.learning.engine.run_folder import CONFIG, RUN, begin_run


@dataclass(frozen=True)
class Some:
    steps: int = 3


def test_a_folder_takes_one_set_of_settings(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "run"
    for _ in range(2):
        begin_run(folder, Some(), "method", {"data": "somewhere"})
    assert json.loads((folder / CONFIG).read_text()) == {"steps": 3}
    assert json.loads((folder / RUN).read_text()) == {"method": "method", "data": "somewhere"}
    with pytest.raises(UsageError, match="other settings"):
        begin_run(folder, Some(4), "method", {})
    assert json.loads((folder / CONFIG).read_text()) == {"steps": 3}

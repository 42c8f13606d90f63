"""What a run's folder says of it: its settings, its method and its data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from facefuse.errors import UsageError
from facefuse.learning.engine.settings import to_json

CONFIG, RUN = "config.json", "run.json"


def begin_run(folder: Path, settings: Any, method: str, sources: dict[str, Any]) -> None:
    """Write settings, method and data sources into a run's folder, made if absent.

    Raises
    ------
    UsageError
        If the folder holds a run with other settings.
    """
    text = to_json(settings)
    config = folder / CONFIG
    if config.exists() and config.read_text(encoding="utf-8") != text:
        raise UsageError(
            f"{folder} holds a run with other settings; use another folder, or facefuse train --resume {folder}"
        )
    folder.mkdir(parents=True, exist_ok=True)
    config.write_text(text, encoding="utf-8")
    (folder / RUN).write_text(json.dumps({"method": method, **sources}, indent=1), encoding="utf-8")

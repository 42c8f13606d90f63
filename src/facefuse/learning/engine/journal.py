"""What a run tells while it goes: a line of JSON per report, TensorBoard, a progress bar."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

LOG = "log.jsonl"


class Journal:
    """Writes ``log.jsonl`` and TensorBoard events into a run's folder and shows a progress bar on a terminal.

    Parameters
    ----------
    folder
        The run's.
    steps, first
        Length of the run and the step it starts from.
    silent
        For all processes but the first.
    """

    def __init__(self, folder: Path, steps: int, first: int, silent: bool) -> None:
        self._log = None if silent else (folder / LOG).open("a", encoding="utf-8")
        self._board: Any = None
        if not silent and importlib.util.find_spec("tensorboard") is not None:
            from torch.utils.tensorboard.writer import SummaryWriter  # late: only where it is installed

            self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=first or None)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[figures]}"),
        )
        console = Console(stderr=True)
        self._progress = Progress(*columns, console=console, disable=silent or not console.is_terminal)
        self._bar = self._progress.add_task("training", total=steps, completed=first, figures="")

    def __enter__(self) -> Journal:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._progress.stop()
        if self._log is not None:
            self._log.close()
        if self._board is not None:
            self._board.close()

    def advance(self, step: int) -> None:
        """Move the progress bar."""
        self._progress.update(self._bar, completed=step)

    def report(self, step: int, figures: dict[str, float]) -> None:
        """Write figures of a step."""
        shown = "  ".join(f"{name} {value:.4g}" for name, value in list(figures.items())[:4])
        self._progress.update(self._bar, figures=shown)
        if self._log is not None:
            self._log.write(json.dumps({"step": step, **{k: float(f"{v:.6g}") for k, v in figures.items()}}) + "\n")
            self._log.flush()
        if self._board is not None:
            for name, value in figures.items():
                self._board.add_scalar(name, value, step)
            self._board.flush()

    def show(self, step: int, images: dict[str, NDArray[np.uint8]]) -> None:
        """Write pictures of a step."""
        if self._board is not None:
            for name, image in images.items():
                self._board.add_image(name, image, step, dataformats="HWC")

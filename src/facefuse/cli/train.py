"""``facefuse train`` and ``facefuse export-onnx``."""

from __future__ import annotations

import importlib
import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, arg

from facefuse.cli import terminal
from facefuse.errors import UsageError

TRAINABLE = {"2dasl": "facefuse.learning.two_dasl.commands", "df-mvr": "facefuse.learning.df_mvr.commands"}
"""Methods that can be trained, and the module with their ``start``, ``resume`` and ``export``."""

_RUN = "run.json"


@dataclass(frozen=True)
class Train:
    """Train a method, or go on with a run. Needs PyTorch: pip install "facefuse[train]".

    Several GPUs: torchrun --nproc-per-node N -m facefuse train ...
    """

    method: Annotated[Positional[str], arg(metavar="METHOD")] = ""
    """2dasl or df-mvr. Not needed with --resume."""

    config: Annotated[str, arg(metavar="NAME_OR_FILE")] = "cpu"
    """A preset (cpu, gpu, paper, smoke) or a JSON file of settings, such as a run's config.json."""

    data: Annotated[str | None, arg(metavar="DIR")] = None
    """Folder of training data; see the documentation of the method. The smoke preset needs none."""

    out: Annotated[str | None, arg(metavar="DIR")] = None
    """Folder of the run: settings, checkpoint, log."""

    start: Annotated[str | None, arg(metavar="FILE")] = None
    """Checkpoint of a landmark network to start from."""

    face_model: Annotated[str | None, arg(metavar="DIR")] = None
    """The BFM files that the paper's settings need."""

    resume: Annotated[str | None, arg(metavar="DIR")] = None
    """Go on with the run in this folder."""

    def run(self) -> int:
        """Run the command."""
        if self.resume is not None:
            if self.method or self.data or self.out or self.start or self.face_model:
                raise UsageError("--resume takes everything from the run's folder; give nothing else")
            outcome = _module(_method_of(self.resume)).resume(Path(self.resume))
            folder = self.resume
        else:
            if self.method not in TRAINABLE:
                raise UsageError(f"no method {self.method!r} to train; there is {', '.join(TRAINABLE)}")
            if self.out is None:
                raise UsageError("--out DIR is missing: where the run is kept")
            outcome = _module(self.method).start(
                self.config, _path(self.data), Path(self.out), _path(self.start), _path(self.face_model)
            )
            folder = self.out
        if not outcome.finished:
            terminal.note(f"interrupted at step {outcome.step}; go on with: facefuse train --resume {folder}")
            return 130
        terminal.result(folder)
        return 0


@dataclass(frozen=True)
class ExportOnnx:
    """Write the network of a training run as ONNX and check it against PyTorch."""

    run_folder: Annotated[Positional[str], arg(metavar="RUN")]
    """Folder of the run."""

    out: Annotated[str, arg(metavar="FILE.onnx")]
    """File to write."""

    def run(self) -> int:
        """Run the command."""
        parity = _module(_method_of(self.run_folder)).export(Path(self.run_folder), Path(self.out))
        terminal.note(f"largest difference to PyTorch: {parity}")
        terminal.result(self.out)
        return 0


def _module(method: str) -> Any:
    """The commands of a method; imported by name, so that the command line itself does without PyTorch."""
    if importlib.util.find_spec("torch") is None:
        raise UsageError('training needs PyTorch, which is not installed: pip install "facefuse[train]"')
    return importlib.import_module(TRAINABLE[method])


def _method_of(folder: str) -> str:
    """The method that a run's folder belongs to."""
    try:
        method = json.loads((Path(folder) / _RUN).read_text(encoding="utf-8"))["method"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{folder} holds no training run ({error}); give the folder that --out named") from error
    if method not in TRAINABLE:
        raise UsageError(f"{folder} holds a run of {method!r}; known are {', '.join(TRAINABLE)}")
    return str(method)


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)

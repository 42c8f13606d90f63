"""Train the face detector: `python -m facefuse.learning.detector --data DIR --out runs/detector --config cpu`."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Literal

import tyro

from facefuse.learning.detector.config import PRESETS
from facefuse.learning.detector.data import load_training_data
from facefuse.learning.detector.engine import DetectorTrainer
from facefuse.learning.detector.export import export_onnx


def main(
    data: Path,
    out: Path,
    config: Literal["cpu", "refine", "finish", "gpu"] = "cpu",
    start: Path | None = None,
    steps: int | None = None,
    export_only: bool = False,
) -> None:
    """Train (or continue) a run and write OUT/face_detector.onnx.

    Parameters
    ----------
    data
        Folder with aflw/, backgrounds/ and london/.
    out
        Folder of the run; if it holds a state, the run continues from there.
    config
        Preset; `refine` and the short `finish` are meant for weights that have been trained before.
    start
        Averaged weights (safetensors) of another run to begin with, instead of random ones.
    steps
        Number of steps, instead of the preset's.
    export_only
        Only write the ONNX file from the weights in OUT.
    """
    if not export_only:
        settings = PRESETS[config]
        if steps is not None:
            settings = dataclasses.replace(settings, steps=steps)
        training, validation = load_training_data(data)
        DetectorTrainer(settings, out, training, validation).train(start)
    worst = export_onnx(out / "weights.safetensors", out / "face_detector.onnx")
    sys.stdout.write(f"{out / 'face_detector.onnx'}: largest difference to PyTorch {worst:.1e}\n")


if __name__ == "__main__":
    tyro.cli(main)

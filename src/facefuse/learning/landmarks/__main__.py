"""Train the landmark network: ``python -m facefuse.learning.landmarks --aflw DIR --backgrounds ZIP --out RUN``."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import tyro

from facefuse.errors import UsageError

from .augment import plain_crops
from .config import PRESETS
from .data import joined, read_backgrounds, read_faces, split
from .engine import evaluate, train
from .export import check_parity, export_onnx
from .synthetic import read_packs

_TRAINING_BACKGROUNDS = 300  # the rest of the archive measures false alarms
_BACKGROUND_SIDE_PX = 320


@dataclass(frozen=True)
class Command:
    """Train the landmark network, or go on with the run in ``out``.

    Attributes
    ----------
    aflw
        Folder with photos.zip, labels.npz and mesh_labels.npz.
    backgrounds
        Zip of photos without faces.
    out
        Folder of the run: checkpoint, settings, log; at the end landmarks.onnx and its figures in measures.json.
    config
        Preset.
    threads
        Number of CPU threads; the preset's where it is not given.
    synthetic
        Folder of rendered faces (python -m facefuse.learning.landmarks.synthetic).
    faces
        Train on the real faces, on the rendered ones, or on both.
    start
        Checkpoint whose averaged weights a new run begins with.
    """

    aflw: Path
    backgrounds: Path
    out: Path
    config: Literal["cpu", "gpu", "short", "finetune"] = "cpu"
    threads: int | None = None
    synthetic: Path | None = None
    faces: Literal["real", "synthetic", "both"] = "real"
    start: Path | None = None


def main() -> None:
    """Run the command line."""
    command = tyro.cli(Command)
    config = PRESETS[command.config]
    if command.threads is not None:
        config = replace(config, threads=command.threads)
    faces, held_out = split(read_faces(command.aflw), config.held_out, config.seed)
    backgrounds = read_backgrounds(command.backgrounds, _TRAINING_BACKGROUNDS, _BACKGROUND_SIDE_PX)
    if command.faces != "real":
        if command.synthetic is None:
            raise UsageError(f"--faces {command.faces} needs --synthetic, a folder of rendered faces")
        rendered = read_packs(command.synthetic, faces)
        faces = joined(faces, rendered) if command.faces == "both" else rendered
    state = train(faces, held_out, backgrounds, config, command.out, command.start)
    model = command.out / "landmarks.onnx"
    size = config.size_at(config.steps)
    export_onnx(state.average, faces.mesh_indices, size, model)
    crops, _ = plain_crops(held_out.photos, held_out.points, size)
    measures = {
        "held_out_nme_percent": evaluate(state.average, held_out, size, config.device),
        "onnx_parity": asdict(check_parity(state.average, model, crops[:64])),
        "bytes": model.stat().st_size,
    }
    (command.out / "measures.json").write_text(json.dumps(measures, indent=1))


if __name__ == "__main__":
    main()

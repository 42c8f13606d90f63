"""What the command line calls: start, resume and export 2DASL runs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from facefuse.errors import UsageError
from facefuse.learning.engine.checkpoint import CHECKPOINT
from facefuse.learning.engine.distributed import join_world, leave_world
from facefuse.learning.engine.run_folder import CONFIG, RUN, begin_run
from facefuse.learning.engine.settings import read_settings
from facefuse.learning.engine.trainer import Outcome, prepare, train
from facefuse.learning.two_dasl.build import make_task
from facefuse.learning.two_dasl.config import TwoDaslConfig
from facefuse.learning.two_dasl.export import Parity, export_run
from facefuse.learning.two_dasl.presets import PRESETS
from facefuse.learning.two_dasl.sources import Sources

METHOD = "2dasl"
POINTS = "mesh_points.json"


def start(config: str, data: Path | None, out: Path, landmark_run: Path | None, face_model: Path | None) -> Outcome:
    """Start a run in a folder, or go on with the one there if its settings are the same.

    Parameters
    ----------
    config
        Name of a preset, or a JSON file of settings.
    data
        Folder with any of ``aflw/``, ``photos/`` (set I), ``synthetic/``, ``300W_LP/`` (set J); None for made-up data.
    out
        Of the run.
    landmark_run
        Checkpoint of a landmark network to start the light network from.
    face_model
        BFM files, for the published coefficients.

    Raises
    ------
    UsageError
        If the folder holds a run with other settings, or the settings are wrong.
    """
    settings = PRESETS[config] if config in PRESETS else read_settings(TwoDaslConfig, Path(config))
    begin_run(out, settings, METHOD, Sources(data, landmark_run, face_model).to_plain())
    return resume(out)


def resume(out: Path) -> Outcome:
    """Go on with the run in a folder, with its own settings and data.

    Raises
    ------
    UsageError
        If there is none.
    """
    settings, sources = read_run(out)
    world = join_world(settings.engine.device)
    prepare(settings.engine, world)
    try:
        task = make_task(settings, sources, world.device)
        if world.leads:
            (out / POINTS).write_text(json.dumps([int(i) for i in task.mesh_indices]), encoding="utf-8")
        return train(task, settings.engine, out, world)
    finally:
        leave_world(world)


def export(run: Path, out: Path) -> Parity:
    """Write the averaged network of a run as ONNX; return how far it is from PyTorch."""
    settings, _ = read_run(run)
    try:
        mesh = np.array(json.loads((run / POINTS).read_text(encoding="utf-8")), dtype=np.int64)
    except (OSError, ValueError) as error:
        raise UsageError(f"{run / POINTS}: does not say which points the network knows ({error})") from error
    return export_run(settings, mesh, run / CHECKPOINT, out)


def read_run(folder: Path) -> tuple[TwoDaslConfig, Sources]:
    """Settings and data of a run.

    Raises
    ------
    UsageError
        If the folder holds none.
    """
    settings = read_settings(TwoDaslConfig, folder / CONFIG)
    try:
        plain = json.loads((folder / RUN).read_text(encoding="utf-8"))
        return settings, Sources.from_plain(plain)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{folder / RUN}: does not say what data the run uses ({error})") from error

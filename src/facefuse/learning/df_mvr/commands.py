"""What the command line calls: start, resume and export DF-MVR runs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from facefuse.errors import AssetError, UsageError
from facefuse.learning.df_mvr.config import PRESETS, DfMvrConfig
from facefuse.learning.df_mvr.data.wild import read_wild, wild_rigs
from facefuse.learning.df_mvr.export import Parity, check_parity, export_onnx
from facefuse.learning.df_mvr.n_view import NViewConfig, NViewNet, voted_points
from facefuse.learning.df_mvr.network import DeepFusionConfig, DeepFusionNet
from facefuse.learning.df_mvr.parts import part_table
from facefuse.learning.df_mvr.placing import PointModel
from facefuse.learning.df_mvr.rigs import Rig, made_up_rigs, read_rigs
from facefuse.learning.df_mvr.task import MultiviewTask
from facefuse.learning.engine.checkpoint import CHECKPOINT, averaged_weights
from facefuse.learning.engine.distributed import join_world, leave_world
from facefuse.learning.engine.run_folder import CONFIG, RUN, begin_run
from facefuse.learning.engine.settings import read_settings
from facefuse.learning.engine.trainer import Outcome, prepare, train
from facefuse.learning.landmarks.points import IBUG_POINTS
from facefuse.morphable.model import FaceModel
from facefuse.morphable.registry import load_model

METHOD = "df-mvr"
WILD = "wild.npz"
Size = TypeVar("Size", NViewConfig, DeepFusionConfig)


def start(config: str, data: Path | None, out: Path, landmark_run: Path | None, face_model: Path | None) -> Outcome:
    """Start a run in a folder, or go on with the one there if its settings are the same.

    Parameters
    ----------
    config
        Name of a preset, or a JSON file of settings.
    data
        Folder that ``facefuse synthesize --views N`` wrote; None for some made-up people.
    out
        Of the run.
    landmark_run
        Checkpoint of a landmark network to start the encoder from; random weights without it.
    face_model
        A ``.safetensors`` file that ``facefuse models import`` wrote; the base model without it.

    Raises
    ------
    UsageError
        If the folder holds a run with other settings, or the settings are wrong.
    """
    settings = PRESETS[config] if config in PRESETS else read_settings(DfMvrConfig, Path(config))
    sources = {"data": data, "face_model": face_model, "landmark_run": landmark_run}
    plain = {name: None if path is None else str(path.resolve()) for name, path in sources.items()}
    begin_run(out, settings, METHOD, plain)
    return resume(out)


def resume(out: Path) -> Outcome:
    """Go on with the run in a folder, with its own settings and data.

    Raises
    ------
    UsageError
        If there is none.
    """
    settings, sources, model = read_run(out)
    data = sources["data"]
    world = join_world(settings.engine.device)
    prepare(settings.engine, world)
    try:
        rigs = (
            made_up_rigs(model, settings.data.views, settings.engine.seed) if data is None else read_rigs(data, model)
        )
        few = min(len(rig.views) for rig in rigs)
        if settings.kind == "deep-fusion" and few < settings.data.views:
            raise UsageError(f"the published network needs three views of everybody; {data} has people with {few}")
        network = make_network(settings, model)
        if isinstance(network, NViewNet):
            if sources["landmark_run"] is not None:
                start_from_landmarks(network, model, sources["landmark_run"])
            if settings.compile:
                network.encoder.compile(dynamic=False)
        elif sources["landmark_run"] is not None or settings.compile:
            raise UsageError("the published network starts from random weights, uncompiled")
        network = network.to(world.device, memory_format=torch.channels_last)
        task = MultiviewTask(settings, network, model, rigs, world.device, wild_people(settings, model, data))
        return train(task, settings.engine, out, world)
    finally:
        leave_world(world)


def wild_people(settings: DfMvrConfig, model: FaceModel, data: Path | None) -> list[Rig]:
    """People of single photos, if the settings want some.

    Raises
    ------
    UsageError
        If they do, and there is no folder of data or the network is the published one.
    UnusableInput
        If the folder holds no ``wild.npz``.
    """
    if not settings.data.wild:
        return []
    if data is None or settings.kind != "n-view":
        raise UsageError("data.wild needs a folder of data with wild.npz in it, and the n-view network")
    return wild_rigs(read_wild(data / WILD), model, settings.data.views)


def export(run: Path, out: Path) -> Parity:
    """Write the averaged network of a run as ONNX; return how far it is from PyTorch.

    Raises
    ------
    UsageError
        If it is the published network, which the runtime does not know.
    """
    settings, _, model = read_run(run)
    network = make_network(settings, model)
    if not isinstance(network, NViewNet):
        raise UsageError("the published network is for comparison; only n-view networks are exported")
    network.load_state_dict(averaged_weights(run / CHECKPOINT))
    export_onnx(network, settings.data.size, model, out)
    return check_parity(network, settings.data.size, out)


def make_network(config: DfMvrConfig, model: FaceModel) -> nn.Module:
    """The network of the settings, with as many coefficients as the face model has at most.

    Raises
    ------
    UsageError
        If settings and model do not go together.
    """
    if config.losses.mask and len(set(part_table(model.region_names).tolist())) < 3:
        raise UsageError(f"the model {model.name!r} does not name the parts of the face; set losses.mask to 0")
    if config.kind == "deep-fusion":
        if config.data.views != 3:
            raise UsageError("the published network takes three views; set data.views to 3")
        return DeepFusionNet(fitting(config.deep_fusion, model))
    return NViewNet(fitting(config.n_view, model), PointModel(model, voted_points(model)[IBUG_POINTS:] - IBUG_POINTS))


def start_from_landmarks(network: NViewNet, model: FaceModel, checkpoint: Path) -> None:
    """Start the encoder from the averaged weights of a landmark run's ``checkpoint.pt``.

    Raises
    ------
    AssetError
        If it is no such checkpoint or of another size.
    """
    try:
        weights = torch.load(checkpoint, map_location="cpu", weights_only=True)["average"]
        kept = torch.zeros(weights["votes.bias"].numel() // 4, dtype=torch.bool)
        kept[: len(voted_points(model))] = True  # the irises' come last
        network.encoder.start_from(weights, kept)
    except (RuntimeError, KeyError, ValueError, EOFError, OSError) as error:
        raise AssetError(f"{checkpoint}: not a landmark network of this size ({error})") from error


def read_run(folder: Path) -> tuple[DfMvrConfig, dict[str, Path | None], FaceModel]:
    """Settings, what it reads (``data``, ``landmark_run``; None where nothing) and face model of a run.

    Raises
    ------
    UsageError
        If the folder holds none.
    """
    settings = read_settings(DfMvrConfig, folder / CONFIG)
    try:
        plain = json.loads((folder / RUN).read_text(encoding="utf-8"))
        read = {name: None if plain[name] is None else Path(plain[name]) for name in ("data", "landmark_run")}
        return settings, read, load_model(plain["face_model"] or "base")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{folder / RUN}: does not say what data the run uses ({error})") from error


def fitting(size: Size, model: FaceModel) -> Size:
    """The same size with no more coefficients than the face model has."""
    return replace(
        size,
        identity=min(size.identity, model.identity_count),
        expression=min(size.expression, model.expression_count),
        albedo=min(size.albedo, model.albedo_count),
    )

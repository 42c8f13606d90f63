"""What do masks, attention, the mask loss and separate encoders bring? Trains variants of DF-MVR under one budget.

    python scripts/ablate_df_mvr.py --data RIGS --out DIR [--encoder runs/df_mvr/checkpoint.pt] [--steps 400]

Every variant of a network sees the same batches. Figures are the distance of held-out faces from the truth, RMS after
a similarity, from three views; intervals are 95 % bootstrap intervals over people, differences are paired with the
full network's. A run that was interrupted is resumed, one that is finished read back.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import tyro
from rich.console import Console

from facefuse.evaluation.bootstrap import Estimate, mean_estimate, paired_difference
from facefuse.learning.df_mvr.commands import make_network
from facefuse.learning.df_mvr.config import PRESETS, DfMvrConfig
from facefuse.learning.df_mvr.n_view import NViewNet
from facefuse.learning.df_mvr.network import DeepFusionConfig
from facefuse.learning.df_mvr.rigs import Rig, read_rigs
from facefuse.learning.df_mvr.task import MultiviewTask
from facefuse.learning.engine.checkpoint import averaged_weights
from facefuse.learning.engine.distributed import World
from facefuse.learning.engine.settings import to_json
from facefuse.learning.engine.trainer import prepare, train
from facefuse.morphable.model import FaceModel
from facefuse.morphable.registry import load_model

_VIEWS = 3
_NEVER = 1_000_000_000
_ENCODER = ("encoder.", "lateral.", "parts.", "closer.")


@dataclass(frozen=True)
class Command:
    """Train and compare.

    Attributes
    ----------
    data
        Folder that ``facefuse synthesize --views N`` wrote.
    out
        Folder for the runs and for ablation.json.
    encoder
        Checkpoint of an N-view run whose encoder, with its points and parts, all variants of the N-view network start
        from, so that a small budget goes into what differs; random weights if not given.
    steps, crops, size
        Of every run.
    people, held_out
        People read, and how many of them are kept for measuring.
    """

    data: Path
    out: Path
    encoder: Path | None = None
    steps: int = 400
    crops: int = 24
    size: int = 64
    people: int = 400
    held_out: int = 80


def variants(command: Command) -> dict[str, DfMvrConfig]:
    """Settings by name; the first of each network is the full one."""
    ours = _reduced(PRESETS["cpu"], command)
    published = _reduced(PRESETS["paper-small"], command)
    published = replace(published, deep_fusion=DeepFusionConfig(width=0.25), mask_from=command.steps // 4)
    return {
        "N-view": ours,
        "N-view, masks not used": replace(ours, n_view=replace(ours.n_view, masks=False)),
        "N-view, mean instead of attention": replace(ours, n_view=replace(ours.n_view, attention=False)),
        "N-view, no mask loss": replace(ours, mask_from=_NEVER),
        "N-view, no weighing by common visibility": replace(ours, common=False),
        "published": published,
        "published, one shared encoder": replace(
            published, deep_fusion=replace(published.deep_fusion, shared_encoder=True)
        ),
    }


def _reduced(config: DfMvrConfig, command: Command) -> DfMvrConfig:
    engine = replace(
        config.engine, steps=command.steps, threads=1, ema=0.98, validate_every=0, images_every=0, save_every=100
    )
    optim = replace(config.optim, kind="adamw", learning_rate=8e-4, warm_up=command.steps // 10, clip=1.0)
    pictured = command.crops // 4
    data = replace(
        config.data,
        crops=command.crops,
        size=command.size,
        rendered=command.size,
        views=_VIEWS,
        pictured=pictured,
        held_out=command.held_out,
    )
    return replace(config, engine=engine, optim=optim, data=data, compile=False, mask_from=command.steps // 4)


def run(
    number: int, config: DfMvrConfig, command: Command, rigs: list[Rig], model: FaceModel
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Errors of the held-out people of one variant."""
    folder = command.out / str(number)
    if (folder / "errors.json").exists():
        return np.array(json.loads((folder / "errors.json").read_text(encoding="utf-8")))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(to_json(config), encoding="utf-8")
    prepare(config.engine, World())
    network = make_network(config, model)
    if isinstance(network, NViewNet) and command.encoder is not None:
        kept = {k: v for k, v in averaged_weights(command.encoder).items() if k.startswith(_ENCODER)}
        network.load_state_dict(kept, strict=False)
    task = MultiviewTask(config, network.to(memory_format=torch.channels_last), model, rigs, "cpu")
    outcome = train(task, config.engine, folder, World())
    if not outcome.finished:
        raise SystemExit("interrupted; run again to go on")
    errors = task.held_out_errors(outcome.average, _VIEWS)
    (folder / "errors.json").write_text(json.dumps(errors.tolist()), encoding="utf-8")
    return errors


def main() -> None:
    """Run all variants and write the table."""
    command = tyro.cli(Command)
    console = Console()
    model = load_model("base")
    rigs = read_rigs(command.data, model, command.people)
    found = {}
    for number, (name, config) in enumerate(variants(command).items()):
        found[name] = run(number, config, command, rigs, model)
    table = {}
    console.print("| network | face RMS, mm | against the full network |\n|---|---|---|")
    for name, errors in found.items():
        own, full = mean_estimate(errors), found[name.split(",")[0]]
        table[name] = {"errors": errors.tolist(), "mean": own.value}
        against = "" if errors is full else f"{_said(paired_difference(errors, full).relative, '+.1f')} %"
        console.print(f"| {name} | {_said(own, '.2f')} | {against} |")
    (command.out / "ablation.json").write_text(json.dumps(table, indent=1), encoding="utf-8")


def _said(estimate: Estimate, form: str) -> str:
    if estimate.interval is None:
        return f"{estimate.value:{form}}"
    low, high = estimate.interval
    return f"{estimate.value:{form}} ({low:{form}} to {high:{form}})"


if __name__ == "__main__":
    main()

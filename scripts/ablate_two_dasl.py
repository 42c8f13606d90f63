"""Does 2D assistance help? Trains variants of 2DASL under one budget and compares them on held-out AFLW faces.

    python scripts/ablate_two_dasl.py --data DATA --start runs/landmarks_synthetic/checkpoint.pt \
        --out runs/two_dasl_ablation --steps 200

Every variant starts from the same landmark network, which has seen rendered faces only (one that knows set I's labels
would hide what they add), or from random weights; and sees the same synthetic photos (set J). All but the first also
see AFLW photos (set I), in which only the named terms act.
Figures are NME over 68 landmarks against the fused labels, mean of three yaw bins, of the first pass. Intervals are
95 % bootstrap intervals over photos, of the mean over seeds; differences are paired with the first variant's.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tyro
from rich.console import Console

from facefuse.learning.engine.distributed import World
from facefuse.learning.engine.settings import to_json
from facefuse.learning.engine.trainer import prepare, train
from facefuse.learning.two_dasl.build import task_of
from facefuse.learning.two_dasl.config import LossConfig, TwoDaslConfig
from facefuse.learning.two_dasl.presets import PRESETS
from facefuse.learning.two_dasl.sources import PhotoSets, Sources, read_sets
from facefuse.learning.two_dasl.validation import HeldOutErrors, held_out_errors

_SUPERVISED = LossConfig(wpdc=0.1, vdc=10.0)
_LIGHT = PRESETS["cpu"].losses
_ALL = replace(_SUPERVISED, consistency_2d=1.0, consistency_3d=0.5, cycle=1.0, critic=0.005)
VARIANTS: dict[str, LossConfig] = {
    "synthetic 3D only": _SUPERVISED,
    "+ 2D landmark consistency": replace(_SUPERVISED, consistency_2d=1.0),
    "+ 3D landmark consistency": replace(_SUPERVISED, consistency_3d=0.5),
    "+ cycle consistency": replace(_SUPERVISED, cycle=1.0),
    "+ self-critic": replace(_SUPERVISED, critic=0.005),
    "+ all four (2DASL)": _ALL,
    "direct 2D supervision instead": replace(_LIGHT, wpdc=0.1, vdc=10.0, consistency_3d=0.0, cycle=0.0),
    "direct 2D supervision and all four": replace(
        _LIGHT, wpdc=0.1, vdc=10.0, consistency_2d=1.0, consistency_3d=0.5, cycle=1.0, critic=0.005
    ),
}
_RESAMPLES = 2000


@dataclass(frozen=True)
class Command:
    """Train and compare.

    Attributes
    ----------
    data
        Folder with aflw/ and synthetic/.
    start
        Checkpoint of a landmark network that was trained on rendered faces alone; random weights if not given.
    out
        Folder for the runs (each is resumed if it was interrupted) and for ablation.json.
    steps
        Of every run.
    faces
        Photos of set J in a step, and as many of set I.
    seeds
        Number of seeds.
    size
        Side of the crops, pixels.
    """

    data: Path
    out: Path
    start: Path | None = None
    steps: int = 200
    faces: int = 16
    seeds: int = 2
    size: int = 64


def settings(losses: LossConfig, command: Command, seed: int) -> TwoDaslConfig:
    """Settings of one run; the variant without set I has twice as many photos of set J."""
    alone = losses == _SUPERVISED
    base = PRESETS["cpu"]
    return replace(
        base,
        engine=replace(
            base.engine,
            steps=command.steps,
            seed=seed,
            ema=0.97,
            validate_every=0,
            images_every=0,
            log_every=25,
            save_every=50,
        ),
        optim=replace(base.optim, warm_up=command.steps // 10),
        network=replace(base.network, compile=False),
        maps=replace(base.maps, second_share=0.25 if losses.cycle or losses.consistency_3d else 0.0),
        losses=losses,
        data=replace(
            base.data,
            size=command.size,
            labelled_3d=command.faces * (2 if alone else 1),
            labelled_2d=0 if alone else command.faces,
        ),
    )


def run(name: str, command: Command, seed: int, sets: PhotoSets) -> HeldOutErrors:
    """Train one variant, or read what was trained, and measure it."""
    config = settings(VARIANTS[name], command, seed)
    folder = command.out / f"{list(VARIANTS).index(name)}_{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(to_json(config))
    prepare(config.engine, World())
    task = task_of(config, sets, "cpu", command.start)
    outcome = train(task, config.engine, folder, World())
    if not outcome.finished or task.held_out is None:
        raise SystemExit("interrupted; run again to go on")
    return held_out_errors(outcome.average, task.space, task.held_out, replace(config, maps=PRESETS["cpu"].maps))


def main() -> None:
    """Run all variants and write the table."""
    command = tyro.cli(Command)
    console = Console()
    sets = read_sets(settings(_ALL, command, 0), Sources(command.data))
    found = {name: [run(name, command, seed, sets) for seed in range(command.seeds)] for name in VARIANTS}
    first = next(iter(found.values()))
    rng = np.random.default_rng(0)
    count = len(first[0].pose_bin)
    draws = [rng.integers(0, count, count) for _ in range(_RESAMPLES)]

    def mean(errors: list[HeldOutErrors], chosen: np.ndarray | None = None) -> float:
        return float(np.mean([one.balanced("first", chosen) for one in errors]))

    base = np.array([mean(first, chosen) for chosen in draws])
    table = {}
    for name, errors in found.items():
        resampled = np.array([mean(errors, chosen) for chosen in draws])
        table[name] = {
            "nme": mean(errors),
            "interval": np.percentile(resampled, [2.5, 97.5]).tolist(),
            "difference": mean(errors) - mean(first),
            "difference_interval": np.percentile(resampled - base, [2.5, 97.5]).tolist(),
            "seeds": [one.balanced("first") for one in errors],
        }
        row = table[name]
        low, high = row["difference_interval"]
        console.print(f"{name:<36} {row['nme']:6.2f}   {row['difference']:+6.2f} [{low:+.2f}, {high:+.2f}]")
    for name, errors in found.items():
        table[name]["bins"] = [[float(one.nme["first"][one.pose_bin == k].mean()) for k in range(3)] for one in errors]
    facts = {
        "steps": command.steps,
        "size": command.size,
        "faces": command.faces,
        "seeds": command.seeds,
        "photos": count,
        "variants": table,
    }
    (command.out / "ablation.json").write_text(json.dumps(facts, indent=1))


if __name__ == "__main__":
    main()

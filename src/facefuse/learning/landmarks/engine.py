"""The training loop: deterministic steps, averaged weights, exact resume."""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .augment import Batch, plain_crops
from .batches import batches
from .config import TrainConfig
from .data import FaceSet
from .losses import point_loss, score_loss, sigma_loss
from .network import LandmarkNet
from .points import IBUG_POINTS


@dataclass
class TrainState:
    """Everything a run needs to go on: the step reached, the network, its running average, the optimiser."""

    step: int
    network: LandmarkNet
    average: LandmarkNet
    optimizer: torch.optim.Optimizer


def new_state(config: TrainConfig, points: int) -> TrainState:
    """Freshly initialised state for ``points`` landmarks; the same for the same seed."""
    torch.manual_seed(config.seed)
    device = torch.device(config.device)
    network = LandmarkNet(config.network, points).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = LandmarkNet(config.network, points).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    average.load_state_dict(network.state_dict())
    average.eval().requires_grad_(False)
    decayed = [p for p in network.parameters() if p.ndim > 1]
    plain = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    return TrainState(0, network, average, torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.99)))


def save_state(state: TrainState, path: Path) -> None:
    """Write a checkpoint; the file appears whole or not at all."""
    content = {
        "step": state.step,
        "network": state.network.state_dict(),
        "average": state.average.state_dict(),
        "optimizer": state.optimizer.state_dict(),
    }
    partial = path.with_suffix(".partial")
    torch.save(content, partial)
    partial.replace(path)


def load_state(state: TrainState, path: Path, device: str) -> None:
    """Continue ``state`` from a checkpoint of the same network."""
    content = torch.load(path, map_location=device, weights_only=True)
    state.step = int(content["step"])
    state.network.load_state_dict(content["network"])
    state.average.load_state_dict(content["average"])
    state.optimizer.load_state_dict(content["optimizer"])


def start_from(state: TrainState, path: Path, device: str) -> None:
    """Begin with the averaged weights of another run, as step 0 of a new one."""
    content = torch.load(path, map_location=device, weights_only=True)
    state.network.load_state_dict(content["average"])
    state.average.load_state_dict(content["average"])


def rate_at(config: TrainConfig, step: int) -> float:
    """Learning rate of a step: linear warm-up, then half a cosine."""
    if step < config.warm_up:
        return config.learning_rate * (step + 1) / config.warm_up
    done = (step - config.warm_up) / max(config.steps - config.warm_up, 1)
    return config.learning_rate * (
        config.final_rate + (1.0 - config.final_rate) * 0.5 * (1.0 + math.cos(math.pi * done))
    )


def batch_loss(network: nn.Module, batch: Batch, config: TrainConfig) -> tuple[Tensor, dict[str, Tensor]]:
    """Total loss of a batch and its parts."""
    crops, target, weight, is_face = (
        torch.from_numpy(a).to(config.device, non_blocking=True)
        for a in (batch.crops, batch.target, batch.weight, batch.is_face)
    )
    with torch.autocast(config.device, torch.bfloat16, enabled=config.bfloat16):
        points, log_sigma, score = network(crops)
    sparse, dense = slice(0, IBUG_POINTS), slice(IBUG_POINTS, None)
    parts = {
        "nme68": point_loss(points[:, sparse], target[:, sparse], weight[:, sparse]),
        "nme_mesh": point_loss(points[:, dense], target[:, dense], weight[:, dense]),
        "sigma": sigma_loss(log_sigma, points, target, weight),
        "score": score_loss(score, is_face),
    }
    # The point losses are of order 0.03 and lead; the others are scaled to the same order.
    total = parts["nme68"] + config.mesh_weight * parts["nme_mesh"]
    total = total + 0.05 * (config.sigma_weight * parts["sigma"] + config.score_weight * 20.0 * parts["score"])
    return total, parts


def update_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Move the averaged weights and statistics towards the network's."""
    with torch.no_grad():
        for kept, new in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
            if kept.dtype.is_floating_point:
                kept.lerp_(new, 1.0 - decay)
            else:
                kept.copy_(new)


def train(
    faces: FaceSet,
    held_out: FaceSet,
    backgrounds: NDArray[np.uint8],
    config: TrainConfig,
    out: Path,
    start: Path | None = None,
) -> TrainState:
    """Train, or go on with the run in ``out``; returns the final state.

    A new run may begin with the averaged weights of the checkpoint ``start``.

    Writes ``checkpoint.pt`` (resume point), ``config.json`` and one line of ``log.jsonl`` per report into ``out``.
    """
    out.mkdir(parents=True, exist_ok=True)
    (out / "config.json").write_text(json.dumps(asdict(config), indent=1))
    if config.device == "cpu":
        torch.set_num_threads(config.threads)
        torch.set_flush_denormal(True)
    state = new_state(config, faces.points.shape[1])
    if (out / "checkpoint.pt").exists():
        load_state(state, out / "checkpoint.pt", config.device)
    elif start is not None:
        start_from(state, start, config.device)
    network = torch.compile(state.network, dynamic=False) if config.compile else state.network
    state.network.train()
    sums: dict[str, float] = {}
    since, started = state.step, time.perf_counter()
    for batch in batches(faces, backgrounds, config, state.step):
        rate = rate_at(config, state.step)
        for group in state.optimizer.param_groups:
            group["lr"] = rate
        loss, parts = batch_loss(network, batch, config)
        state.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(state.network.parameters(), 1.0)
        state.optimizer.step()
        # A short memory at first, so that the average is not held back by the initial weights.
        memory = config.ema if start is not None else min(config.ema, (state.step + 1) / (state.step + 10))
        update_average(state.average, state.network, memory)
        state.step += 1
        for name, value in parts.items():
            sums[name] = sums.get(name, 0.0) + float(value.detach())
        if state.step % config.log_every == 0 or state.step == config.steps:
            count, seconds = state.step - since, time.perf_counter() - started
            report: dict[str, float] = {"step": state.step, "size": config.size_at(state.step - 1), "rate": rate}
            report |= {name: value / count for name, value in sums.items()}
            report["faces_per_second"] = count * config.batch / seconds
            if state.step % config.save_every == 0 or state.step == config.steps:
                save_state(state, out / "checkpoint.pt")
                report |= evaluate(state.average, held_out, config.size_at(state.step - 1), config.device)
            with (out / "log.jsonl").open("a") as log:
                log.write(json.dumps({k: round(v, 6) for k, v in report.items()}) + "\n")
            sums, since, started = {}, state.step, time.perf_counter()
    save_state(state, out / "checkpoint.pt")
    return state


def evaluate(network: LandmarkNet, faces: FaceSet, size: int, device: str) -> dict[str, float]:
    """NME in percent of held-out faces, cut to ``size``, against the fused labels: pose bins, their mean, the mesh."""
    crops, target = plain_crops(faces.photos, faces.points, size)
    predicted = np.concatenate([predict(network, crops[i : i + 64], device) for i in range(0, len(crops), 64)])
    extent = np.ptp(target[:, :IBUG_POINTS], axis=1)
    error = np.linalg.norm(predicted - target, axis=-1) / np.sqrt(extent.prod(axis=1))[:, None] * 100.0
    nme = error[:, :IBUG_POINTS].mean(axis=1)
    pose_bin = np.digitize(np.abs(faces.yaw_deg), (30.0, 60.0))
    bins = [float(nme[pose_bin == k].mean()) if (pose_bin == k).any() else math.nan for k in range(3)]
    return {
        **{f"val_{name}": value for name, value in zip(("0_30", "30_60", "60_90"), bins, strict=True)},
        "val_balanced": float(np.nanmean(bins)),
        "val_mesh": float(np.nanmean(error[:, IBUG_POINTS:])),
    }


def predict(network: LandmarkNet, crops: NDArray[np.uint8], device: str) -> NDArray[np.float32]:
    """Points (N, P, 2) of crops (N, S, S, 3), in pixels of a `CROP_SIZE` crop."""
    with torch.inference_mode():
        points: NDArray[np.float32] = network(torch.from_numpy(crops).to(device))[0].cpu().numpy()
    return points

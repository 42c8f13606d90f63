"""Training loop of the detector, resumable at any checkpoint with the same result."""

from __future__ import annotations

import copy
import json
import math
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from facefuse.learning.detector.compose import assign
from facefuse.learning.detector.config import DetectorConfig
from facefuse.learning.detector.data import TrainingData
from facefuse.learning.detector.losses import box_loss, points_loss, score_loss
from facefuse.learning.detector.network import DetectorNetwork, cell_geometry, decode
from facefuse.learning.detector.scenes import HardSpots, Scene, SceneComposer
from facefuse.learning.detector.validation import find_hard_spots, validate, validation_scenes

Batch = dict[str, Tensor]
POOL_STEPS = 16
"""Runs are saved and validated at multiples of this, so that a resumed one sees the same scenes."""


def learning_rate(config: DetectorConfig, step: int) -> float:
    """Warm-up, plateau, half cosine to zero."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    start = config.steps * (1 - config.decay_fraction)
    share = min(max((step - start) / max(config.steps - start, 1), 0.0), 1.0)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * share))


def mirrored(scene: Scene) -> Scene:
    """The scene's mirror image, with left and right points exchanged."""
    last = scene.pixels.shape[1] - 1
    faces, ignored = scene.faces.copy(), scene.ignored.copy()
    faces[:, 0] = last - faces[:, 0]
    ignored[:, 0] = last - ignored[:, 0]
    points = scene.faces[:, 3:].reshape(-1, 5, 2)[:, [1, 0, 2, 4, 3]].copy()
    points[..., 0] = last - points[..., 0]
    faces[:, 3:] = points.reshape(-1, 10)
    return Scene(scene.pixels[:, ::-1], faces, ignored)


def make_batch(scenes: list[Scene]) -> Batch:
    """Pixels and per-cell targets of some scenes."""
    states, rows = [], []
    for scene in scenes:
        state, which = assign(scene.faces, scene.ignored, scene.pixels.shape[0])
        states.append(state)
        rows.append(scene.faces[which[state == 1]])
    return {
        "pixels": torch.from_numpy(np.stack([s.pixels for s in scenes])),
        "state": torch.from_numpy(np.stack(states)),
        "rows": torch.from_numpy(np.concatenate(rows)),
    }


def total_loss(network: nn.Module, batch: Batch, config: DetectorConfig) -> tuple[Tensor, dict[str, float]]:
    """Loss of a batch, per face cell, and its parts."""
    image = batch["pixels"].to(config.device).permute(0, 3, 1, 2).float() / 255
    raw = network(image.contiguous(memory_format=torch.channels_last))
    state = batch["state"].to(config.device)
    centres, strides = (x.to(config.device) for x in cell_geometry(*image.shape[2:]))
    score = score_loss(raw[..., 0], state, config.focal_gamma)
    image_index, cell = torch.nonzero(state == 1, as_tuple=True)
    count = max(len(cell), 1)
    rows = batch["rows"].to(config.device)
    squares, points = decode(raw[image_index, cell], centres[cell], strides[cell])
    box = box_loss(squares, rows[:, :3]).sum()
    shape = points_loss(points, rows[:, 3:].reshape(-1, 5, 2), rows[:, 2]).sum()
    loss = (score + config.box_weight * box + config.points_weight * shape) / count
    return loss, {k: float(v.detach()) / count for k, v in (("score", score), ("box", box), ("points", shape))}


class DetectorTrainer:
    """A training run in a folder: `log.jsonl`, `state.pt` for resuming, `weights.safetensors` (averaged weights)."""

    def __init__(self, config: DetectorConfig, out: Path, data: TrainingData, validation: TrainingData) -> None:
        self.config, self.out, self.data = config, out, data
        torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        self.network = DetectorNetwork().to(config.device, memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.network)
        decayed = [p for p in self.network.parameters() if p.ndim > 1]
        other = [p for p in self.network.parameters() if p.ndim <= 1]
        self.optimizer = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": config.weight_decay}, {"params": other, "weight_decay": 0.0}],
            lr=config.learning_rate,
        )
        self.step = 0
        self.hard = HardSpots(np.zeros(0, np.int64), np.zeros((0, 2), np.float32), np.zeros(0, np.float32))
        self.validation = validation
        self.scenes = validation_scenes(validation, config.scene_size, config.validation_scenes)
        self._pool: tuple[int, list[Scene], NDArray[np.int64]] = (-1, [], np.zeros(0, np.int64))
        out.mkdir(parents=True, exist_ok=True)
        (out / "config.json").write_text(json.dumps(asdict(config), indent=1))

    def batch(self, step: int) -> Batch:
        """The batch of a step.

        Composing costs nearly as much as learning. Scenes are therefore composed for `POOL_STEPS` steps at a time, a
        quarter of what these steps use; each is seen four times in random order, half of them mirrored.
        """
        group, place = divmod(step, POOL_STEPS)
        size = self.config.batch_size
        if self._pool[0] != group:
            rng = np.random.default_rng([self.config.seed, group])
            composer = SceneComposer(self.data, self.config.scene_size, rng, self.hard, self.config.hard_negative_share)
            scenes = [composer.compose() for _ in range(size * POOL_STEPS // 4)]
            order = np.concatenate([2 * rng.permutation(len(scenes)) + k % 2 for k in range(4)])
            self._pool = (group, scenes, order)
        _, scenes, order = self._pool
        chosen = order[place * size : (place + 1) * size]
        return make_batch([mirrored(scenes[k // 2]) if k % 2 else scenes[k // 2] for k in chosen])

    def train(self, start: Path | None = None) -> None:
        """Run to the configured number of steps, from the folder's state if there is one, else from given weights."""
        if (self.out / "state.pt").is_file():
            self.load()
        elif start is not None:
            self.begin_with(start)
        config = self.config
        started, sums = time.perf_counter(), {"score": 0.0, "box": 0.0, "points": 0.0}
        while self.step < config.steps:
            for group in self.optimizer.param_groups:
                group["lr"] = learning_rate(config, self.step)
            self.network.train()
            loss, parts = total_loss(self.network, self.batch(self.step), config)
            self.optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
            self.optimizer.step()
            self.step += 1
            self._update_average()
            for key, value in parts.items():
                sums[key] += value / 50
            if self.step % 50 == 0:
                seconds = (time.perf_counter() - started) / 50
                self._log({"step": self.step, "seconds_per_step": round(seconds, 3), **sums})
                started, sums = time.perf_counter(), dict.fromkeys(sums, 0.0)
            if self.step % config.validate_every == 0 or self.step == config.steps:
                self._log(
                    {
                        "step": self.step,
                        **validate(self.average, self.scenes, self.validation.backgrounds, config.device),
                    }
                )
                self.hard = find_hard_spots(self.average, self.data.backgrounds, config.device)
                self._log({"step": self.step, "hard_spots": float(len(self.hard.index))})
            if self.step % config.save_every == 0 or self.step == config.steps:
                self.save()

    def begin_with(self, weights: Path) -> None:
        """Take over trained weights, and look for the backgrounds that fool them."""
        self.network.load_state_dict(load_file(weights))
        self.average.load_state_dict(self.network.state_dict())
        self.hard = find_hard_spots(self.average, self.data.backgrounds, self.config.device)

    def _update_average(self) -> None:
        keep = min(self.config.ema_decay, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for mean, value in zip(self.average.state_dict().values(), self.network.state_dict().values(), strict=True):
                if mean.dtype.is_floating_point:
                    mean.lerp_(value, 1 - keep)
                else:
                    mean.copy_(value)

    def _log(self, row: dict[str, float]) -> None:
        text = json.dumps({k: round(v, 5) if isinstance(v, float) else v for k, v in row.items()})
        with (self.out / "log.jsonl").open("a") as file:
            file.write(text + "\n")

    def save(self) -> None:
        """Write the averaged weights, and the state that `load` continues from."""
        save_file(
            {k: v.contiguous().cpu() for k, v in self.average.state_dict().items()}, self.out / "weights.safetensors"
        )
        state = {
            "step": self.step,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "hard": {
                "index": torch.from_numpy(self.hard.index),
                "centre": torch.from_numpy(self.hard.centre),
                "side": torch.from_numpy(self.hard.side),
            },
        }
        partial = self.out / "state.pt.partial"
        torch.save(state, partial)
        partial.replace(self.out / "state.pt")

    def load(self) -> None:
        """Continue from the folder's state."""
        state = torch.load(self.out / "state.pt", map_location=self.config.device, weights_only=True)
        self.step = state["step"]
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.hard = HardSpots(**{k: v.cpu().numpy() for k, v in state["hard"].items()})


def load_network(weights: Path) -> DetectorNetwork:
    """The network with trained weights (safetensors), ready to be evaluated."""
    network = DetectorNetwork()
    network.load_state_dict(load_file(weights))
    network.eval()
    return network

"""A tiny task with everything that makes a run: batch normalisation, dropout, two players."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from facefuse.learning.engine.config import EngineConfig, OptimConfig
from facefuse.learning.engine.task import Losses, Player

TINY = EngineConfig(
    steps=4, shards=4, ema=0.9, seed=3, log_every=1, validate_every=0, images_every=0, save_every=0, threads=1
)
PER_SHARD = 3


class TinyTask:
    """Learns a fixed map of noise pictures; the second player guesses the first one's output."""

    averaged = "net"

    def __init__(self, config: EngineConfig, dropout: float = 0.2, on_step=lambda step: None) -> None:
        torch.manual_seed(config.seed)
        self.config, self.on_step = config, on_step
        self.net = nn.Sequential(
            nn.Conv2d(3, 6, 3, bias=False),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Flatten(),
            nn.Linear(6 * 36, 2),
        )
        self.other = nn.Linear(2, 1)
        adam = OptimConfig(learning_rate=0.01, weight_decay=0.1, warm_up=1)
        self.players = {
            "net": Player(self.net, adam),
            "other": Player(self.other, replace(adam, kind="sgd", schedule="exponential")),
        }

    def batch(self, step: int, shards: Sequence[int]) -> np.ndarray:
        rngs = [np.random.default_rng([self.config.seed, step, shard]) for shard in shards]
        return np.concatenate([rng.standard_normal((PER_SHARD, 3, 8, 8)) for rng in rngs]).astype(np.float32)

    def losses(self, batch: np.ndarray, step: int) -> Losses:
        self.on_step(step)
        x = torch.from_numpy(batch)
        found = self.net(x)
        wanted = x.mean(dim=(2, 3))[:, :2] * 8.0
        loss = (found - wanted).square().mean()
        fooled = self.other(found).square().mean()
        guess = (self.other(found.detach()).squeeze(1) - wanted[:, 0]).square().mean()
        return Losses({"net": loss + 0.1 * fooled, "other": guess}, {"plain": loss})

    def validate(self, average: nn.Module) -> dict[str, float]:
        return {"val": float(average(torch.ones(1, 3, 8, 8)).sum().detach())}

    def images(self, average: nn.Module) -> dict[str, np.ndarray]:
        return {"grey": np.full((4, 4, 3), 128, np.uint8)}

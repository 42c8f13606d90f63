"""Optimisers and learning rates."""

from __future__ import annotations

import math

import torch
from torch import nn

from facefuse.learning.engine.config import OptimConfig


def rate_at(config: OptimConfig, step: int, steps: int) -> float:
    """Learning rate of a step (from 0) of a run of ``steps``."""
    if step < config.warm_up:
        return config.learning_rate * (step + 1) / config.warm_up
    done = min((step - config.warm_up) / max(steps - config.warm_up, 1), 1.0)
    if config.schedule == "constant":
        return config.learning_rate
    if config.schedule == "exponential":
        return float(config.learning_rate * config.final_rate**done)
    return config.learning_rate * (
        config.final_rate + (1.0 - config.final_rate) * 0.5 * (1.0 + math.cos(math.pi * done))
    )


def make_optimizer(module: nn.Module, config: OptimConfig) -> torch.optim.Optimizer:
    """An optimiser of the parameters that want gradients; only those of two or more dimensions are decayed."""
    trained = [p for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if config.kind == "sgd":
        return torch.optim.SGD(
            groups, lr=config.learning_rate, momentum=config.momentum, nesterov=config.momentum > 0.0
        )
    optimizers = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    return optimizers[config.kind](groups, lr=config.learning_rate, betas=(config.momentum, config.second_moment))


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of all parameters."""
    for group in optimizer.param_groups:
        group["lr"] = rate

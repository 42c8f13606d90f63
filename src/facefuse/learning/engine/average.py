"""Averaged weights: an exponential moving average of a network, which is what is validated and shipped."""

from __future__ import annotations

import copy

import torch
from torch import nn


def averaged_copy(network: nn.Module) -> nn.Module:
    """A copy in evaluation mode that wants no gradients."""
    average = copy.deepcopy(network)
    average.eval().requires_grad_(False)
    return average


def update_average(average: nn.Module, network: nn.Module, decay: float, step: int) -> None:
    """Move the averaged weights and statistics towards the network's after a step (from 0).

    The memory is short at first, so that the average is not held back by the initial weights.
    """
    towards = 1.0 - min(decay, (step + 1) / (step + 10))
    with torch.no_grad():
        for kept, new in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
            if kept.dtype.is_floating_point:
                kept.lerp_(new, towards)
            else:
                kept.copy_(new)

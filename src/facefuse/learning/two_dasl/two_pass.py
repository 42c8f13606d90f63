"""The two passes: a face predicted from a photo, and again from the photo with the first face's landmarks drawn in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from facefuse.learning.two_dasl.config import MapConfig
from facefuse.learning.two_dasl.flm import flm_points, hard_map, soft_map
from facefuse.learning.two_dasl.light import Prediction
from facefuse.learning.two_dasl.space import Placed


class CoefficientSpace(Protocol):
    """What the passes and losses need of a coefficient space; see `BaseSpace`."""

    size: int
    expression_names: tuple[str, ...]

    def place(self, values: Tensor) -> Placed: ...

    def impacts(self, values: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Passes:
    """Both passes over a batch.

    Attributes
    ----------
    first
        Of all N samples, and ``placed``, the faces it describes.
    chosen
        (n,) samples that take the second pass; ``second`` and ``placed_again`` are theirs, None where n is 0.
    """

    first: Prediction
    placed: Placed
    chosen: Tensor
    second: Prediction | None = None
    placed_again: Placed | None = None


def draw_map(points68: Tensor, size: int, config: MapConfig) -> Tensor:
    """The landmark map (N, size, size) of 68 points (N, 68, 2)."""
    points = flm_points(points68)
    return soft_map(points, size, config.sigma_px) if config.kind == "soft" else hard_map(points, size)


def first_map(points68: Tensor, noise: Tensor, chance: Tensor, size: int, config: MapConfig) -> Tensor | None:
    """The map the first pass is given, from the data's landmarks: None where the settings want none.

    Parameters
    ----------
    points68
        (N, 68, 2) labels.
    noise
        (N, 18, 2) standard normal.
    chance
        (N,) uniform; maps of samples below the dropout are left empty.
    """
    if config.first == "empty":
        return None
    moved = flm_points(points68) + config.noise_px * noise
    drawn = soft_map(moved, size, config.sigma_px) if config.kind == "soft" else hard_map(moved, size)
    return drawn * (chance >= config.dropout).to(drawn.dtype)[:, None, None]


def two_passes(
    network: torch.nn.Module, space: CoefficientSpace, crops: Tensor, maps: Tensor | None, config: MapConfig
) -> Passes:
    """Predict all samples, and an evenly spread share of them a second time with the map of the first result.

    Hard maps carry no gradient from the second pass to the first one's coordinates (as published); soft ones do.
    """
    first = network(crops, maps)
    placed = space.place(first.values)
    if config.second_share <= 0.0:
        return Passes(first, placed, torch.zeros(0, dtype=torch.long, device=crops.device))
    stride = max(round(1.0 / config.second_share), 1)
    chosen = torch.arange(0, len(crops), stride, device=crops.device)
    drawn = draw_map(placed.points[chosen, :68], crops.shape[1], config)
    second = network(crops[chosen], drawn)
    return Passes(first, placed, chosen, second, space.place(second.values))

"""What a method tells the engine about itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from facefuse.learning.engine.config import OptimConfig

BatchT = TypeVar("BatchT")


@dataclass(frozen=True)
class Player:
    """A network with its own optimiser (a method with a critic has two)."""

    network: nn.Module
    optim: OptimConfig


@dataclass(frozen=True)
class Losses:
    """The losses of a batch.

    Attributes
    ----------
    objectives
        What each player minimises, by the player's name; means over the samples of the batch, so that the mean over
        processes is the value for the whole batch.
    parts
        Further figures for the report.
    """

    objectives: Mapping[str, Tensor]
    parts: Mapping[str, Tensor] = field(default_factory=dict)


class Task(Protocol[BatchT]):
    """A method that can be trained.

    Attributes
    ----------
    players
        The networks, by name. They are saved with the run.
    averaged
        Name of the player whose averaged weights are validated and exported.
    """

    @property
    def players(self) -> Mapping[str, Player]: ...

    @property
    def averaged(self) -> str: ...

    def batch(self, step: int, shards: Sequence[int]) -> BatchT:
        """Make the given shards of a step's batch: a pure function of the seed, the step and the shards."""
        ...

    def losses(self, batch: BatchT, step: int) -> Losses:
        """Compute the losses."""
        ...

    def validate(self, average: nn.Module) -> dict[str, float]:
        """Measure the averaged network; may be empty."""
        ...

    def images(self, average: nn.Module) -> dict[str, NDArray[np.uint8]]:
        """Draw pictures (H, W, 3) that show how training goes; may be empty."""
        ...

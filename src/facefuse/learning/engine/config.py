"""Settings of the training loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class OptimConfig:
    """How one network is optimised.

    Attributes
    ----------
    kind
        Optimiser.
    learning_rate
        The highest.
    weight_decay
        Of weight matrices and kernels; biases and normalisation have none.
    momentum
        Of ``sgd`` (Nesterov), or the first moment of the others.
    second_moment
        Of ``adam`` and ``adamw``.
    schedule
        After the warm-up: half a ``cosine`` down to ``final_rate`` times the highest; ``exponential`` to the same;
        ``constant``.
    warm_up
        Steps over which the rate rises linearly.
    clip
        Largest norm of the gradient; 0 to leave it.
    """

    kind: Literal["adamw", "adam", "sgd"] = "adamw"
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    momentum: float = 0.9
    second_moment: float = 0.99
    schedule: Literal["cosine", "exponential", "constant"] = "cosine"
    final_rate: float = 0.01
    warm_up: int = 0
    clip: float = 1.0


@dataclass(frozen=True)
class EngineConfig:
    """The loop around the method.

    Attributes
    ----------
    steps
        Of the whole run; learning rates follow it.
    shards
        Parts of a step's batch that are made independently of each other. Several processes divide the shards among
        themselves, so that the batch is the same whatever their number.
    ema
        Decay per step of the averaged weights.
    seed
        Of the weights and of every batch.
    device
        ``cpu``, ``cuda``, …; with several processes each takes its own ``cuda`` device.
    threads
        CPU threads; 0 leaves the choice to PyTorch.
    bfloat16
        Mixed precision: bfloat16 where it is safe.
    log_every, validate_every, images_every, save_every
        Steps between reports, validations, pictures, checkpoints; 0 for never (a checkpoint is always written at the
        end and when the run is interrupted).
    """

    steps: int = 1000
    shards: int = 1
    ema: float = 0.998
    seed: int = 20
    device: str = "cpu"
    threads: int = 1
    bfloat16: bool = False
    log_every: int = 50
    validate_every: int = 250
    images_every: int = 500
    save_every: int = 250

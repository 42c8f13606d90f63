"""Checkpoints: everything a run needs to go on exactly, in one file that appears whole or not at all."""

from __future__ import annotations

import pickle
import random
from pathlib import Path
from typing import Any

import torch
from torch import nn

from facefuse.errors import AssetError

CHECKPOINT = "checkpoint.pt"

_DAMAGE = (RuntimeError, KeyError, ValueError, EOFError, OSError, TypeError, pickle.UnpicklingError)
"""What reading a file that is no checkpoint raises (PyTorch reads weights without running pickles, but with their
errors)."""


def save_checkpoint(
    path: Path,
    step: int,
    networks: dict[str, nn.Module],
    average: nn.Module,
    optimizers: dict[str, torch.optim.Optimizer],
) -> None:
    """Write the step reached, weights, averaged weights, optimisers and the random numbers' state.

    Batches are functions of the step, so the step is also the position in the data.
    """
    version, internal, gauss = random.getstate()
    content = {
        "step": step,
        "networks": {name: network.state_dict() for name, network in networks.items()},
        "average": average.state_dict(),
        "optimizers": {name: optimizer.state_dict() for name, optimizer in optimizers.items()},
        "torch_random": torch.get_rng_state(),
        "cuda_random": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "python_random": (version, list(internal), gauss),
    }
    partial = path.with_suffix(".partial")
    torch.save(content, partial)
    partial.replace(path)


def load_checkpoint(
    path: Path,
    networks: dict[str, nn.Module],
    average: nn.Module,
    optimizers: dict[str, torch.optim.Optimizer],
    device: str,
) -> int:
    """Put the state of a checkpoint into the given networks and optimisers; return the step reached.

    Raises
    ------
    AssetError
        If it is damaged or belongs to other networks.
    """
    try:
        content = torch.load(path, map_location=device, weights_only=True)
        for name, network in networks.items():
            network.load_state_dict(content["networks"][name])
        average.load_state_dict(content["average"])
        for name, optimizer in optimizers.items():
            optimizer.load_state_dict(content["optimizers"][name])
        torch.set_rng_state(content["torch_random"].cpu())
        if torch.cuda.is_available():
            torch.cuda.set_rng_state_all([state.cpu() for state in content["cuda_random"]])
        version, internal, gauss = content["python_random"]
        random.setstate((version, tuple(internal), gauss))
    except _DAMAGE as error:
        raise AssetError(f"{path}: not a checkpoint of these networks ({error}); resume with its settings") from error
    return int(content["step"])


def averaged_weights(path: Path) -> dict[str, Any]:
    """Read only the averaged weights of a checkpoint.

    Raises
    ------
    AssetError
        If there is no such file or it is no checkpoint.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        return dict(content["average"])
    except _DAMAGE as error:
        raise AssetError(f"{path}: not a checkpoint ({error})") from error

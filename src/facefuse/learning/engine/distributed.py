"""Several processes, one batch: PyTorch's launcher (``torchrun``) says who is who, gradients are averaged.

Gradients are averaged after the backward pass instead of by wrapping the networks, because a method may have several
losses and optimisers in one step. Batch normalisation takes its statistics over all processes, so that a run does not
depend on how many there are.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce

from facefuse.errors import UsageError


@dataclass(frozen=True)
class World:
    """The processes of a run.

    Attributes
    ----------
    rank, size
        This process and how many there are.
    device
        What it computes on.
    """

    rank: int = 0
    size: int = 1
    device: str = "cpu"

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def shards(self, count: int) -> Sequence[int]:
        """The shards of a batch that this process makes.

        Raises
        ------
        UsageError
            If they cannot be divided evenly.
        """
        if count % self.size:
            raise UsageError(f"{count} shards cannot be divided among {self.size} processes; set a multiple of it")
        return range(self.rank, count, self.size)

    def average(self, tensors: Iterable[Tensor]) -> None:
        """Replace tensors by their mean over the processes, as one message."""
        if self.size == 1:
            return
        tensors = list(tensors)
        message = torch.cat([t.reshape(-1) for t in tensors])
        dist.all_reduce(message)
        message /= self.size
        for tensor, part in zip(tensors, message.split([t.numel() for t in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))

    def agree(self, flag: bool) -> bool:
        """Whether the flag is set in any process."""
        if self.size == 1:
            return flag
        vote = torch.tensor([float(flag)], device=self.device)
        dist.all_reduce(vote)
        return bool(vote.item() > 0.0)


def join_world(device: str) -> World:
    """Join the processes that ``torchrun`` started, or be alone."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return World(device=device)
    if device.startswith("cuda"):
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
        torch.cuda.set_device(device)
    if not dist.is_initialized():
        dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    return World(dist.get_rank(), size, device)


def leave_world(world: World) -> None:
    """End the messages between the processes."""
    if world.size > 1 and dist.is_initialized():
        dist.destroy_process_group()


class SharedBatchNorm2d(nn.BatchNorm2d):  # type: ignore[misc]
    """Batch normalisation with statistics over the batches of all processes, on any device.

    (PyTorch's own SyncBatchNorm needs CUDA.) Every process must hold as many values as the others.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not dist.is_initialized():
            return super().forward(x)
        moments = torch.stack([x.float().mean(dim=(0, 2, 3)), x.float().square().mean(dim=(0, 2, 3))])
        mean, square = all_reduce(moments) / dist.get_world_size()
        variance = square - mean.square()
        with torch.no_grad():
            count = dist.get_world_size() * x.numel() / x.shape[1]
            momentum = 0.1 if self.momentum is None else self.momentum
            self.running_mean.lerp_(mean, momentum)
            self.running_var.lerp_(variance * (count / (count - 1.0)), momentum)
            self.num_batches_tracked.add_(1)
        scale = (self.weight * torch.rsqrt(variance + self.eps)).to(x.dtype)
        shift = (self.bias - mean * self.weight * torch.rsqrt(variance + self.eps)).to(x.dtype)
        return x * scale[:, None, None] + shift[:, None, None]


def share_batch_norm(module: nn.Module) -> None:
    """Turn every batch normalisation of a module into a shared one, in place; names and values stay."""
    for part in module.modules():
        if type(part) is nn.BatchNorm2d:
            part.__class__ = SharedBatchNorm2d

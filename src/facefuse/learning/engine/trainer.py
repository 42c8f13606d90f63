"""The training loop: deterministic steps, averaged weights, exact resume, orderly end on a signal."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from facefuse.learning.engine.average import averaged_copy, update_average
from facefuse.learning.engine.checkpoint import CHECKPOINT, load_checkpoint, save_checkpoint
from facefuse.learning.engine.config import EngineConfig
from facefuse.learning.engine.distributed import World, share_batch_norm
from facefuse.learning.engine.journal import Journal
from facefuse.learning.engine.optim import make_optimizer, rate_at, set_rate
from facefuse.learning.engine.task import Losses, Player, Task

BatchT = TypeVar("BatchT")


@dataclass(frozen=True)
class Outcome:
    """How a call of `train` ended.

    Attributes
    ----------
    step
        The step reached.
    finished
        Whether that is the last one; otherwise a signal ended the run early and it can be resumed.
    average
        The averaged network.
    """

    step: int
    finished: bool
    average: nn.Module


def prepare(config: EngineConfig, world: World) -> None:
    """Set threads, number formats and the seed; call it before the networks are made."""
    if config.threads:
        torch.set_num_threads(config.threads)
    if not world.device.startswith("cuda"):
        torch.set_flush_denormal(True)
    torch.manual_seed(config.seed)


def train(task: Task[Any], config: EngineConfig, folder: Path, world: World) -> Outcome:
    """Train a task, or go on with the run in ``folder``.

    Writes ``checkpoint.pt``, ``log.jsonl`` and TensorBoard events there. On SIGTERM or SIGINT the step at hand is
    finished and a checkpoint written; a run resumed from it ends with the same bits as one never interrupted.

    Parameters
    ----------
    task
        Its networks must be made after `prepare`, on ``world.device``.
    config
        The loop's settings.
    folder
        Of the run; made if absent.
    world
        The processes, from `join_world`.

    Raises
    ------
    UsageError
        If the shards cannot be divided among the processes.
    AssetError
        If the checkpoint in the folder belongs to other networks.
    """
    folder.mkdir(parents=True, exist_ok=True)
    players = dict(task.players)
    networks = {name: player.network for name, player in players.items()}
    if world.size > 1:
        for network in networks.values():
            share_batch_norm(network)
    average = averaged_copy(networks[task.averaged])
    optimizers = {name: make_optimizer(player.network, player.optim) for name, player in players.items()}
    step = 0
    if (folder / CHECKPOINT).exists():
        step = load_checkpoint(folder / CHECKPOINT, networks, average, optimizers, world.device)
    for network in networks.values():
        network.train()

    def save(at: int) -> None:
        if world.leads:
            save_checkpoint(folder / CHECKPOINT, at, networks, average, optimizers)

    tally = _Tally(step)
    shards = world.shards(config.shards)
    with Journal(folder, config.steps, step, silent=not world.leads) as journal, _signals_noted() as signalled:
        for batch in _ahead(task, shards, step, config.steps):
            rates = {name: rate_at(player.optim, step, config.steps) for name, player in players.items()}
            with torch.autocast(world.device.split(":")[0], torch.bfloat16, enabled=config.bfloat16):
                losses = task.losses(batch, step)
            _descend(losses, players, optimizers, rates, world)
            update_average(average, networks[task.averaged], config.ema, step)
            tally.add(losses)
            step += 1
            last = step == config.steps
            stop = world.agree(bool(signalled))
            journal.advance(step)
            if _due(step, config.log_every) or last or stop:
                figures = tally.means(step, world)
                figures |= {f"rate_{name}": rate for name, rate in rates.items()}
                if _due(step, config.validate_every) or last:
                    figures |= task.validate(average) if world.leads else {}
                journal.report(step, figures)
            if world.leads and (_due(step, config.images_every) or (last and config.images_every)):
                journal.show(step, task.images(average))
            if _due(step, config.save_every) or last or stop:
                save(step)
            if stop:
                break
    return Outcome(step, step == config.steps, average)


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


def _descend(
    losses: Losses,
    players: dict[str, Player],
    optimizers: dict[str, torch.optim.Optimizer],
    rates: dict[str, float],
    world: World,
) -> None:
    """One step of every player down its own objective; all gradients are taken before any weight moves."""
    names = list(losses.objectives)
    gradients: dict[str, list[Tensor]] = {}
    for name in names:
        trained = [p for p in players[name].network.parameters() if p.requires_grad]
        found = torch.autograd.grad(losses.objectives[name], trained, retain_graph=name != names[-1], allow_unused=True)
        gradients[name] = [torch.zeros_like(p) if g is None else g for p, g in zip(trained, found, strict=True)]
    for name in names:
        player = players[name]
        world.average(gradients[name])
        trained = [p for p in player.network.parameters() if p.requires_grad]
        for parameter, gradient in zip(trained, gradients[name], strict=True):
            parameter.grad = gradient
        if player.optim.clip > 0.0:
            nn.utils.clip_grad_norm_(trained, player.optim.clip)
        set_rate(optimizers[name], rates[name])
        optimizers[name].step()
        optimizers[name].zero_grad(set_to_none=True)


def _ahead(task: Task[BatchT], shards: Any, first: int, steps: int) -> Iterator[BatchT]:
    """Batches of the steps from ``first`` on, each made while the one before is in use."""
    with ThreadPoolExecutor(1) as maker:
        coming = maker.submit(task.batch, first, shards) if first < steps else None
        for step in range(first, steps):
            assert coming is not None
            ready = coming.result()
            coming = maker.submit(task.batch, step + 1, shards) if step + 1 < steps else None
            yield ready


class _Tally:
    """Means of the losses since the last report."""

    def __init__(self, step: int) -> None:
        self._since, self._started = step, time.perf_counter()
        self._sums: dict[str, Tensor] = {}

    def add(self, losses: Losses) -> None:
        values = {f"loss_{name}": value for name, value in losses.objectives.items()} | dict(losses.parts)
        for name, value in values.items():
            known = self._sums.get(name)
            self._sums[name] = value.detach().float() if known is None else known + value.detach().float()

    def means(self, step: int, world: World) -> dict[str, float]:
        count, seconds = step - self._since, time.perf_counter() - self._started
        values = torch.stack(list(self._sums.values())) / count
        world.average([values])
        figures = dict(zip(self._sums, values.tolist(), strict=True))
        figures["steps_per_second"] = count / seconds
        self._since, self._started, self._sums = step, time.perf_counter(), {}
        return figures


@contextmanager
def _signals_noted() -> Iterator[list[int]]:
    """A list that signals to end are noted in; outside the main thread signals keep their meaning."""
    noted: list[int] = []
    before = {}
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            before[number] = signal.signal(number, lambda found, _: noted.append(found))
    except ValueError:  # not the main thread
        pass
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

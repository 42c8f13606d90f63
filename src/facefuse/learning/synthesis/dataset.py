"""Synthetic photos as a PyTorch dataset, made while training runs."""

from __future__ import annotations

from collections.abc import Iterator

from torch.utils.data import IterableDataset, get_worker_info

from .generator import Settings, Synthesizer
from .identity import IdentitySource
from .sample import SyntheticRig


class SyntheticDataset(IterableDataset):  # type: ignore[misc]
    """Rigs ``first`` … ``first + count − 1`` of a series, one after the other.

    Rig i of seed s is the same whatever the number of workers; each worker makes every n-th of them, so the order in
    which a ``DataLoader`` hands them out (one from each worker in turn) does not depend on that number either, as long
    as it does not batch (``batch_size=None``).

    Parameters
    ----------
    settings : Settings
    seed : int
    count : int, optional
        Number of rigs; endless where not given.
    views : int
        Photos per rig.
    first : int
        Number of the first rig, to go on where an earlier run stopped.
    synchronous : bool, optional
        See `Synthesizer.rig`.
    other_people : IdentitySource, optional
        See `Synthesizer`.
    """

    def __init__(
        self,
        settings: Settings,
        seed: int,
        count: int | None = None,
        *,
        views: int = 1,
        first: int = 0,
        synchronous: bool | None = None,
        other_people: IdentitySource | None = None,
    ) -> None:
        super().__init__()
        self.settings, self.seed, self.count = settings, seed, count
        self.views, self.first, self.synchronous = views, first, synchronous
        self.other_people = other_people

    def __iter__(self) -> Iterator[SyntheticRig]:
        """Make the rigs that fall to this worker."""
        worker = get_worker_info()
        start, step = (0, 1) if worker is None else (worker.id, worker.num_workers)
        synthesizer = Synthesizer(self.settings, self.other_people)
        index = start
        while self.count is None or index < self.count:
            yield synthesizer.rig(self.seed, self.first + index, self.views, synchronous=self.synchronous)
            index += step

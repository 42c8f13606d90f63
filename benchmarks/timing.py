"""How the benchmarks take the time of a call."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def median_ms(call: Callable[[], object], repeats: int = 7) -> float:
    """Return the median of repeated warm calls: milliseconds by the clock."""
    return statistics.median(_repeat(call, repeats, time.perf_counter))


def processor_ms(call: Callable[[], object], repeats: int = 7) -> float:
    """Return the least processor time of repeated warm calls: milliseconds, all threads together.

    Unlike the time by the clock it says something on a machine that has other work to do.
    """
    return min(_repeat(call, repeats, time.process_time))


def _repeat(call: Callable[[], object], repeats: int, clock: Callable[[], float]) -> list[float]:
    call()
    times = []
    for _ in range(repeats):
        start = clock()
        call()
        times.append(1e3 * (clock() - start))
    return times

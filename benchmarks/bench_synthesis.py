"""How long a synthetic photo takes: one thread; the shortest of repeated calls, over photos of many kinds."""

from __future__ import annotations

import time

import numpy as np

from facefuse.learning.synthesis.generator import Settings, Synthesizer

_PHOTOS, _REPEATS = 24, 5


def run() -> list[tuple[str, float, str]]:
    """Return (name, value, unit) rows."""
    rows = []
    for size in (112, 224):
        synthesizer = Synthesizer(Settings(size=size))
        took = np.full((_REPEATS, _PHOTOS), np.inf)
        synthesizer.photo(1, 0)
        for repeat in range(_REPEATS):
            for index in range(_PHOTOS):
                start = time.perf_counter()
                synthesizer.photo(1, index)
                took[repeat, index] = time.perf_counter() - start
        mean = float(took.min(axis=0).mean())
        rows.append((f"synthetic photo of {size} x {size}, truth included, mean", mean * 1e3, "ms"))
        rows.append((f"photos of {size} x {size} on two cores", 2 / mean, "per second"))
    return rows

"""How long the multi-view network takes: crops cut out of photos of 1000 pixels, and one face out of all of them."""

from __future__ import annotations

from functools import partial

import numpy as np
from timing import median_ms

from facefuse.detection.crop import Square
from facefuse.morphable import load_model
from facefuse.regression.df_mvr import MultiviewNetwork

THREADS = 2


def run() -> list[tuple[str, float, str]]:
    """Return (name, value, unit) rows."""
    network = MultiviewNetwork(load_model("base"), threads=THREADS)
    rng = np.random.default_rng(0)
    rows = []
    for count in (1, 3, 7):
        photos = [rng.integers(0, 256, (1000, 1000, 3), dtype=np.uint8) for _ in range(count)]
        squares = [Square(np.array([500.0, 480.0]), 600.0, 0.1)] * count
        name = f"df-mvr network, {count} photo{'s' if count > 1 else ''}, {THREADS} threads"
        rows.append((name, median_ms(partial(network.regress, photos, squares), 15), "ms"))
    return rows

"""How long decoding the base model takes: milliseconds, warm, median of repeated calls."""

from __future__ import annotations

import time

import numpy as np

from facefuse.morphable import load_model


def run() -> list[tuple[str, float, str]]:
    """Return (name, value, unit) rows."""
    model = load_model("base")
    rng = np.random.default_rng(0)
    identity = rng.normal(size=model.identity_count)
    expression = rng.uniform(size=model.expression_count)
    model.vertices(identity, expression)
    times = []
    for _ in range(100):
        start = time.perf_counter()
        model.vertices(identity, expression)
        times.append(time.perf_counter() - start)
    return [("decode one face", float(np.median(times)) * 1e3, "ms")]

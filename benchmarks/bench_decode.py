"""How long decoding the base model takes: milliseconds, warm, median of repeated calls."""

from __future__ import annotations

import numpy as np
from timing import median_ms

from facefuse.morphable import load_model


def run() -> list[tuple[str, float, str]]:
    """Return (name, value, unit) rows."""
    model = load_model("base")
    rng = np.random.default_rng(0)
    identity = rng.normal(size=model.identity_count)
    expression = rng.uniform(size=model.expression_count)
    return [("decode one face", median_ms(lambda: model.vertices(identity, expression), 100), "ms")]

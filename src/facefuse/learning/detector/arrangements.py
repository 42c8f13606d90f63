"""Where the people of a group photo stand."""

from __future__ import annotations

import math

import numpy as np

SMALLEST_GROUP_FACE, LARGEST_GROUP_FACE = 20.0, 70.0


def group_places(size: int, rng: np.random.Generator) -> list[tuple[float, float, float]]:
    """Centre x, y and side of the faces of one to three rows of people, those behind first.

    Neighbours stand as close as people do for a photo, so that the bodies and heads in front cover parts of faces
    behind; a few places stay empty.

    Parameters
    ----------
    size : side of the square scene in pixels.
    rng : source of chance.
    """
    side = math.exp(rng.uniform(math.log(SMALLEST_GROUP_FACE), math.log(LARGEST_GROUP_FACE)))
    rows = int(rng.integers(1, 4))
    step = side * rng.uniform(1.0, 2.2)
    rise = side * rng.uniform(0.8, 1.7)
    top = rng.uniform(0.1, 0.7) * size
    places = []
    for row in range(rows):
        first = rng.uniform(-0.5, 1.0) * step
        for k in range(math.ceil(size / step)):
            if rng.random() < 0.15:
                continue
            x = first + k * step + rng.normal(0, 0.12) * side
            y = top + row * rise + rng.normal(0, 0.18) * side
            places.append((float(x), float(y), float(side * math.exp(rng.normal(0, 0.1)))))
    return places

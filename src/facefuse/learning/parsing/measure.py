"""How well a parser does on labelled faces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefuse.detection.parts import PARTS
from facefuse.learning.df_mvr.rigs import UNKNOWN
from facefuse.learning.parsing.faces import LabelledFaces, plain

Parse = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
"""From crops (N, S, S, 3) to labels (N, S, S)."""

_AT_ONCE = 64


def confusion(parse: Parse, faces: LabelledFaces, size: int) -> NDArray[np.int64]:
    """Pixels of upright crops by their label (rows) and by what is found (columns), (C, C)."""
    count = len(PARTS)
    total = np.zeros((count, count), np.int64)
    for start in range(0, len(faces), _AT_ONCE):
        crops, labels = plain(faces.subset(np.arange(start, min(start + _AT_ONCE, len(faces)))), size)
        found, known = parse(crops), labels != UNKNOWN
        pairs = labels[known].astype(np.int64) * count + found[known]
        total += np.bincount(pairs, minlength=count * count).reshape(count, count)
    return total


def intersection_over_union(counts: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """Of each part, (C,), from `confusion`; NaN for a part that is neither labelled nor found."""
    common = np.diagonal(counts).astype(float)
    union = counts.sum(axis=0) + counts.sum(axis=1) - common
    with np.errstate(invalid="ignore"):
        return np.asarray(common / union)

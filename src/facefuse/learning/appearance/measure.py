"""How well the statistics describe people they were not learned from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from facefuse.learning.appearance.build import Sample, importance, learn_skin
from facefuse.learning.appearance.statistics import Statistics, explain, from_log_odds, reconstruct
from facefuse.morphable.model import FaceModel
from facefuse.rendering.shading import linear_to_srgb

FloatArray = npt.NDArray[np.floating[Any]]

FOLDS = 5
COUNTS = (0, 10, 20, 30, 48)


def measure(model: FaceModel, sample: Sample, groups: Sequence[str]) -> str:
    """Learn five times from four fifths of the people and describe the others; return a table.

    Errors are root mean squares over the narrow face as far as it was seen, in sRGB codes (0-255). "Half" is the error
    on one side of the face of coefficients found from the other side alone.
    """
    face = importance(model) * np.asarray(model.face_mask)
    side = np.asarray(model.mean)[:, 0]
    names = np.asarray(groups)
    # dealt out in turn within each group
    fold = np.empty(len(names), int)
    for name in np.unique(names):
        fold[names == name] = np.arange((names == name).sum()) % FOLDS
    whole, half = np.zeros((len(COUNTS), len(names))), np.zeros((len(COUNTS), len(names)))
    for k in range(FOLDS):
        learned = learn_skin(model, sample.of(fold != k))
        for n in np.flatnonzero(fold == k):
            colour, weight = sample.colours[n], sample.seen[n] * face
            for row, count in enumerate(COUNTS):
                part = Statistics(learned.mean, learned.modes[:count], learned.deviations[:count])
                whole[row, n] = _error(part, colour, weight, weight)
                half[row, n] = _error(part, colour, weight * (side > 5), weight * (side < -5))
    lines = ["modes | " + " | ".join(["all", "half", *np.unique(names)])]
    for row, count in enumerate(COUNTS):
        figures = [
            whole[row].mean(),
            half[row].mean(),
            *(whole[row, names == name].mean() for name in np.unique(names)),
        ]
        lines.append(f"{count} | " + " | ".join(f"{figure:.1f}" for figure in figures))
    return "\n".join(lines) + "\n"


def _error(part: Statistics, colour: FloatArray, known: FloatArray, judged: FloatArray) -> float:
    found = reconstruct(part, explain(part, colour, known)) if len(part.modes) else part.mean
    difference = 255 * (linear_to_srgb(from_log_odds(found)) - linear_to_srgb(from_log_odds(colour)))
    return float(np.sqrt((judged[:, None] * difference**2).sum() / (3 * judged.sum())))

"""Mean and modes of albedo from a few dozen people, some parts of whom are hidden.

In log odds, ln(a / (1 - a)): what colours skin are pigments, whose amounts add up in the logarithm of reflectance (Beer
and Lambert), so that one mode can mean the same on a dark skin and on a fair one; and no reflectance exceeds one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]

DARKEST, LIGHTEST = 0.012, 0.93
"""Linear albedo beyond which black is black and white white: logarithms would tell noise apart."""
ROUNDS, DRAFT_MODES = 6, 24
"""Rounds of completion, and the modes they use: few, so that what is odd about one photo is not explained by them."""
STRIDE = 3
"""Every so many vertices say what coefficients explain a person."""
OUTLIER = 3.0
"""Residuals this many times the median count half."""
NOISE = 0.08
"""Standard deviation (of the log odds) that the modes do not explain, for the fit of coefficients."""
EFFECTIVE = 60.0
"""About as many vertices' worth of independent evidence a face gives: neighbours tell nearly the same."""


@dataclass(frozen=True)
class Statistics:
    """A linear model.

    Attributes
    ----------
    mean : (V, 3) float
    modes : (A, V, 3) float
        At one standard deviation, strongest first; each symmetric or antisymmetric.
    deviations : (A,) float
        Root mean square of each mode under the metric.
    """

    mean: FloatArray
    modes: FloatArray
    deviations: FloatArray


def log_odds(albedo: FloatArray) -> FloatArray:
    """ln(a / (1 - a)) of linear RGB, which is kept between the darkest and the lightest that photos tell apart."""
    kept = np.clip(albedo, DARKEST, LIGHTEST)
    out: FloatArray = np.log(kept / (1 - kept))
    return out


def from_log_odds(value: FloatArray) -> FloatArray:
    """Inverse of :func:`log_odds`."""
    out: FloatArray = 1 / (1 + np.exp(-value))
    return out


def balanced_weights(traits: Sequence[Sequence[str]], rounds: int = 30, limit: float = 12.0) -> FloatArray:
    """Weigh people so that every value of every trait counts equally (iterative proportional fitting).

    Parameters
    ----------
    traits : T sequences of N values
        Such as ethnicity, gender and age band; an empty string where unknown.
    rounds : int
    limit : float
        No weight exceeds this times the smallest, lest a few people become the model.

    Returns
    -------
    (N,) float
        With sum one.
    """
    weights = np.ones(len(traits[0]))
    for _ in range(rounds):
        for trait in traits:
            values = np.asarray(trait)
            names = [name for name in np.unique(values) if name]
            total = weights[values != ""].sum()
            for name in names:
                own = values == name
                weights[own] *= total / len(names) / weights[own].sum()
    weights = np.clip(weights, None, limit * weights.min())
    out: FloatArray = weights / weights.sum()
    return out


def learn(
    colours: FloatArray,
    seen: FloatArray,
    people: FloatArray,
    metric: FloatArray,
    mirror: IntArray,
    count: int,
) -> Statistics:
    """Learn mean and modes robustly, with every person's mirror image.

    Alternates between explaining each person by the current modes and completing what is hidden or looks like
    something else (a strand of hair, a highlight) by that explanation; principal components by weighted covariance.
    Symmetric and antisymmetric parts are separate, which is what adding mirror images amounts to.

    Parameters
    ----------
    colours : (N, V, 3) float
        Log odds of linear RGB, anything where not seen.
    seen : (N, V) float
        0-1.
    people : (N,) float
        Weights with sum one.
    metric : (V,) float
        The area each vertex stands for, times its importance.
    mirror : (V,) int
    count : int
        How many modes to keep.
    """
    colours, seen = colours.astype(np.float32), seen.astype(np.float32)
    trust, known = seen, np.maximum(seen.sum(0), 1e-6)
    average = (seen[..., None] * colours).sum(0) / known[:, None]
    filled = average + seen[..., None] * (colours - average)
    for _ in range(ROUNDS):
        draft = _components(filled, people, metric, mirror, min(DRAFT_MODES, count))
        scores = np.stack([explain(draft, colour, own * metric) for colour, own in zip(colours, trust, strict=True)])
        explained = draft.mean + np.tensordot(scores, draft.modes, axes=1)
        errors = np.linalg.norm(colours - explained, axis=2)
        trust = seen / (1 + (errors / (OUTLIER * np.median(errors[seen > 0.5]))) ** 2)
        filled = explained + trust[..., None] * (colours - explained)
    return _components(filled, people, metric, mirror, count)


def explain(model: Statistics, colour: FloatArray, weights: FloatArray) -> FloatArray:
    """Find the coefficients (A,) that best explain log odds (V, 3) with weights (V,), under their prior."""
    some = np.flatnonzero(weights > 0)[::STRIDE]
    root = np.sqrt(weights[some] / weights[some].sum())[:, None]
    flat = (model.modes[:, some] * root).reshape(len(model.modes), -1)
    gram = flat @ flat.T + np.eye(len(flat)) * NOISE**2 / EFFECTIVE
    out: FloatArray = np.linalg.solve(gram, flat @ ((colour - model.mean)[some] * root).ravel())
    return out


def reconstruct(model: Statistics, coefficients: FloatArray) -> FloatArray:
    """Return the log odds (V, 3) of coefficients (A,)."""
    out: FloatArray = model.mean + np.tensordot(coefficients, model.modes, axes=1)
    return out


def _components(
    colours: FloatArray, people: FloatArray, metric: FloatArray, mirror: IntArray, count: int
) -> Statistics:
    even = (colours + colours[:, mirror]) / 2
    mean = np.tensordot(people, even, axes=1)
    root = np.sqrt(metric / metric.sum())[:, None]
    found = []
    for part in (even - mean, (colours - colours[:, mirror]) / 2):
        scaled = part * np.sqrt(people)[:, None, None]
        flat = (scaled * root).reshape(len(scaled), -1)
        values, vectors = np.linalg.eigh(flat @ flat.T)
        found += [(float(value), vector, scaled) for value, vector in zip(values, vectors.T, strict=True)]
    found.sort(key=lambda one: -one[0])
    modes = []
    for _, vector, scaled in found[:count]:
        # at one standard deviation: its scores have the eigenvalue's variance under the metric
        mode = np.tensordot(vector, scaled, axes=1)
        peak = mode.reshape(-1)[np.argmax(np.abs(mode.round(6)).reshape(-1))]
        modes.append(mode * np.sign(peak))
    return Statistics(mean, np.stack(modes), np.sqrt([value for value, _, _ in found[:count]]))

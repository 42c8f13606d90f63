"""Bootstrap intervals over people: of a mean, and of the paired difference of two methods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]

_RESAMPLES = 10_000
_SEED = 20220408


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval; None where fewer than two people were measured."""

    value: float
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class PairedDifference:
    """How much lower or higher one method's error is than another's, on the same people.

    Attributes
    ----------
    absolute : Estimate
        Mean of first minus second, in the unit of the errors; negative where the first is better.
    relative : Estimate
        The same in percent of the second's mean.
    people : int
    """

    absolute: Estimate
    relative: Estimate
    people: int


def mean_estimate(values: FloatArray) -> Estimate:
    """Mean of (N,) values, N > 0, and its interval."""
    values = np.asarray(values, dtype=float)
    return Estimate(float(values.mean()), _interval(values[_draws(len(values))].mean(axis=1), len(values)))


def paired_difference(first: FloatArray, second: FloatArray) -> PairedDifference:
    """Compare the errors of two methods on the same people, resampling people.

    Parameters
    ----------
    first, second : (N,) float
        N > 0, in the same order of people.

    Raises
    ------
    ValueError
        If the lengths differ or there is nobody.
    """
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if a.shape != b.shape or a.ndim != 1 or len(a) == 0:
        raise ValueError(f"expected two arrays of one length above zero, found {a.shape} and {b.shape}")
    draws = _draws(len(a))
    mean_a, mean_b = a[draws].mean(axis=1), b[draws].mean(axis=1)
    return PairedDifference(
        Estimate(float((a - b).mean()), _interval(mean_a - mean_b, len(a))),
        Estimate(float(100 * (a.mean() / b.mean() - 1)), _interval(100 * (mean_a / mean_b - 1), len(a))),
        len(a),
    )


def _draws(count: int) -> npt.NDArray[np.integer[Any]]:
    return np.random.default_rng(_SEED).integers(count, size=(_RESAMPLES, count))


def _interval(draws: FloatArray, people: int) -> tuple[float, float] | None:
    if people < 2:
        return None
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(low), float(high)

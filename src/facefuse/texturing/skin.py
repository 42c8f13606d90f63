"""Robust colour statistics: what is skin, what is hair, and what is neither."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from facefuse.texturing.parts import Parts

FloatArray = npt.NDArray[np.floating[Any]]

# opponent colours of encoded sRGB: lightness, red-green, blue-yellow
_OPPONENT = np.array([[0.30, 0.59, 0.11], [0.70, -0.59, -0.11], [-0.30, -0.59, 0.89]])


SKIN_FLOOR, HAIR_FLOOR = (0.06, 0.025, 0.025), (0.08, 0.03, 0.03)
"""Least standard deviations of lightness, red-green and blue-yellow."""
BALD = 1.6
"""Skin distance of the less skin-like part of the seen scalp below which it counts as skin."""
LEAST_SKIN, LEAST_HAIR = 60.0, 6.0
"""Sums of vertex weights that make a sample."""


@dataclass(frozen=True)
class ColourModel:
    """A robust Gaussian of colours.

    Attributes
    ----------
    colour : (3,) float
        Its centre in sRGB, 0-1.
    mean : (3,) float
        The centre in opponent colours.
    whiten : (3, 3) float
        Maps differences from the mean to standard deviations.
    spread : float
        Standard deviation of lightness.
    """

    colour: FloatArray
    mean: FloatArray
    whiten: FloatArray
    spread: float

    @property
    def affine(self) -> tuple[FloatArray, FloatArray]:
        """Matrix (3, 3) and offset (3,): ``matrix @ sRGB - offset`` is in standard deviations from the centre."""
        matrix = np.ascontiguousarray(self.whiten @ _OPPONENT)
        return matrix, self.whiten @ self.mean

    @property
    def redness(self) -> FloatArray:
        """Red-green share of lightness, its standard deviation, and the least lightness for which it says something."""
        lightness = max(float(self.mean[0]), 0.05)
        spread = float(1 / np.linalg.norm(self.whiten[:, 1]))
        return np.array([self.mean[1] / lightness, spread / lightness, 0.55 * lightness])

    def distance(self, colours: FloatArray) -> FloatArray:
        """Mahalanobis distance of sRGB colours (..., 3): (...)."""
        matrix, offset = self.affine
        difference = colours @ matrix.T - offset
        out: FloatArray = np.sqrt(np.einsum("...k,...k->...", difference, difference))
        return out


NO_COLOUR = (np.eye(3), np.full(3, 1e6))
"""The affine map of a colour model that nothing matches."""


def _dark_brown() -> ColourModel:
    colour = np.array([0.20, 0.15, 0.12])
    return ColourModel(colour, _OPPONENT @ colour, np.diag(1 / np.array(HAIR_FLOOR)), HAIR_FLOOR[0])


COVERED_HAIR = _dark_brown()
"""Taken for the hair under a hat or a cloth: the most common colour."""


def colour_model(colours: FloatArray, weights: FloatArray, floor: tuple[float, float, float]) -> ColourModel:
    """Fit a Gaussian to the bulk of weighted colours: median, then two trimmed passes.

    Parameters
    ----------
    colours : (N, 3) float
        sRGB, 0-1.
    weights : (N,) float
    floor : (float, float, float)
        Least standard deviations of lightness, red-green and blue-yellow.

    Returns
    -------
    ColourModel
    """
    opponent = colours @ _OPPONENT.T
    mean = np.array([weighted_median(opponent[:, k], weights) for k in range(3)])
    deviation = np.array([weighted_median(np.abs(opponent[:, k] - mean[k]), weights) for k in range(3)])
    least = np.diag(np.square(floor))
    covariance = np.diag((1.48 * deviation) ** 2) + least
    for _ in range(2):
        difference = opponent - mean
        distance2 = (difference @ np.linalg.inv(covariance) * difference).sum(1)
        trust = weights * (distance2 < 9)
        total = trust.sum()
        if total <= 0:
            break
        mean = trust @ opponent / total
        difference = opponent - mean
        covariance = (difference * trust[:, None]).T @ difference / total * 1.2 + least
    whiten = np.linalg.cholesky(np.linalg.inv(covariance)).T
    return ColourModel(np.linalg.solve(_OPPONENT, mean), mean, whiten, float(np.sqrt(covariance[0, 0])))


def model_of(
    colours: FloatArray, weights: FloatArray, floor: tuple[float, float, float], least: float
) -> ColourModel | None:
    """Return the colour model of (N, 3) colours, or None where their weights (N,) sum to less than ``least``."""
    some = weights > 0.05
    if weights[some].sum() < least:
        return None
    return colour_model(colours[some], weights[some], floor)


def could_be_hair(colour: FloatArray) -> bool:
    """Whether hair (3,), sRGB 0-1, grows in such a colour: grey or warm, and no brighter red than ginger."""
    red, green, blue = colour
    cold = blue > red + 0.06 or green > red + 0.04
    crimson = red > 0.4 and green < 0.42 * red
    return not (cold or crimson)


def hair_weights(
    parts: Parts, maybe_hair: FloatArray, colours: FloatArray, weights: FloatArray, skin: ColourModel
) -> FloatArray:
    """Weights of a sample of hair: what is least like skin where hair may be; zero if the scalp looks like skin.

    Parameters
    ----------
    parts : Parts
    maybe_hair : (V,) float
        Where this photo may show hair.
    colours : (V, 3) float
        sRGB, 0-1.
    weights : (V,) float
        Trust in the colours.
    skin : ColourModel

    Returns
    -------
    (V,) float
    """
    distance = skin.distance(colours)
    scalp = (parts.scalp > 0.5) & (weights > 0.05)
    around = (maybe_hair > 0.5) & (weights > 0.05)
    if around.sum() < 10:
        return np.zeros(len(colours))
    where, share = (scalp, 75) if scalp.sum() >= 20 else (around, 90)
    typical, high = np.percentile(distance[where], (share - 15, share))
    if high < BALD:
        return np.zeros(len(colours))
    level = min(max(float(typical), BALD), 2.5)
    return weights * maybe_hair * smoothstep(level - 0.3, level + 0.3, distance)


def weighted_median(values: FloatArray, weights: FloatArray) -> float:
    """Return the weighted median of (N,) values."""
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order[min(int(np.searchsorted(total, 0.5 * total[-1])), len(order) - 1)]])


def smoothstep(low: float, high: float, values: FloatArray) -> FloatArray:
    """Rise smoothly from 0 at ``low`` to 1 at ``high``."""
    t = np.clip((values - low) / (high - low), 0, 1)
    out: FloatArray = t * t * (3 - 2 * t)
    return out

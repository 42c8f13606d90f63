"""From people to the shipped statistics of albedo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from facefuse.learning.appearance.observe import Look, iris_rings, known_albedo
from facefuse.learning.appearance.statistics import (
    Statistics,
    balanced_weights,
    explain,
    from_log_odds,
    learn,
    log_odds,
)
from facefuse.learning.base_model.statistics import vertex_areas
from facefuse.morphable.appearance import Appearance
from facefuse.morphable.model import FaceModel
from facefuse.texturing.parts import parts_of
from facefuse.texturing.surface import surface_filter_of

FloatArray = npt.NDArray[np.floating[Any]]

SKIN_MODES, IRIS_MODES = 48, 3
FACE_SHARE, SCALP_SHARE = 0.8, 0.03
"""Shares of the narrow face and of the scalp in what the modes must explain."""
AGE_BANDS = (26.0, 34.0)
"""Borders between younger, middle and older people, years."""
IRIS_RIDGE = 0.3
"""How cautiously the irises' colour is predicted from the skin's, as a share of its variance."""
IRIS_PROFILE = ((0.0, 0.40, 0.42, 0.57, 0.8, 0.95, 1.0), (0.0, 0.0, 1.0, 1.08, 0.97, 0.6, 0.5))
"""Brightness of an iris by the distance from its axis: pupil, a lighter collarette, a dark limbus."""
DARKEST_IRIS = 0.05
"""Linear albedo below which dark irises cannot be told from the shadow that they lie in."""
PUPIL = 0.004
"""Linear albedo of the pupil."""
PLAIN_MM = 7.0
"""Details of the modes finer than this are smoothed away on the sides, the neck and about the hairline."""


@dataclass(frozen=True)
class Sample:
    """What the statistics are learned from.

    Attributes
    ----------
    colours : (N, V, 3) float
        Log odds of linear RGB.
    seen : (N, V) float
        0-1.
    irises : (N, 3) float
        Log odds of linear RGB.
    people : (N,) float
        Weights with sum one.
    """

    colours: FloatArray
    seen: FloatArray
    irises: FloatArray
    people: FloatArray

    def of(self, chosen: npt.NDArray[np.bool_]) -> Sample:
        """Return some of the people, weighted anew to sum one."""
        people = self.people[chosen]
        return Sample(self.colours[chosen], self.seen[chosen], self.irises[chosen], people / people.sum())


def sample_of(
    model: FaceModel, looks: Sequence[Look], groups: Sequence[str], genders: Sequence[str], ages: Sequence[float]
) -> Sample:
    """Gather what was seen of all people, weighted so that groups, genders and ages (NaN: unknown) count equally."""
    bands = ["" if np.isnan(age) else str(np.digitize(age, AGE_BANDS)) for age in ages]
    weights = balanced_weights([groups, genders, bands])
    known = [known_albedo(model, look) for look in looks]
    return Sample(
        log_odds(np.stack([colour for colour, _ in known])),
        np.stack([weight for _, weight in known]),
        log_odds(np.maximum(np.stack([look.iris for look in looks]), DARKEST_IRIS)),
        weights,
    )


def importance(model: FaceModel) -> FloatArray:
    """Return what each vertex counts (V,): its area, the face above all, nothing inside the mouth and the eyes."""
    parts = parts_of(model)
    outer = np.asarray(model.triangles)[parts.photographed]
    area = vertex_areas(np.asarray(model.mean, np.float64), outer)
    face, scalp = np.asarray(model.face_mask), parts.scalp > 0.5
    rest = ~face & ~scalp
    out = np.zeros(len(area))
    for mask, share in ((face, FACE_SHARE), (scalp, SCALP_SHARE), (rest, 1 - FACE_SHARE - SCALP_SHARE)):
        out[mask] = share * area[mask] / area[mask].sum()
    return out


def learn_skin(model: FaceModel, sample: Sample, count: int = SKIN_MODES) -> Statistics:
    """Learn mean and modes of everything but the eyes."""
    return learn(sample.colours, sample.seen, sample.people, importance(model), np.asarray(model.symmetric), count)


def build(model: FaceModel, sample: Sample) -> Appearance:
    """Learn the shipped statistics: skin and hair, and on the irises what follows from the skin and what does not.

    Parameters
    ----------
    model : FaceModel
        Its own albedo stays on eyeballs' whites, teeth, tongue and the insides.
    sample : Sample
    """
    skin = learn_skin(model, sample)
    parts = parts_of(model)
    inside = parts.skin < 0.5
    mean = skin.mean.copy()
    modes = np.concatenate((skin.modes, np.zeros((IRIS_MODES, *mean.shape))))
    mean, modes = calm_sides(model, mean, modes)
    mean[inside] = log_odds(np.asarray(model.albedo, np.float64)[inside])
    modes[:, inside] = 0

    metric = importance(model)
    scores = np.stack([explain(skin, c, s * metric) for c, s in zip(sample.colours, sample.seen, strict=True)])
    iris, predicted, own = iris_statistics(sample.irises, scores, sample.people)
    vertices, radius = iris_rings(model)
    profile = np.interp(radius, *IRIS_PROFILE)
    coloured = (profile > 0)[:, None]
    mean[vertices] = np.where(coloured, iris + np.log(np.maximum(profile, 0.1))[:, None], np.log(PUPIL / (1 - PUPIL)))
    modes[: len(predicted), vertices] = coloured * predicted[:, None]
    modes[len(skin.modes) :, vertices] = coloured * own[:, None]
    mean = (mean + mean[np.asarray(model.symmetric)]) / 2
    return Appearance(from_log_odds(mean), symmetrised(modes, np.asarray(model.symmetric)))


def calm_sides(model: FaceModel, mean: FloatArray, modes: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Smooth mean (V, 3) and modes (A, V, 3) where photos from the front say little: sides, neck, hairline."""
    parts, smoother = parts_of(model), surface_filter_of(model)
    share = np.maximum(np.maximum(parts.strict, parts.beside), parts.maybe_hair)[:, None]
    both = np.concatenate((mean[None], modes)).transpose(1, 0, 2).reshape(len(mean), -1)
    both = both + share * (smoother.smooth(both, PLAIN_MM) - both)
    out = both.reshape(len(mean), -1, 3).transpose(1, 0, 2)
    return out[0], out[1:]


def iris_statistics(
    irises: FloatArray, scores: FloatArray, people: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Split the irises' log odds into what the skin's coefficients tell and what they do not.

    Parameters
    ----------
    irises : (N, 3) float
        Log odds of linear RGB.
    scores : (N, A) float
    people : (N,) float
        Weights with sum one.

    Returns
    -------
    mean : (3,) float
    predicted : (A, 3) float
        Change of colour with each of the skin's coefficients.
    own : (IRIS_MODES, 3) float
        Modes of the rest at one standard deviation, strongest first.
    """
    known = np.isfinite(irises).all(1)
    share = people[known] / people[known].sum()
    values, inputs = irises[known], scores[known]
    mean = share @ values
    centred = values - mean
    gram = (inputs * share[:, None]).T @ inputs + IRIS_RIDGE * np.eye(inputs.shape[1])
    predicted = np.linalg.solve(gram, (inputs * share[:, None]).T @ centred)
    rest = centred - inputs @ predicted
    variances, vectors = np.linalg.eigh((rest * share[:, None]).T @ rest)
    own = (np.sqrt(variances.clip(0)) * vectors).T[::-1][:IRIS_MODES]
    # eigenvectors have no sign of their own: lighter shall be positive
    return mean, predicted, own * np.where(own.sum(1) < 0, -1.0, 1.0)[:, None]


def symmetrised(modes: FloatArray, mirror: npt.NDArray[np.integer[Any]]) -> FloatArray:
    """Return each mode (A, V, 3) as exactly symmetric or antisymmetric, whichever it nearly is."""
    swapped = modes[:, mirror]
    even = ((modes - swapped) ** 2).sum((1, 2)) <= ((modes + swapped) ** 2).sum((1, 2))
    sign = np.where(even, 1.0, -1.0)[:, None, None]
    out: FloatArray = (modes + sign * swapped) / 2
    return out

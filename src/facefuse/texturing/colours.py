"""Colours over the surface: matching photos to each other, filling what no photo shows.

Works at the vertices, in logarithms of encoded sRGB, so that differences are changes of tint and exposure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from facefuse.morphable.model import FaceModel
from facefuse.rendering.shading import linear_to_srgb, sh_basis, srgb_to_linear
from facefuse.texturing.albedo import personal_albedo
from facefuse.texturing.parts import Parts
from facefuse.texturing.skin import ColourModel, smoothstep, weighted_median
from facefuse.texturing.surface import FAR_MM, NEAR_MM, SKIN_MM, SurfaceFilter

FloatArray = npt.NDArray[np.floating[Any]]

LIFT = 0.04
"""Added to encoded colours before logarithms and factors: dark pixels stay dark and free of noise."""
MIRROR_TRUST = 0.35
"""How much the mirror side counts where a vertex is not seen."""
SIDE_BALANCE = 0.5
"""How much of the smooth difference between left and right is taken for shading and removed."""
LIGHT_REMOVED, SIDE_SHRINK = 0.8, 0.85
"""How much of the lightness that follows the surface's direction is removed, and how steady the tint is kept on the
sides, ears and neck."""


def to_log(colour: FloatArray) -> FloatArray:
    """Encoded sRGB to log space."""
    out: FloatArray = np.log(np.maximum(colour, 0) + LIFT)
    return out


def from_log(value: FloatArray) -> FloatArray:
    """Inverse of :func:`to_log`, at least 0 and at most 1."""
    out: FloatArray = np.maximum(np.exp(np.minimum(value, np.log(1 + LIFT))) - LIFT, 0)
    return out


def exposure_gains(colours: Sequence[FloatArray], weights: Sequence[FloatArray]) -> FloatArray:
    """Gain of each photo, per channel in linear light, that makes overlapping photos agree.

    Least squares on the weighted median log ratios of all overlapping pairs, weighted by the overlap; the mean gain,
    weighted by what each photo shows, is one.

    Parameters
    ----------
    colours : N of (V, 3) float
        sRGB at the vertices.
    weights : N of (V,) float

    Returns
    -------
    (N, 3) float
    """
    count = len(colours)
    logs = [np.log(np.maximum(srgb_to_linear(c), 0.004)) for c in colours]
    totals = np.array([w.sum() for w in weights]) + 1e-6
    rows, right, trust = [], [], []
    for i in range(count):
        for j in range(i):
            both = np.minimum(weights[i], weights[j])
            some = both > 0.1
            if some.sum() < 30:
                continue
            row = np.zeros(count)
            row[i], row[j] = 1, -1
            rows.append(row)
            right.append([weighted_median((logs[j] - logs[i])[some, k], both[some]) for k in range(3)])
            trust.append(np.sqrt(both[some].sum()))
    rows.append(totals / totals.sum() * count)
    right.append([0.0, 0.0, 0.0])
    trust.append(float(np.sqrt(totals.sum())))
    # photos that overlap with none keep their exposure
    rows += list(np.eye(count))
    right += [[0.0, 0.0, 0.0]] * count
    trust += [0.3] * count
    scale = np.array(trust)[:, None]
    solution = np.linalg.lstsq(np.array(rows) * scale, np.array(right) * scale, rcond=None)[0]
    out: FloatArray = np.exp(np.clip(solution, -1.5, 1.5))
    return out


def tone_curve(gain: FloatArray) -> npt.NDArray[np.float32]:
    """Encoded value of each 8-bit code after a gain (3,) in linear light: (256, 3)."""
    linear = srgb_to_linear(np.arange(256) / 255.0)[:, None] * gain
    out: npt.NDArray[np.float32] = linear_to_srgb(linear).astype(np.float32)
    return out


def surface_colours(
    model: FaceModel,
    parts: Parts,
    smoother: SurfaceFilter,
    colours: Sequence[FloatArray],
    weights: Sequence[FloatArray],
    maybe_hair: FloatArray,
    skin: ColourModel | None,
    hair: ColourModel | None,
) -> tuple[FloatArray, FloatArray]:
    """One smooth colour for every vertex, seen or not.

    Where photos look it is their weighted mean. Elsewhere it is the person's albedo, as far as the model's statistics
    tell it from what is seen, with the tint of the nearest seen skin (or, on the scalp, of the nearest seen hair),
    tending to the person's overall tint.

    Parameters
    ----------
    model, parts, smoother
        Of the same model.
    colours : N of (V, 3) float
        sRGB after exposure matching.
    weights : N of (V,) float
    maybe_hair : (V,) float
        Where there may be hair.
    skin, hair : ColourModel or None
        The person's.

    Returns
    -------
    colour : (V, 3) float
        Log space.
    hairy : (V,) float
        Share of hair, 0-1.
    """
    albedo = to_log(linear_to_srgb(np.clip(np.asarray(model.albedo, np.float64), 0, 1)))
    partner = np.asarray(model.symmetric)
    total = np.sum(weights, axis=0) if len(weights) else np.zeros(len(albedo))
    if total.max() < 1e-3:
        return albedo, np.zeros(len(albedo))
    summed = np.sum([w[:, None] * to_log(c) for c, w in zip(colours, weights, strict=True)], axis=0)
    # what one side shows is evidence of the other, as far as that is not seen itself
    borrowed = MIRROR_TRUST * np.clip(1 - total, 0, 1) * np.minimum(total[partner], 1)
    mean_there = summed[partner] / np.maximum(total[partner], 1e-9)[:, None]
    summed, total = summed + borrowed[:, None] * mean_there, total + borrowed
    mean = summed / np.maximum(total, 1e-9)[:, None]
    tint = np.where(total[:, None] > 1e-6, mean - albedo, 0.0)
    trust = np.minimum(total, 1.0)

    hairy = hairiness(model, parts, maybe_hair, smoother, from_log(mean), trust, skin, hair)
    on_skin = trust * (1 - hairy) * parts.skin * skin_likeness(from_log(mean), skin)
    exposure = _median_tint(tint, on_skin * (0.02 + parts.core))
    own = personal_albedo(model, parts, srgb_to_linear(from_log(mean)), trust * (1 - hairy) * parts.skin)
    own = to_log(linear_to_srgb(np.clip(own, 0, 1)))
    tint = np.where(total[:, None] > 1e-6, mean - own, 0.0)
    overall = _median_tint(tint, on_skin * (0.02 + parts.core))
    tint = tint - shading(parts.normals, tint, on_skin * (1 - parts.strict), 1 - hairy)
    # towards the sides what light and lens do to skin outweighs its own colour
    steady = (1 - SIDE_SHRINK * parts.strict)[:, None]
    on_face = overall + steady * smoother.fill(tint - overall, on_skin, SKIN_MM, anchor=0.03)
    on_scalp = trust * hairy
    scalp = parts.scalp > 0.5
    crown = to_log(hair.colour) - own[scalp].mean(0) if hair is not None and scalp.any() else overall
    on_head = crown + smoother.fill(tint - crown, on_scalp, FAR_MM, anchor=0.03)
    share = hairy[:, None]
    coarse = on_face * (1 - share) + on_head * share
    keep = (1 - SIDE_SHRINK * parts.strict * (1 - hairy))[:, None]
    detail = smoother.fill((tint - coarse) * keep, trust, NEAR_MM, anchor=0.05)
    # close to the data: the data themselves
    detail += trust[:, None] * ((tint - coarse) * keep - detail)
    out = own + coarse + detail
    inside = parts.skin < 0.5
    out[inside] = albedo[inside] + 0.5 * float(exposure.mean())
    return balance_sides(model, smoother, out, trust), hairy


def skin_likeness(colour: FloatArray, skin: ColourModel | None) -> FloatArray:
    """1 for colours (V, 3) of skin, 0 for others."""
    if skin is None:
        return np.ones(len(colour))
    return 1 - smoothstep(2.2, 3.8, skin.distance(colour))


def hairiness(
    model: FaceModel,
    parts: Parts,
    maybe_hair: FloatArray,
    smoother: SurfaceFilter,
    colour: FloatArray,
    trust: FloatArray,
    skin: ColourModel | None,
    hair: ColourModel | None,
) -> FloatArray:
    """Share of hair at each vertex (V,): as seen where a photo looks, elsewhere like the nearest seen or the scalp."""
    if skin is None or hair is None:
        return np.zeros(len(colour))
    like_hair = 1 / (1 + np.exp(np.clip(0.5 * (hair.distance(colour) ** 2 - skin.distance(colour) ** 2), -30, 30)))
    prior = np.clip(smoother.smooth(parts.scalp[:, None], NEAR_MM)[:, 0], 0, 1)
    seen = trust * maybe_hair
    change = smoother.fill((like_hair - prior)[:, None], seen, SKIN_MM, anchor=0.05)[:, 0]
    guess = np.clip(prior + change, 0, 1)
    guess += seen * (like_hair - guess)
    return smoothstep(0.1, 0.9, guess) * np.maximum(parts.maybe_hair, maybe_hair)


def shading(normals: FloatArray, tint: FloatArray, weights: FloatArray, extent: FloatArray) -> FloatArray:
    """Smooth dependence of the tint's lightness on the surface's direction, taken for light and removed in part.

    Parameters
    ----------
    normals : (V, 3) float
        Unit normals of the surface.
    tint : (V, 3) float
        Log photo minus log albedo.
    weights : (V,) float
        Where to learn it.
    extent : (V,) float
        Where to apply it, 0-1.

    Returns
    -------
    (V, 1) float
        To be subtracted from the tint; zero on average.
    """
    basis = sh_basis(normals)
    lightness = tint.mean(1)
    trust = weights.copy()
    if trust.sum() < 50:
        return np.zeros((len(tint), 1))
    for _ in range(4):  # robust against brows, beard and blemishes
        gram = (basis * trust[:, None]).T @ basis + np.diag([1e-6] + [0.01 * trust.sum()] * 8)
        light = np.linalg.solve(gram, basis.T @ (trust * lightness))
        residual = lightness - basis @ light
        trust = weights / (1 + (residual / 0.12) ** 2)
    fitted = basis @ light
    fitted = np.clip(fitted - float(trust @ fitted / trust.sum()), -0.6, 0.6)
    out: FloatArray = (LIGHT_REMOVED * fitted * extent)[:, None]
    return out


def balance_sides(model: FaceModel, smoother: SurfaceFilter, colour: FloatArray, trust: FloatArray) -> FloatArray:
    """Remove part of the smooth difference between the two sides of the head, taken for shading.

    Parameters
    ----------
    colour : (V, 3) float
        Log space.
    trust : (V,) float
        0-1; both sides must be seen to be compared.

    Returns
    -------
    (V, 3) float
    """
    partner = np.asarray(model.symmetric)
    both = np.minimum(trust, trust[partner])
    difference = smoother.fill(colour - colour[partner], both, FAR_MM, anchor=0.03)
    difference = np.clip(difference, -0.8, 0.8)
    out: FloatArray = colour - 0.25 * SIDE_BALANCE * (difference - difference[partner])
    return out


def match_gain(
    smoother: SurfaceFilter, target: FloatArray, colour: FloatArray, seen: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Factor on a photo's colours (plus ``LIFT``) that gives it the target's smooth colour.

    Parameters
    ----------
    target : (V, 3) float
        Log space.
    colour : (V, 3) float
        The photo's, sRGB.
    seen : (V,) float
        Where it shows the head. Grazing views count as much as frontal ones here: they need the matching most.

    Returns
    -------
    gain : (V, 3) float
    fitness : (V,) float
        0 where the colours are so far from the target that the photo shows something else (a strand of hair, a
        collar), 1 where they agree.
    """
    difference = smoother.fill(target - to_log(colour), np.clip(seen / 0.05, 0, 1), NEAR_MM, anchor=0.02)
    fitness = 1 - smoothstep(0.3, 0.65, np.abs(difference).max(1))
    return np.exp(np.clip(difference, -0.7, 0.7)), fitness


def _median_tint(tint: FloatArray, weights: FloatArray) -> FloatArray:
    some = weights > 1e-6
    if not some.any():
        return np.zeros(3)
    return np.array([weighted_median(tint[some, k], weights[some]) for k in range(3)])

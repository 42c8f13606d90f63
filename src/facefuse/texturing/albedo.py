"""The person's own albedo, as far as the model's statistics tell it from what the photos show."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from facefuse.geometry.mesh import vertex_normals
from facefuse.morphable.model import FaceModel
from facefuse.rendering.shading import sh_basis
from facefuse.texturing.parts import Parts

FloatArray = npt.NDArray[np.floating[Any]]

MODES = 32
"""The first so many modes are used: what they leave is too fine to foresee."""
SAMPLES = 1200
"""Vertices that are looked at."""
NOISE = 0.12
"""Standard deviation of the logarithm of a vertex' colour about what modes and light explain."""
EFFECTIVE = 50.0
"""About as many vertices' worth of independent evidence a face gives: neighbours tell nearly the same."""
LIGHT_SPREAD = (2.0, 0.4)
"""Standard deviations, in logarithms, of exposure and tint, and of what depends on the surface's direction."""
ROUNDS = 3


def personal_albedo(model: FaceModel, parts: Parts, colour: FloatArray, weights: FloatArray) -> FloatArray:
    """Explain the colours that photos show by albedo modes and light, and return the albedo.

    In logarithms they add up: albedo modes (for models that have them), exposure and tint, and a lightness that depends
    on the surface's direction by second-order harmonics. Solved by Gauss-Newton steps under their priors, robustly.

    Parameters
    ----------
    model : FaceModel
    parts : Parts
    colour : (V, 3) float
        Linear RGB.
    weights : (V,) float
        0-1, where the photos show skin, brows, lips or beard.

    Returns
    -------
    (V, 3) float
        Linear RGB of the albedo, up to what exposure and tint cannot be told from. The scalp wears the skin's colour:
        whether hair grows there is for others to say.
    """
    albedo = np.array(model.albedo, np.float64)
    seen = np.flatnonzero((weights > 0.05) & (parts.scalp < 0.5))
    if model.albedo_modes is not None and weights[seen].sum() > EFFECTIVE:
        some = seen[:: max(1, len(seen) // SAMPLES)]
        modes = np.asarray(model.albedo_modes)[:MODES]
        coefficients = _coefficients(model, modes[:, some], albedo[some], colour[some], weights[some], some)
        albedo = np.asarray(model.colours(coefficients), np.float64)
    skin = np.exp(np.median(np.log(albedo[parts.core > 0.5]), axis=0)) if (parts.core > 0.5).any() else albedo.mean(0)
    bare = parts.scalp[:, None]
    out: FloatArray = albedo ** (1 - bare) * skin**bare
    return out


def _coefficients(
    model: FaceModel, modes: FloatArray, albedo: FloatArray, colour: FloatArray, weights: FloatArray, at: Any
) -> FloatArray:
    """Find the albedo coefficients that explain colours at the vertices ``at`` (n,)."""
    count = len(modes)
    normals = vertex_normals(np.asarray(model.mean, np.float64), np.asarray(model.triangles))[at]
    light = sh_basis(normals)[:, 1:]
    target = np.log(np.maximum(colour, 0.004))
    design = np.zeros((len(at), 3, count + 3 + light.shape[1]))
    design[:, :, count : count + 3] = np.eye(3)
    design[:, :, count + 3 :] = light[:, None]
    spread = np.concatenate((np.ones(count), np.full(3, LIGHT_SPREAD[0]), np.full(light.shape[1], LIGHT_SPREAD[1])))
    prior = np.diag(NOISE**2 / EFFECTIVE / spread**2)
    trust, solution = weights, np.zeros(design.shape[2])
    odds = np.zeros(albedo.shape)
    for _ in range(ROUNDS):
        own = albedo * np.exp(odds) / (1 + albedo * (np.exp(odds) - 1))
        # of a change of the log odds, this share reaches the logarithm
        design[:, :, :count] = modes.transpose(1, 2, 0) * (1 - own)[..., None]
        aim = target - np.log(own) + design[:, :, :count] @ solution[:count]
        share = np.sqrt(trust / trust.sum())[:, None]
        flat = (design * share[..., None]).reshape(-1, design.shape[2])
        solution = np.linalg.solve(flat.T @ flat + prior, flat.T @ (aim * share).ravel())
        odds = np.tensordot(solution[:count], modes, axes=1)
        trust = weights / (1 + (np.linalg.norm(aim - design @ solution, axis=1) / (3 * NOISE)) ** 2)
    out: FloatArray = solution[:count]
    return out

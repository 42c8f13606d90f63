"""Training targets out of several noisy labels: two 68-point predictions, 21 manual points, a predicted mesh.

Each prediction is compared with the manual points. The part of the difference that is the same for all faces of a pose
(the schemes place a "brow centre" or a "nose tip" differently) is fitted and removed; what remains is specific to
the photo, and a smooth field (Gaussian process over the face) carries it from the manual points to all points.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .points import AFLW_EARS, AFLW_FROM_IBUG, AFLW_MIRROR, IBUG_MIRROR, aflw_from_ibug

Array = NDArray[np.floating]

_MIRROR = np.array([-1.0, 1.0])


@dataclass(frozen=True)
class FieldPrior:
    """Prior of the correction field and of the manual points, in units of the face's side.

    Attributes
    ----------
    translation, affine, local
        Standard deviation of a common shift, of an affine coefficient per unit of the face's side, of local bending.
    reach
        Distance over which local bending is correlated.
    tail
        Degrees of freedom of the Student distribution of a manual point's error: few, since clicks can be far off.
    """

    translation: float = 0.015
    affine: float = 0.03
    local: float = 0.012
    reach: float = 0.25
    tail: float = 4.0


def face_frame(points68: Array) -> tuple[Array, Array]:
    """Side (N,) of each face's tight bounding square and rotation (N, 2, 2) from the upright frame into the image.

    Upright means that the middle of the mouth lies straight below the middle of the eyes.
    """
    side = (points68.max(axis=1) - points68.min(axis=1)).max(axis=1)
    down = points68[:, 48:68].mean(axis=1) - points68[:, 36:48].mean(axis=1)
    down = down / np.linalg.norm(down, axis=1, keepdims=True)
    return side, np.stack([np.stack([down[:, 1], down[:, 0]], -1), np.stack([-down[:, 0], down[:, 1]], -1)], -2)


def manual_residual(points68: Array, manual21: Array) -> Array:
    """Manual minus predicted points (N, 21, 2) in the upright frame, in units of the face's side; NaN where unseen."""
    side, rotation = face_frame(points68)
    difference = manual21 - aflw_from_ibug(points68)
    difference[:, list(AFLW_EARS)] = np.nan
    residual: Array = np.einsum("nji,npj->npi", rotation, difference) / side[:, None, None]
    return residual


def systematic_offset(residual: Array, points68: Array, yaw_deg: Array, components: int = 16) -> Array:
    """Part of ``residual`` (N, 21, 2) that pose and expression explain.

    A robust, mirror-symmetric regression per point on powers of yaw and the main components of the upright shape.
    """
    side, rotation = face_frame(points68)
    centred = points68 - points68.mean(axis=1, keepdims=True)
    upright = np.einsum("nji,npj->npi", rotation, centred) / side[:, None, None]
    shape = np.concatenate([upright, upright[:, IBUG_MIRROR] * _MIRROR]).reshape(2 * len(upright), -1)
    shape = shape - shape.mean(axis=0)
    axes = np.linalg.eigh(shape.T @ shape)[1][:, ::-1][:, :components]
    scores = shape @ axes
    yaw = np.concatenate([yaw_deg, -yaw_deg]) / 90.0
    basis = np.concatenate([np.stack([yaw**k for k in range(5)], axis=-1), scores / scores.std(axis=0)], axis=-1)
    both = np.concatenate([residual, residual[:, AFLW_MIRROR] * _MIRROR])
    offset = np.zeros_like(residual)
    for point in range(residual.shape[1]):
        seen = ~np.isnan(both[:, point, 0])
        if seen.sum() < 10 * basis.shape[1]:
            continue
        x, y = basis[seen], both[seen, point]
        weight = np.ones(len(x))
        for _ in range(10):
            gram = (x * weight[:, None]).T @ x
            gram += 1e-4 * np.trace(gram) / len(gram) * np.eye(len(gram))
            coefficients = np.linalg.solve(gram, (x * weight[:, None]).T @ y)
            distance = np.linalg.norm(y - x @ coefficients, axis=1)
            weight = 1.0 / np.maximum(distance, np.median(distance))
        offset[:, point] = basis[: len(residual)] @ coefficients
    return offset


@dataclass(frozen=True)
class Correction:
    """What the manual points say about one set of predictions.

    Attributes
    ----------
    field
        (N, P, 2) correction at the target points, in image pixels.
    leftover
        (N,) mean distance between corrected prediction and the manual points left out in turn, units of the side.
    before
        (N,) the same without correction; NaN where a photo has no usable manual point.
    """

    field: Array
    leftover: Array
    before: Array


def correct(points68: Array, manual21: Array, yaw_deg: Array, template: Array, prior: FieldPrior) -> Correction:
    """Smooth photo-specific correction of predictions by manual points.

    Parameters
    ----------
    points68
        (N, 68, 2) predictions, pixels.
    manual21
        (N, 21, 2) manual points, pixels, NaN where unseen.
    yaw_deg
        (N,) degrees.
    template
        (P, 2) mean frontal places of the target points, side 1, the first 68 being the iBUG points.
    prior
        Strength and smoothness of the field.
    """
    residual = manual_residual(points68, manual21)
    residual = residual - systematic_offset(residual, points68, yaw_deg)
    seen = ~np.isnan(residual[..., 0])
    value = np.where(seen[..., None], residual, 0.0)
    distance = np.linalg.norm(value, axis=-1)
    noise = np.array([np.median(d[s]) if s.any() else 1.0 for d, s in zip(distance.T, seen.T, strict=True)]) / 1.18
    at = np.stack([template[list(members)].mean(axis=0) for members in AFLW_FROM_IBUG])
    known, cross = _kernel(at, at, prior), _kernel(template, at, prior)
    variance = np.broadcast_to(noise**2, seen.shape)
    for _ in range(3):
        # Student noise by reweighting: a click that contradicts its neighbours counts less.
        diagonal = np.where(seen, variance, 1e6)
        inverse = np.linalg.inv(known + diagonal[:, :, None] * np.eye(len(at)))
        alpha = inverse @ value
        left_out = alpha / np.diagonal(inverse, axis1=1, axis2=2)[..., None]
        scaled = (left_out**2).sum(axis=-1) / (2.0 * noise**2)
        variance = noise**2 * (prior.tail + scaled) / (prior.tail + 1.0)
    side, rotation = face_frame(points68)
    field = np.einsum("nij,npj->npi", rotation, np.einsum("pm,nmk->npk", cross, alpha)) * side[:, None, None]
    with np.errstate(invalid="ignore"):
        count = seen.sum(axis=1)
        leftover = (np.linalg.norm(left_out, axis=-1) * seen).sum(axis=1) / count
        before = (distance * seen).sum(axis=1) / count
    return Correction(field=field, leftover=leftover, before=before)


def _kernel(a: Array, b: Array, prior: FieldPrior) -> Array:
    squared = ((a[:, None] - b[None]) ** 2).sum(axis=-1)
    local = prior.local**2 * np.exp(-squared / (2.0 * prior.reach**2))
    kernel: Array = prior.translation**2 + prior.affine**2 * (a @ b.T) + local
    return kernel


# Share of the second prediction (a frontal face mesh) in the fused one, over |yaw| in degrees.
_SHARE_YAW = (0.0, 30.0, 45.0, 60.0, 75.0, 90.0)
_SHARE_B = (0.55, 0.5, 0.35, 0.2, 0.1, 0.05)
# How sharply the share turns to the prediction that agrees better with the manual points (units of the face's side).
_SHARE_SOFTNESS = 0.008


@dataclass(frozen=True)
class Targets:
    """Points to learn, in image pixels, and how far to trust them.

    Attributes
    ----------
    points68, mesh
        (N, 68, 2) and (N, M, 2).
    weight68, mesh_weight
        (N, 68) and (N, M), about 1 on average, 0 where there is no label.
    doubtful
        (N,) bool, photos whose labels contradict each other grossly.
    """

    points68: Array
    mesh: Array
    weight68: Array
    mesh_weight: Array
    doubtful: NDArray[np.bool_]


def mean_frontal_shape(points68: Array, mesh: Array, yaw_deg: Array, mirror68: NDArray[np.intp]) -> tuple[Array, Array]:
    """Median upright shape (68, 2), made symmetric, and mesh (M, 2) of the faces within 10° of frontal, side 1."""
    frontal = (np.abs(yaw_deg) < 10.0) & ~np.isnan(mesh[:, 0, 0])
    side, rotation = face_frame(points68[frontal])
    centre = (points68[frontal].max(axis=1) + points68[frontal].min(axis=1)) / 2.0
    shapes = [
        np.median(np.einsum("nji,npj->npi", rotation, p[frontal] - centre[:, None]) / side[:, None, None], axis=0)
        for p in (points68, mesh)
    ]
    return (shapes[0] + shapes[0][mirror68] * _MIRROR) / 2.0, shapes[1]


def build_targets(
    prediction_a: Array, disagreement_a: Array, prediction_b: Array, mesh: Array, manual21: Array, yaw_deg: Array
) -> Targets:
    """Fuse two predictions and the manual points; carry the result over to the mesh.

    Parameters
    ----------
    prediction_a
        (N, 68, 2) pixels, present for every photo; ``disagreement_a`` (N, 68) is its distance to its mirror prediction.
    prediction_b
        (N, 68, 2) pixels, a linear map of ``mesh`` (N, M, 2); both NaN where no mesh was found.
    manual21
        (N, 21, 2) pixels, NaN where unseen.
    yaw_deg
        (N,) degrees.
    """
    prior = FieldPrior()
    present = ~np.isnan(prediction_b[:, 0, 0])
    b = np.where(present[:, None, None], prediction_b, prediction_a)
    template, mesh_template = mean_frontal_shape(prediction_a, mesh, yaw_deg, IBUG_MIRROR)
    leftover = [correct(p, manual21, yaw_deg, template, prior).leftover for p in (prediction_a, b)]
    share_b = np.interp(np.abs(yaw_deg), _SHARE_YAW, _SHARE_B)
    advantage = np.nan_to_num(leftover[0] - leftover[1]) / _SHARE_SOFTNESS
    odds = share_b / (1.0 - share_b) * np.exp(np.clip(advantage, -6.0, 6.0))
    share_b = np.where(present, odds / (1.0 + odds), 0.0)
    fused = prediction_a + share_b[:, None, None] * (b - prediction_a)
    correction = correct(fused, manual21, yaw_deg, template, prior)
    points68 = fused + correction.field

    side, _ = face_frame(fused)
    apart = np.where(present[:, None], np.linalg.norm(prediction_a - b, axis=-1) / side[:, None], 0.04)
    mirror = disagreement_a / side[:, None]
    unexplained = np.maximum(np.nan_to_num(correction.leftover, nan=0.04) - 0.03, 0.0)[:, None]
    trust = 0.015 / np.sqrt(0.012**2 + (0.3 * apart) ** 2 + (0.4 * mirror) ** 2 + unexplained**2)
    doubtful = (np.nan_to_num(correction.leftover) > 0.10) | (apart.mean(axis=1) > 0.25)

    carry = _smoother(mesh_template, template, prior)
    mesh_target = mesh + np.einsum("mp,npk->nmk", carry, points68 - b)
    mesh_trust = np.where(np.isnan(mesh[..., 0]), 0.0, trust.mean(axis=1, keepdims=True))
    return Targets(points68, mesh_target, trust / trust.mean(), mesh_trust / trust.mean(), doubtful)


def _smoother(at: Array, given: Array, prior: FieldPrior) -> Array:
    """Linear map (len(at), len(given)) that carries displacements at ``given`` points smoothly to points ``at``."""
    known = _kernel(given, given, prior) + 0.01**2 * np.eye(len(given))
    return _kernel(at, given, prior) @ np.linalg.inv(known)

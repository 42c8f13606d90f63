"""Sharpening a regressed face by the points that the network itself sees: one Gauss-Newton step.

A network says where each landmark lies better than which coefficients put it there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.linalg.lapack import dposv

from facefuse.geometry.cameras import ScaledOrthographicCamera
from facefuse.morphable.model import FaceModel
from facefuse.regression.faces import RegressedFace

FloatArray = npt.NDArray[np.floating[Any]]

IDENTITY, EXPRESSION, TURN = 0.5, 0.15, 0.1
"""Standard deviations about what was regressed: of an identity coefficient, of an expression weight, of the rotation
(radians). Chosen on 600 held-out AFLW faces, where values from 0.6 to 1.6 times these did as well."""

_POSE = np.zeros((12, 4))
"""From a landmark (x, y, z, 1) about the face's place to what the pose changes of x and, seven to twelve, of y: three
turns, the logarithm of the scale, the place."""
_POSE[[1, 2, 3, 4], [2, 1, 0, 3]] = 1.0, -1.0, 1.0, 1.0
_POSE[[6, 8, 9, 11], [2, 0, 1, 3]] = -1.0, 1.0, 1.0, 1.0

_FREE = 1e-4  # precision of the logarithm of the scale and, in faces' pixels, of the place: next to none


@dataclass(frozen=True)
class LandmarkBasis:
    """The 68 landmarks of a face model as a linear function of its coefficients.

    Attributes
    ----------
    mean : (68, 3) float
        Millimetres, model frame.
    modes : (K + E, 68, 3) float
        Identity modes, then expressions.
    """

    mean: FloatArray
    modes: FloatArray

    @cached_property
    def by_axis(self) -> FloatArray:
        """(3, 68 (K + E)) the modes' coordinates along each axis, landmark by landmark: one product turns them all."""
        return np.ascontiguousarray(self.modes.transpose(2, 1, 0)).reshape(3, -1)

    @staticmethod
    def of(model: FaceModel) -> LandmarkBasis:
        """The basis of a blendshape model."""
        modes = np.concatenate([np.asarray(model.identity), np.asarray(model.expression)])
        return LandmarkBasis(
            np.asarray(model.landmarks(np.asarray(model.mean)), dtype=float),
            np.asarray(model.landmarks(modes), dtype=float),
        )


def sharpened(basis: LandmarkBasis, face: RegressedFace, points: FloatArray, sigma: FloatArray) -> RegressedFace:
    """Move coefficients and camera towards seen points, as far as these are sure and the coefficients are not.

    Minimises ``Σ |p - x(c)|² / σ² + |c - c₀|² / s²`` linearised at the face given.

    Parameters
    ----------
    basis : LandmarkBasis
    face : RegressedFace
        As regressed, c₀, with coefficients of all the model's modes.
    points : (68, 2) float
        Where the landmarks are seen, pixels of the camera's image.
    sigma : (68,) float
        Standard deviation of each coordinate, pixels.
    """
    scale, rotation = face.camera.scale, np.asarray(face.camera.rotation)
    coefficients = np.concatenate([face.identity, face.expression])
    known, count, landmarks = len(face.identity), len(coefficients), len(basis.mean)
    axes = rotation * scale
    modes = (axes @ basis.by_axis).reshape(3, landmarks, count)
    turned = axes @ basis.mean.T + modes @ coefficients
    weight = 1.0 / sigma
    by_point = np.empty((2, landmarks, count + 6))
    np.multiply(modes[:2], weight[:, None], out=by_point[..., :count])
    by_pose = _POSE @ np.concatenate([turned, np.ones((1, landmarks))]) * weight
    by_point[..., count:] = by_pose.reshape(2, 6, landmarks).transpose(0, 2, 1)
    jacobian = by_point.reshape(2 * landmarks, -1)
    missing = ((points.T - turned[:2] - np.asarray(face.camera.translation)[:, None]) * weight).ravel()
    normal = jacobian.T @ jacobian
    normal.flat[:: len(normal) + 1] += _precision(known, count - known)
    # symmetric and, by the precision, positive definite; the transpose has its columns as LAPACK wants them
    step = dposv(normal.T, jacobian.T @ missing, lower=1, overwrite_a=1, overwrite_b=1)[1]
    moved, turn, (grow, right, down) = coefficients + step[:-6], step[-6:-3], step[-3:]
    camera = ScaledOrthographicCamera(
        scale * float(np.exp(grow)),
        _turned(rotation, *turn.tolist()),
        np.asarray(face.camera.translation) + np.array([right, down]),
    )
    return RegressedFace(moved[:known], np.clip(moved[known:], 0.0, 1.0), camera)


@lru_cache(maxsize=4)
def _precision(identities: int, expressions: int) -> FloatArray:
    """Inverse variances of the unknowns: coefficients, weights, rotation, log scale and place."""
    deviation = np.concatenate([np.full(identities, IDENTITY), np.full(expressions, EXPRESSION), np.full(3, TURN)])
    return np.concatenate([deviation**-2, np.full(3, _FREE)])


def _turned(rotation: FloatArray, x: float, y: float, z: float) -> FloatArray:
    """A rotation followed by a turn about (x, y, z) by its length in radians (Rodrigues' formula for one vector)."""
    angle = max(math.sqrt(x * x + y * y + z * z), 1e-12)
    x, y, z, sine, cosine = x / angle, y / angle, z / angle, math.sin(angle), math.cos(angle)
    rest = 1.0 - cosine
    turn = (
        (cosine + rest * x * x, rest * x * y - sine * z, rest * x * z + sine * y),
        (rest * x * y + sine * z, cosine + rest * y * y, rest * y * z - sine * x),
        (rest * x * z - sine * y, rest * y * z + sine * x, cosine + rest * z * z),
    )
    turned: FloatArray = np.array(turn) @ rotation
    return turned

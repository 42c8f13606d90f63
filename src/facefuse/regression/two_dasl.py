"""The method ``2dasl``: a network regresses each photo's face; ``2dasl+refine``: the joint fit then sharpens it.

2DASL (Tu et al., IEEE TMM 2020) is the training method; the network is ours. See ``docs/two_dasl.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from facefuse.fitting.fit import fit_face
from facefuse.fitting.priors import FOCAL_RATIO
from facefuse.fitting.types import FaceFit, FitOptions, Observation, PhotoFit
from facefuse.geometry.cameras import PinholeCamera, ScaledOrthographicCamera
from facefuse.morphable.model import FaceModel
from facefuse.regression.network import RegressedFace

FloatArray = npt.NDArray[np.floating[Any]]

ASSET = "two_dasl.onnx"

REFINED_SPREAD = 0.6
"""Standard deviation of an identity coefficient about the regressed one, where the joint fit goes on from it."""

_NEAREST_MM = 250.0


def pinhole(
    camera: ScaledOrthographicCamera, points: FloatArray, size: tuple[int, int], focal: float | None
) -> PinholeCamera:
    """The pinhole camera that sees a face as a scaled orthographic one does.

    The face lies at the distance at which it has the size it has, under the given focal length or, where that is not
    known, a common one; it is seen along the ray through its middle, at which both cameras agree.

    Parameters
    ----------
    camera
        Of the full photo.
    points
        (P, 3) landmarks in the model frame, mm.
    size
        Width and height of the photo.
    focal
        Pixels, where known.
    """
    centre = np.array([(size[0] - 1) / 2.0, (size[1] - 1) / 2.0])
    length = max(focal or FOCAL_RATIO * max(size), _NEAREST_MM * camera.scale)
    middle = np.asarray(points, dtype=float).mean(axis=0)
    seen = np.asarray(camera.project(middle[None]))[0]
    direction = np.array([*((seen - centre) / length), 1.0])
    ray = direction / np.linalg.norm(direction)
    rotation = _turn_to(ray) @ np.asarray(camera.rotation)
    # across the ray a millimetre covers focal / distance pixels, shrunk along with the slant of the ray
    place = direction * (length / camera.scale)
    return PinholeCamera(float(length), centre, rotation, place - rotation @ middle)


def _turn_to(ray: FloatArray) -> FloatArray:
    """The smallest rotation that takes the z axis to a unit vector in front of the camera."""
    axis = np.array([-ray[1], ray[0], 0.0])
    cross = np.array([[0.0, 0.0, axis[1]], [0.0, 0.0, -axis[0]], [-axis[1], axis[0], 0.0]])
    turn: FloatArray = np.eye(3) + cross + cross @ cross / (1.0 + ray[2])
    return turn


def combined(
    model: FaceModel,
    faces: Sequence[RegressedFace],
    observations: Sequence[Observation],
    expression: Literal["per-photo", "shared"],
) -> FaceFit:
    """One face out of the faces regressed from each photo: the mean identity, each photo's expression and camera."""
    identity = np.mean([face.identity for face in faces], axis=0)
    shared = np.mean([face.expression for face in faces], axis=0)
    photos = []
    for face, seen in zip(faces, observations, strict=True):
        weights = shared if expression == "shared" else face.expression
        points = np.asarray(model.landmarks(model.vertices(identity, weights)), dtype=float)
        camera = pinhole(face.camera, points, seen.size, seen.focal_px)
        photos.append(PhotoFit(camera, np.array(weights), residual(camera, points, seen), 1.0))
    return FaceFit(identity, tuple(photos), 0)


def residual(camera: PinholeCamera, points: FloatArray, seen: Observation) -> float:
    """Root mean square distance of projected landmarks (68, 3) to the observed ones, percent of the face's size."""
    known = np.isfinite(seen.sigma68)
    target = seen.points68[known]
    distance = np.linalg.norm(np.asarray(camera.project(points))[known] - target, axis=1)
    extent = np.sqrt(np.ptp(target, axis=0).prod())
    return float(100.0 * np.sqrt((distance**2).mean()) / extent)


def refined(
    model: FaceModel,
    faces: Sequence[RegressedFace],
    observations: Sequence[Observation],
    expression: Literal["per-photo", "shared"],
) -> FaceFit:
    """The joint fit to the landmarks with the regressed identity in the place of the mean face.

    Coefficients are then N(regressed, `REFINED_SPREAD`²) a priori instead of N(0, 1).
    """
    identity = np.mean([face.identity for face in faces], axis=0)
    start = replace(
        model,
        mean=np.asarray(model.vertices(identity)),
        identity=np.asarray(model.identity) * np.float32(REFINED_SPREAD),
        _flat={},
    )
    found = fit_face(start, observations, FitOptions(expression=expression))
    return replace(found, identity=identity + REFINED_SPREAD * found.identity)

"""The method ``2dasl``: a network regresses each photo's face; ``2dasl+refine``: the joint fit then sharpens it.

2DASL (Tu et al., IEEE TMM 2020) is the training method; the network is ours. See ``docs/two_dasl.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from facefuse.fitting.consistency import views_from_cameras
from facefuse.fitting.fit import fit_face
from facefuse.fitting.priors import FOCAL_RATIO, ORTHOGRAPHIC_DISTANCE_MM
from facefuse.fitting.projection import project_with_derivatives
from facefuse.fitting.types import Expectation, FaceFit, FitOptions, Observation, PhotoFit
from facefuse.geometry.cameras import PinholeCamera, ScaledOrthographicCamera
from facefuse.morphable.model import FaceModel
from facefuse.regression.faces import RegressedFace
from facefuse.regression.lids import UPPER_LIDS
from facefuse.regression.network import RegressionNetwork

FloatArray = npt.NDArray[np.floating[Any]]

ASSET = "two_dasl.onnx"

CROP_SHARE = 0.95
"""Share of the published crop's side that is shown to the network: on 600 held-out AFLW faces it sees best so (2.45 %
against 2.53 % of the whole crop and 2.47 % of 0.9 of it, mean with the mirror image)."""

REFINED_IDENTITY, REFINED_EXPRESSION = 0.9, 0.2
"""Standard deviation of an identity coefficient and of an expression weight about the regressed one, where the joint
fit goes on from it."""

MESH_DOUBT = 5.0
"""How much less exact mesh points are than a landmark network says: on turned faces its labels for them were poor."""

_NEAREST_MM = 250.0
_USUAL_MM = 3000.0
"""A face is put no nearer than this under a lens that is guessed: the network knows nothing of perspective."""
_POSE_STEPS = 5


TILTS = (0.0, -0.12, 0.12)
"""Radians: looking at a tilted crop too takes another percent off (2.43 against 2.45 %)."""


def network(model: FaceModel, file: Path | None = None) -> RegressionNetwork:
    """The network as the methods use it: the shipped one, or another file; see `RegressionNetwork` for errors."""
    return RegressionNetwork(model, file, ASSET, mirrored=True, tilts=TILTS, share=CROP_SHARE)


def pinhole(
    camera: ScaledOrthographicCamera, points: FloatArray, size: tuple[int, int], focal: float | None
) -> PinholeCamera:
    """The pinhole camera that sees a face as a scaled orthographic one does.

    Where the focal length is not known, the camera is so far away that it is as good as orthographic. Otherwise the
    face lies at the distance at which it has the size it has, seen along the ray through its middle, and is then turned
    and moved until its landmarks lie as near to where the orthographic camera sees them as they can.

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
    far = ORTHOGRAPHIC_DISTANCE_MM * camera.scale
    length = far if focal is None else max(focal, _NEAREST_MM * camera.scale)
    middle = np.asarray(points, dtype=float).mean(axis=0)
    seen = np.asarray(camera.project(middle[None]))[0]
    direction = np.array([*((seen - centre) / length), 1.0])
    ray = direction / np.linalg.norm(direction)
    rotation = _turn_to(ray) @ np.asarray(camera.rotation)
    # across the ray a millimetre covers focal / distance pixels, shrunk along with the slant of the ray
    place = direction * (length / camera.scale)
    first = PinholeCamera(float(length), centre, rotation, place - rotation @ middle)
    return first if focal is None else _nearer(first, points, np.asarray(camera.project(points)))


def _nearer(camera: PinholeCamera, points: FloatArray, target: FloatArray) -> PinholeCamera:
    """The camera moved and turned so that points (P, 3) come nearest to their targets (P, 2), least squares."""
    views = views_from_cameras([camera])
    for _ in range(_POSE_STEPS):
        pixels, _, by_view = project_with_derivatives(np.asarray(points, dtype=float)[None], views)
        # scale and nearness change together: the focal length, their quotient, stays
        moves = np.concatenate([by_view[0, ..., :5], by_view[0, ..., 5:].sum(-1, keepdims=True)], axis=-1)
        step = np.linalg.lstsq(moves.reshape(-1, 6), (target - pixels[0]).ravel(), rcond=None)[0]
        views = views.moved(np.append(step, step[-1])[None])
    return replace(views.camera(0), focal=camera.focal)


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
        focal = seen.focal_px or max(FOCAL_RATIO * max(seen.size), _USUAL_MM * face.camera.scale)
        camera = pinhole(face.camera, points, seen.size, focal)
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
    """The joint fit to the landmarks with the regressed face in the place of the mean face.

    Identity and expressions are a priori normally distributed about the regressed ones. The camera is a pinhole where
    every photo states its focal length, otherwise orthographic like the network's: a guessed lens costs more than none.
    """
    known = all(one.focal_px is not None for one in observations)
    camera: Literal["perspective", "orthographic"] = "perspective" if known else "orthographic"
    expected = Expectation(
        np.mean([face.identity for face in faces], axis=0),
        REFINED_IDENTITY,
        np.stack([face.expression for face in faces]),
        REFINED_EXPRESSION,
    )
    agreed = [_agreed(model, face, one) for face, one in zip(faces, observations, strict=True)]
    return fit_face(model, agreed, FitOptions(expression, camera, "model"), expected)


def _agreed(model: FaceModel, face: RegressedFace, seen: Observation) -> Observation:
    """Landmarks half way between the observed and the regressed ones: two networks err less together than either.

    Observed ones know nothing of shut eyes, and mesh points little (`MESH_DOUBT`).
    """
    regressed = np.asarray(face.camera.project(face.landmarks(model)))
    points68, sigma68 = (seen.points68 + regressed) / 2, seen.sigma68.copy()
    sigma68[list(UPPER_LIDS)] = np.inf
    return replace(seen, points68=points68, sigma68=sigma68, mesh_sigma=MESH_DOUBT * seen.mesh_sigma)

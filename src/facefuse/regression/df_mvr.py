"""The method ``df-mvr``: a network regresses one face from all photos; ``df-mvr+refine``: the joint fit sharpens it.

DF-MVR (Zhao et al., arXiv 2204.03842) is the training method; the network is ours. See ``docs/df_mvr.md``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from facefuse.detection.crop import Square, cut_square
from facefuse.detection.onnx_sessions import open_session
from facefuse.errors import AssetError
from facefuse.fitting.fit import fit_face
from facefuse.fitting.types import Expectation, FaceFit, FitOptions, Observation, PhotoFit
from facefuse.geometry.cameras import PinholeCamera
from facefuse.geometry.rotations import rot6d_to_rotmat
from facefuse.morphable.model import FaceModel
from facefuse.regression.network import REFERENCE_SIDE
from facefuse.regression.two_dasl import residual

FloatArray = npt.NDArray[np.floating[Any]]

ASSET = "df_mvr.onnx"

REFINED_IDENTITY, REFINED_EXPRESSION = 0.3, 0.1
"""Standard deviation of an identity coefficient and of an expression weight about the regressed one, where the joint
fit goes on from it."""

SPREAD = 2.0
"""The errors of a network's points go together: as evidence they weigh as if they spread so many times as far."""

_OUTPUTS = ("identity", "expression", "pose", "points", "log_sigma")
_LANDMARKS = 68
_SCALE, _NEAREST_MM, _DISTANCE_START, _EXPRESSION_START = 0.52 / 120.0, 220.0, -1.0, -2.5
"""How networks state cameras and expressions: see `facefuse.learning.df_mvr.placing`."""


@dataclass(frozen=True)
class RegressedPerson:
    """What the network says of one person in N photos.

    Attributes
    ----------
    identity : (K,) float
        Coefficients, N(0, 1).
    expression : (N, E) float
        Weights in [0, 1].
    cameras : tuple of PinholeCamera
        Model millimetres to pixels of each full photo; the principal point is the middle of the face's crop.
    points : (N, 68 + M, 2) float
        The 68 landmarks and M mesh points that the network finds, pixels of each full photo, and
    sigma : (N, 68 + M) float
        the standard deviation of their coordinates.
    mesh_indices : (M,) int
        Which MediaPipe mesh points they are.
    """

    identity: FloatArray
    expression: FloatArray
    cameras: tuple[PinholeCamera, ...]
    points: FloatArray
    sigma: FloatArray
    mesh_indices: npt.NDArray[np.integer[Any]]

    def observation(self, photo: int, seen: Observation) -> Observation:
        """What the network says of the points in a photo, in the place of what was said of them so far."""
        points, sigma = self.points[photo], SPREAD * self.sigma[photo]
        return replace(
            seen,
            points68=points[:_LANDMARKS],
            sigma68=sigma[:_LANDMARKS],
            mesh=points[_LANDMARKS:],
            mesh_sigma=sigma[_LANDMARKS:],
            mesh_indices=self.mesh_indices,
        )


class MultiviewNetwork:
    """The network for any number of photos of a person.

    Parameters
    ----------
    model
        The face model it was trained with.
    file
        ONNX file; the shipped one if not given.
    threads
        Threads of the ONNX Runtime; 0 leaves the choice to it.

    Raises
    ------
    AssetError
        The file is missing, another network, or belongs to another face model.
    """

    def __init__(self, model: FaceModel, file: Path | None = None, threads: int = 0) -> None:
        self._session = open_session(file, ASSET, threads, inputs=("crops",), outputs=_OUTPUTS)
        facts = self._session.get_modelmeta().custom_metadata_map
        try:
            self.crop_size = int(json.loads(facts["crop_size"]))
            self.mesh_indices = np.array(json.loads(facts["mesh_indices"]), dtype=np.int32)
            wanted = str(facts["face_model"])
        except (KeyError, ValueError) as error:
            raise AssetError(
                "the network does not state its crop size, mesh points and face model; export it again"
            ) from error
        widths = {x.name: x.shape[-1] for x in self._session.get_outputs()}
        if wanted != model.name or widths["expression"] != model.expression_count:
            raise AssetError(f"the network was trained for the face model {wanted!r}, not for {model.name!r}")
        points = np.asarray(model.landmarks(np.asarray(model.mean, dtype=float)))[:, 1]
        self._middle = np.array([0.0, _SCALE * (points.min() + points.max()) / 2.0])
        self._identities = model.identity_count

    def regress(self, photos: Sequence[npt.NDArray[np.uint8]], squares: Sequence[Square]) -> RegressedPerson:
        """Regress one person.

        Parameters
        ----------
        photos
            (H, W, 3) sRGB each, in any order.
        squares
            What to cut out of each: `facefuse.detection.landmarks.upright_square` of the landmarks.

        Raises
        ------
        UsageError
            If a square is not finite or has no extent.
        """
        crops = np.stack(
            [cut_square(pixels, square, self.crop_size) for pixels, square in zip(photos, squares, strict=True)]
        )
        found = self._session.run(list(_OUTPUTS), {"crops": crops})
        identity, expression, pose, points, log_sigma = (np.asarray(x, dtype=np.float64) for x in found)
        full = np.zeros(self._identities)
        full[: len(identity)] = identity
        weights = 1.0 / (1.0 + np.exp(-(expression + _EXPRESSION_START)))
        cameras = tuple(self._camera(one, square) for one, square in zip(pose, squares, strict=True))
        size = self.crop_size
        placed = [square.to_photo(one * size - 0.5, size) for one, square in zip(points, squares, strict=True)]
        sides = np.array([square.side for square in squares])[:, None]
        sigma = np.exp(log_sigma) * sides / REFERENCE_SIDE
        return RegressedPerson(full, weights, cameras, np.stack(placed), sigma, self.mesh_indices)

    def _camera(self, pose: FloatArray, square: Square) -> PinholeCamera:
        """The camera of a crop's numbers in the photo that the square was cut out of."""
        scale = _SCALE * math.exp(0.3 * pose[6])
        distance = _NEAREST_MM * (1.0 + math.exp(-(0.5 * pose[9] + _DISTANCE_START)))
        rotation = np.asarray(rot6d_to_rotmat(pose[:6] + np.array([1.0, 0.0, 0.0, 0.0, -1.0, 0.0])))
        place = np.array([*((self._middle + 0.15 * pose[7:9]) / scale), distance])
        cos, sin = math.cos(square.roll), math.sin(square.roll)
        turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
        centre = np.asarray(square.centre, dtype=float)
        return PinholeCamera(scale * distance * square.side, centre, turn @ rotation, turn @ place)


def combined(
    model: FaceModel,
    person: RegressedPerson,
    observations: Sequence[Observation],
    expression: Literal["per-photo", "shared"],
) -> FaceFit:
    """The regressed face as the fit states one; a shared expression is the mean of the photos'."""
    photos = []
    for own, camera, seen in zip(person.expression, person.cameras, observations, strict=True):
        weights = person.expression.mean(axis=0) if expression == "shared" else own
        points = np.asarray(model.landmarks(model.vertices(person.identity, weights)), dtype=float)
        photos.append(PhotoFit(camera, np.array(weights), residual(camera, points, seen), 1.0))
    return FaceFit(person.identity, tuple(photos), 0)


def refined(
    model: FaceModel,
    person: RegressedPerson,
    observations: Sequence[Observation],
    expression: Literal["per-photo", "shared"],
) -> FaceFit:
    """The joint fit to the points that the network finds in all photos, with its face in the place of the mean face.

    Hidden points and the jaw's are doubted as the fit does it: the network knows less of them than it says.
    """
    expected = Expectation(person.identity, REFINED_IDENTITY, person.expression, REFINED_EXPRESSION)
    found = [person.observation(k, seen) for k, seen in enumerate(observations)]
    return fit_face(model, found, FitOptions(expression=expression), expected)

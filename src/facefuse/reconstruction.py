"""The way through: photos in, a textured, animatable head out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from facefuse.detection.types import DetectedFace, FaceLandmarks
from facefuse.geometry.cameras import PinholeCamera
from facefuse.geometry.mesh import Mesh
from facefuse.morphable.model import FaceModel
from facefuse.photos import Photo

FloatArray = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class PhotoResult:
    """What was found in one photo.

    Attributes
    ----------
    photo : Photo
        The photo, upright.
    face : DetectedFace
        The face used.
    landmarks : FaceLandmarks
        Its landmarks, pixels of the full photo.
    camera : PinholeCamera
        Projects model millimetres to pixels of the full photo.
    expression : (E,) float
        Expression weights.
    residual : float
        Landmark residual, percent of the face's size.
    weight : float
        How much the photo counted, 0-1.
    """

    photo: Photo
    face: DetectedFace
    landmarks: FaceLandmarks
    camera: PinholeCamera
    expression: FloatArray
    residual: float
    weight: float


@dataclass(frozen=True)
class SkippedPhoto:
    """A photo that could not be used, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class Reconstruction:
    """A textured, animatable head.

    Attributes
    ----------
    model : FaceModel
        The face model used.
    identity : (K,) float
        Identity coefficients.
    texture : (S, S, 3) uint8
        sRGB; row 0 is the top, v = 1.
    photos : tuple of PhotoResult
        The photos used, in the order given.
    skipped : tuple of SkippedPhoto
        The photos that could not be used.
    warnings : tuple of str
        What a person should know: a down-weighted photo, the same photo twice, two different people.
    method : str
        How the coefficients were found.
    """

    model: FaceModel
    identity: FloatArray
    texture: npt.NDArray[np.uint8]
    photos: tuple[PhotoResult, ...]
    skipped: tuple[SkippedPhoto, ...] = ()
    warnings: tuple[str, ...] = ()
    method: str = "fit"

    @cached_property
    def mesh(self) -> Mesh:
        """The neutral head: millimetres, model frame."""
        return Mesh(self.model.vertices(self.identity), self.model.triangles)

    def posed_mesh(self, index: int) -> Mesh:
        """Return the head with the expression of one photo: millimetres, model frame."""
        return Mesh(self.model.vertices(self.identity, self.photos[index].expression), self.model.triangles)

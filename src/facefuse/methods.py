"""How the coefficients of a head are found: the methods, by name.

A method sees everything that is known of each photo: its pixels and the face in it as well as the landmarks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from facefuse.detection.types import DetectedFace, FaceLandmarks
from facefuse.errors import UsageError
from facefuse.fitting.fit import fit_face
from facefuse.fitting.types import FaceFit, FitOptions, Observation
from facefuse.morphable.model import FaceModel
from facefuse.photos import Photo

Expression = Literal["per-photo", "shared"]


@dataclass(frozen=True)
class SeenFace:
    """The face of one photo, before a head is fitted.

    Attributes
    ----------
    name : str
        What the photo is called in messages.
    photo : Photo
        The photo, upright.
    face : DetectedFace
        The face used.
    landmarks : FaceLandmarks
        Its landmarks, pixels of the full photo.
    """

    name: str
    photo: Photo
    face: DetectedFace
    landmarks: FaceLandmarks

    def observation(self) -> Observation:
        """Return the landmarks as the fit takes them."""
        seen = self.landmarks
        return Observation(
            points68=seen.points68,
            sigma68=seen.sigma68,
            mesh=seen.mesh,
            mesh_sigma=seen.mesh_sigma,
            mesh_indices=seen.mesh_indices,
            size=(self.photo.width, self.photo.height),
            focal_px=self.photo.focal_px,
        )


Method = Callable[[FaceModel, Sequence[SeenFace], Expression], FaceFit]
"""From a model, the faces of one person and whether they share an expression to one head that explains them."""


def fit_to_landmarks(model: FaceModel, seen: Sequence[SeenFace], expression: Expression) -> FaceFit:
    """The method ``fit``: identity, expressions and cameras that best explain the landmarks of all photos."""
    return fit_face(model, [one.observation() for one in seen], FitOptions(expression=expression))


METHODS: dict[str, Method] = {"fit": fit_to_landmarks}


def best_method(photos: int) -> str:
    """Return the name of the method that ``auto`` stands for, given the number of photos."""
    return "fit"


def check_method(name: str) -> None:
    """Raise UsageError if a name is neither ``auto`` nor that of a method."""
    if name not in ("auto", *METHODS):
        raise UsageError(f"no method {name!r}; there are auto, {', '.join(METHODS)}")

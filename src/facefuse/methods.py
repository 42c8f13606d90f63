"""How the coefficients of a head are found: the methods, by name.

A method sees everything that is known of each photo: its pixels and the face in it as well as the landmarks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from facefuse.detection.types import DetectedFace, FaceLandmarks
from facefuse.errors import UsageError
from facefuse.fitting.fit import fit_face
from facefuse.fitting.types import FaceFit, FitOptions, Observation
from facefuse.morphable.model import FaceModel
from facefuse.photos import Photo

if TYPE_CHECKING:
    from facefuse.regression.df_mvr import MultiviewNetwork, RegressedPerson
    from facefuse.regression.faces import RegressedFace
    from facefuse.regression.network import RegressionNetwork

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


MIN_WEIGHT = 0.5
"""A photo that counts less than this does not fit the others, and the user is told."""

Method = Callable[[FaceModel, Sequence[SeenFace], Expression], FaceFit]
"""From a model, the faces of one person and whether they share an expression to one head that explains them."""


def fit_to_landmarks(model: FaceModel, seen: Sequence[SeenFace], expression: Expression) -> FaceFit:
    """The method ``fit``: identity, expressions and cameras that best explain the landmarks of all photos."""
    return fit_face(model, [one.observation() for one in seen], FitOptions(expression=expression))


def regress(model: FaceModel, seen: Sequence[SeenFace], expression: Expression) -> FaceFit:
    """The method ``2dasl``: what a network regresses from each photo, identities averaged."""
    from facefuse.regression.two_dasl import combined  # late: only this method needs it

    return combined(model, _regressed(model, seen), [one.observation() for one in seen], expression)


def regress_and_refine(model: FaceModel, seen: Sequence[SeenFace], expression: Expression) -> FaceFit:
    """The method ``2dasl+refine``: the fit to the landmarks of all photos, starting from the regressed face."""
    from facefuse.regression.two_dasl import refined

    return refined(model, _regressed(model, seen), [one.observation() for one in seen], expression)


def _regressed(model: FaceModel, seen: Sequence[SeenFace]) -> list[RegressedFace]:
    from facefuse.detection.landmarks import upright_square

    if model.name != REGRESSED_MODEL:
        raise UsageError(f"2dasl knows the face model {REGRESSED_MODEL!r}, not {model.name!r}; use the method fit")
    network = _network()
    return [network.regress(one.photo.pixels, upright_square(one.landmarks.points68)) for one in seen]


REGRESSED_MODEL = "base"
"""The face model that the shipped network was trained with."""


@lru_cache(maxsize=1)
def _network() -> RegressionNetwork:
    from facefuse.morphable.registry import load_model
    from facefuse.regression import two_dasl

    return two_dasl.network(load_model(REGRESSED_MODEL))


def regress_together(model: FaceModel, seen: Sequence[SeenFace], expression: Expression) -> FaceFit:
    """The method ``df-mvr``: one face that a network regresses from all photos together."""
    from facefuse.regression.df_mvr import combined

    return combined(model, _regressed_together(model, seen), [one.observation() for one in seen], expression)


def regress_together_and_refine(model: FaceModel, seen: Sequence[SeenFace], expression: Expression) -> FaceFit:
    """The method ``df-mvr+refine``: the fit to the points that this network finds, starting from its face."""
    from facefuse.regression.df_mvr import refined

    return refined(model, _regressed_together(model, seen), [one.observation() for one in seen], expression)


def _regressed_together(model: FaceModel, seen: Sequence[SeenFace]) -> RegressedPerson:
    from facefuse.detection.landmarks import upright_square

    if model.name != REGRESSED_MODEL:
        raise UsageError(f"df-mvr knows the face model {REGRESSED_MODEL!r}, not {model.name!r}; use the method fit")
    squares = [upright_square(one.landmarks.points68) for one in seen]
    return _multiview_network().regress([one.photo.pixels for one in seen], squares)


@lru_cache(maxsize=1)
def _multiview_network() -> MultiviewNetwork:
    from facefuse.morphable.registry import load_model
    from facefuse.regression.df_mvr import MultiviewNetwork

    return MultiviewNetwork(load_model(REGRESSED_MODEL))


METHODS: dict[str, Method] = {
    "fit": fit_to_landmarks,
    "2dasl": regress,
    "2dasl+refine": regress_and_refine,
    "df-mvr": regress_together,
    "df-mvr+refine": regress_together_and_refine,
}


def best_method(photos: int, model: FaceModel) -> str:
    """Return the name of the method that ``auto`` stands for, given the number of photos and the face model.

    A single photo's face is regressed (docs/benchmarks/two_dasl.md says why); several photos' is regressed from all of
    them and then fitted to the points found there (docs/benchmarks/multiview.md). Models that the networks do not know
    are fitted.
    """
    if model.name != REGRESSED_MODEL:
        return "fit"
    return "2dasl" if photos == 1 else "df-mvr+refine"


def fitted(
    model: FaceModel, seen: Sequence[SeenFace], expression: Expression, method: str
) -> tuple[str, FaceFit, FaceFit]:
    """The method used, what it found, and the fit to the landmarks, which alone tells whether photos agree.

    Networks believe every photo: where one does not fit the others, ``auto`` is the fit, which doubts it.
    """
    chosen = best_method(len(seen), model) if method == "auto" else method
    if chosen == "fit" or len(seen) == 1:
        fit = METHODS[chosen](model, seen, expression)
        return chosen, fit, fit
    by_landmarks = fit_to_landmarks(model, seen, expression)
    if method == "auto" and any(one.weight < MIN_WEIGHT for one in by_landmarks.photos):
        return "fit", by_landmarks, by_landmarks
    return chosen, METHODS[chosen](model, seen, expression), by_landmarks


def check_method(name: str) -> None:
    """Raise UsageError if a name is neither ``auto`` nor that of a method."""
    if name not in ("auto", *METHODS):
        raise UsageError(f"no method {name!r}; there are auto, {', '.join(METHODS)}")

"""What the joint fit takes and gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from facefuse.geometry.cameras import PinholeCamera

FloatArray = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Observation:
    """What one photo says about the face: landmarks with uncertainty, and its camera's known part.

    Attributes
    ----------
    points68 : (68, 2) float
        iBUG landmarks, pixels of the full photo.
    sigma68 : (68,) float
        Their standard deviations in pixels; inf drops a point.
    mesh : (M, 2) float
        Dense landmarks, pixels; M may be 0.
    mesh_sigma : (M,) float
        Their standard deviations in pixels.
    mesh_indices : (M,) int
        Which MediaPipe mesh point each one is.
    size : (int, int)
        Width and height of the photo in pixels.
    focal_px : float or None
        Known focal length in pixels (EXIF); None to estimate it.
    """

    points68: FloatArray
    sigma68: FloatArray
    mesh: FloatArray
    mesh_sigma: FloatArray
    mesh_indices: npt.NDArray[np.integer[Any]]
    size: tuple[int, int]
    focal_px: float | None = None


@dataclass(frozen=True)
class FitOptions:
    """How to fit.

    Attributes
    ----------
    expression : {"per-photo", "shared"}
        Whether every photo has its own expression.
    camera : {"perspective", "orthographic"}
        Orthographic is approximated by a very long lens; for comparison.
    landmarks : {"seen", "model"}
        What the observed landmarks are: places that are seen, so that those of the jaw slide along the visible outline
        and hidden ones are guesses; or the model's own points, hidden or not, as networks predict that learnt them.
    """

    expression: Literal["per-photo", "shared"] = "per-photo"
    camera: Literal["perspective", "orthographic"] = "perspective"
    landmarks: Literal["seen", "model"] = "seen"


@dataclass(frozen=True)
class Expectation:
    """A face that is expected before the landmarks are looked at, such as one that a network regressed.

    Attributes
    ----------
    identity : (K,) float
        Coefficients, and
    identity_sigma : float
        their standard deviation about them.
    expression : (N, E) float
        Weights in each photo, and
    expression_sigma : float
        their standard deviation about them.
    """

    identity: FloatArray
    identity_sigma: float
    expression: FloatArray
    expression_sigma: float


@dataclass(frozen=True)
class PhotoFit:
    """The fitted part of one photo.

    Attributes
    ----------
    camera : PinholeCamera
        Full photo pixels, millimetres.
    expression : (E,) float
        Expression weights.
    residual : float
        Root mean square distance of the landmarks, in percent of the face's size (square root of the area of the
        box about the 68 landmarks).
    weight : float
        How much the photo counted, 0-1; a bad photo is down-weighted and says so.
    """

    camera: PinholeCamera
    expression: FloatArray
    residual: float
    weight: float


@dataclass(frozen=True)
class FaceFit:
    """One face that explains all photos.

    Attributes
    ----------
    identity : (K,) float
        Identity coefficients, N(0, 1).
    photos : tuple of PhotoFit
        One per observation, in order.
    iterations : int
        Steps taken.
    """

    identity: FloatArray
    photos: tuple[PhotoFit, ...]
    iterations: int

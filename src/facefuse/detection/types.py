"""What detection hands on: value types and the protocols a detector or landmark network fulfils."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]


@dataclass(frozen=True)
class DetectedFace:
    """A face found in a photo. Coordinates in pixels of that photo, centre of the top-left pixel at (0, 0).

    Attributes
    ----------
    box
        (4,) x0, y0, x1, y1. A square about the 68 landmarks: same centre as their tight bounding box,
        side = the longer side of that box. It may reach beyond the photo.
    points5
        (5, 2) centres of the eyes (image left, image right), nose tip, mouth corners (left, right).
    score
        Probability in [0, 1] that this is a face.
    """

    box: FloatArray
    points5: FloatArray
    score: float


@dataclass(frozen=True)
class FaceLandmarks:
    """Landmarks of one face. Coordinates in pixels of the photo, centre of the top-left pixel at (0, 0).

    Attributes
    ----------
    points68
        (68, 2) in iBUG order.
    sigma68
        (68,) standard deviation of each coordinate of ``points68``, in pixels of the photo.
    mesh
        (M, 2) dense points.
    mesh_sigma
        (M,) standard deviation of each coordinate of ``mesh``, in pixels of the photo.
    mesh_indices
        (M,) int, the vertex of MediaPipe's face mesh that each dense point is.
    score
        Probability in [0, 1] that the crop shows a face.
    """

    points68: FloatArray
    sigma68: FloatArray
    mesh: FloatArray
    mesh_sigma: FloatArray
    mesh_indices: NDArray[np.integer]
    score: float

    @property
    def square(self) -> FloatArray:
        """Square (4,) x0, y0, x1, y1 about the 68 points: centre and longer side of their tight box."""
        low, high = self.points68.min(axis=0), self.points68.max(axis=0)
        centre, half = (low + high) / 2.0, (high - low).max() / 2.0
        return np.concatenate([centre - half, centre + half])

    @property
    def spread(self) -> float:
        """Median standard deviation of the 68 points over the side of `square`: large where they are uncertain."""
        side = float(np.ptp(self.points68, axis=0).max())
        return float(np.median(self.sigma68)) / max(side, 1e-6)


class FaceDetector(Protocol):
    """Finds every face in a photo."""

    def detect(self, pixels: NDArray[np.uint8]) -> list[DetectedFace]:
        """Faces in an (H, W, 3) sRGB photo, the largest first; an empty list where there is none."""
        ...


class LandmarkDetector(Protocol):
    """Finds the landmarks of one face whose place is known."""

    def landmarks(self, pixels: NDArray[np.uint8], box: FloatArray) -> FaceLandmarks:
        """Landmarks of the face in ``box`` (as in `DetectedFace.box`) of an (H, W, 3) sRGB photo."""
        ...

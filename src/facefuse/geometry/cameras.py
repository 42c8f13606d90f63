"""Cameras: pinhole and scaled orthographic, OpenCV axes (x right, y down, z forward).

Pixel coordinates have the centre of the top-left pixel at (0, 0).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from facefuse.geometry.arrays import array_namespace

Array = Any


class Camera(Protocol):
    """What every camera can do."""

    def project(self, points: Array) -> Array:
        """Project (..., N, 3) model points, mm, to (..., N, 2) pixels."""
        ...

    def depth(self, points: Array) -> Array:
        """Return the depth along the optical axis of (..., N, 3) model points, mm: (..., N)."""
        ...


@dataclass(frozen=True)
class PinholeCamera:
    """A perspective camera.

    Attributes
    ----------
    focal : float
        Focal length in pixels (square pixels).
    centre : (2,) float
        Principal point in pixels.
    rotation : (3, 3) float
        ``x_cam = rotation @ x_model + translation``.
    translation : (3,) float
        Millimetres, camera frame.
    """

    focal: float
    centre: Array
    rotation: Array
    translation: Array

    def to_camera(self, points: Array) -> Array:
        """Model frame to camera frame: (..., N, 3) to (..., N, 3), mm."""
        xp = array_namespace(points)
        return xp.matmul(points, xp.matrix_transpose(self.rotation)) + self.translation

    def project(self, points: Array) -> Array:
        """Project (..., N, 3) model points, mm, to (..., N, 2) pixels."""
        seen = self.to_camera(points)
        return seen[..., :2] / seen[..., 2:] * self.focal + self.centre

    def depth(self, points: Array) -> Array:
        """Return the depth along the optical axis of (..., N, 3) model points, mm: (..., N)."""
        return self.to_camera(points)[..., 2]

    def resized(self, scale: float) -> PinholeCamera:
        """Return the camera of the picture resized by ``scale``."""
        return PinholeCamera(self.focal * scale, (self.centre + 0.5) * scale - 0.5, self.rotation, self.translation)

    def position(self) -> Array:
        """Return the camera's centre in the model frame, (3,) mm."""
        xp = array_namespace(self.rotation)
        return -xp.matmul(xp.matrix_transpose(self.rotation), self.translation)

    @property
    def matrix(self) -> Array:
        """The intrinsic matrix K, (3, 3)."""
        xp = array_namespace(self.rotation)
        cx, cy = float(self.centre[0]), float(self.centre[1])
        rows = [[float(self.focal), 0.0, cx], [0.0, float(self.focal), cy], [0.0, 0.0, 1.0]]
        return xp.asarray(rows, dtype=self.rotation.dtype)


@dataclass(frozen=True)
class ScaledOrthographicCamera:
    """A scaled orthographic (weak perspective) camera.

    Attributes
    ----------
    scale : float
        Pixels per millimetre.
    rotation : (3, 3) float
        Model to camera axes.
    translation : (2,) float
        Pixel position of the model origin.
    """

    scale: float
    rotation: Array
    translation: Array

    def project(self, points: Array) -> Array:
        """Project (..., N, 3) model points, mm, to (..., N, 2) pixels."""
        xp = array_namespace(points)
        seen = xp.matmul(points, xp.matrix_transpose(self.rotation)[..., :, :2])
        return seen * self.scale + self.translation

    def depth(self, points: Array) -> Array:
        """Return the depth along the viewing axis of (..., N, 3) model points, mm: (..., N)."""
        xp = array_namespace(points)
        return xp.matmul(points, xp.matrix_transpose(self.rotation)[..., :, 2:])[..., 0]

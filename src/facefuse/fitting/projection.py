"""Perspective in the numbers a face in a photo determines well, and its derivatives.

A camera is written by the pixel ``p`` of the model's origin, the logarithm of the scale ``S`` there (pixels per
millimetre) and the logarithm of the inverse distance ``k`` of the origin (1/mm). A point ``(x, y, z)``, millimetres in
camera axes relative to the model's origin, is seen at

    c + (S (x, y) + p - c) / (1 + k z)

with ``c`` the principal point: focal length ``f = S / k``, distance ``1 / k``. Position and scale are well determined
by the landmarks, perspective sits in ``k`` alone, and ``k -> 0`` is the scaled orthographic camera.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from facefuse.geometry.cameras import PinholeCamera

FloatArray = npt.NDArray[np.floating[Any]]

POSE_COUNT = 7
"""Parameters of a view: rotation vector (3, camera axes, applied after), origin pixel (2), log scale, log inverse
distance."""


@dataclass(frozen=True)
class Views:
    """The cameras of N photos.

    Attributes
    ----------
    rotation : (N, 3, 3) float
        Camera from model.
    origin : (N, 2) float
        Pixel at which the model's origin is seen.
    log_scale : (N,) float
        Logarithm of pixels per millimetre at the model's origin.
    log_nearness : (N,) float
        Logarithm of the inverse distance of the model's origin along the optical axis, 1/mm.
    centre : (N, 2) float
        Principal point, pixels.
    """

    rotation: FloatArray
    origin: FloatArray
    log_scale: FloatArray
    log_nearness: FloatArray
    centre: FloatArray

    def __len__(self) -> int:
        return len(self.rotation)

    @property
    def scale(self) -> FloatArray:
        """(N,) pixels per millimetre at the model's origin."""
        return np.exp(self.log_scale)

    @property
    def log_focal(self) -> FloatArray:
        """(N,) logarithm of the focal length in pixels."""
        return self.log_scale - self.log_nearness

    def moved(self, step: FloatArray) -> Views:
        """Return the views after a step (N, 7) in the order of :data:`POSE_COUNT`."""
        return replace(
            self,
            rotation=_small_turns(step[:, :3]) @ self.rotation,
            origin=self.origin + step[:, 3:5],
            log_scale=self.log_scale + step[:, 5],
            log_nearness=self.log_nearness + step[:, 6],
        )

    def take(self, index: npt.NDArray[np.integer[Any]]) -> Views:
        """Return some of the views."""
        return Views(*(getattr(self, name)[index] for name in self.__dataclass_fields__))

    def camera(self, index: int) -> PinholeCamera:
        """Return one view as a pinhole camera in full photo pixels."""
        distance = float(np.exp(-self.log_nearness[index]))
        scale = float(self.scale[index])
        sideways = (self.origin[index] - self.centre[index]) / scale
        return PinholeCamera(
            focal=scale * distance,
            centre=self.centre[index].copy(),
            rotation=self.rotation[index].copy(),
            translation=np.array([sideways[0], sideways[1], distance]),
        )


def project(points: FloatArray, views: Views) -> FloatArray:
    """Project (N, L, 3) model points, mm, into each photo: (N, L, 2) pixels."""
    turned = points @ views.rotation.transpose(0, 2, 1)
    return _seen(turned, views)[0]


def project_with_derivatives(points: FloatArray, views: Views) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Project, with derivatives.

    Parameters
    ----------
    points : (N, L, 3) float
        Model frame, mm.
    views : Views
        N of them.

    Returns
    -------
    pixels : (N, L, 2) float
    by_point : (N, L, 2, 3) float
        Derivative by the model point, pixels per mm.
    by_view : (N, L, 2, 7) float
        Derivative by a step of :meth:`Views.moved`.
    """
    turned = points @ views.rotation.transpose(0, 2, 1)
    pixels, divisor = _seen(turned, views)
    scale, nearness = views.scale[:, None], np.exp(views.log_nearness)[:, None]
    radial = pixels - views.centre[:, None]
    x, y, z = turned[..., 0], turned[..., 1], turned[..., 2]

    by_turned = np.zeros((*pixels.shape, 3))
    by_turned[..., 0, 0] = by_turned[..., 1, 1] = scale / divisor
    by_turned[..., 2] = -radial * (nearness / divisor)[..., None]
    by_view = np.empty((*pixels.shape, POSE_COUNT))
    # a small turn w moves a point by w x (x, y, z)
    by_view[..., 0] = by_turned[..., 2] * y[..., None] - by_turned[..., 1] * z[..., None]
    by_view[..., 1] = by_turned[..., 0] * z[..., None] - by_turned[..., 2] * x[..., None]
    by_view[..., 2] = by_turned[..., 1] * x[..., None] - by_turned[..., 0] * y[..., None]
    by_view[..., 3:5] = np.eye(2) / divisor[..., None, None]
    by_view[..., 5] = turned[..., :2] * (scale / divisor)[..., None]
    by_view[..., 6] = -radial * (nearness * z / divisor)[..., None]
    return pixels, by_turned @ views.rotation[:, None], by_view


def _small_turns(rotvec: FloatArray) -> FloatArray:
    # Rodrigues' formula; geometry.rotations has it for every array library, at five times the cost for a few vectors
    angle = np.sqrt((rotvec**2).sum(1))
    safe = np.maximum(angle, 1e-12)
    x, y, z = (rotvec / safe[:, None]).T
    cross = np.zeros((len(rotvec), 3, 3))
    cross[:, 0, 1], cross[:, 0, 2], cross[:, 1, 2] = -z, y, -x
    cross -= cross.transpose(0, 2, 1)
    sine, cosine = np.sin(angle)[:, None, None], np.cos(angle)[:, None, None]
    return np.asarray(np.eye(3) + sine * cross + (1 - cosine) * (cross @ cross))


def _seen(turned: FloatArray, views: Views) -> tuple[FloatArray, FloatArray]:
    # a point at or behind the camera has no image: far too near a trial step is made costly, never infinite
    divisor = np.maximum(1 + np.exp(views.log_nearness)[:, None] * turned[..., 2], 0.05)
    flat = views.scale[:, None, None] * turned[..., :2] + (views.origin - views.centre)[:, None]
    return views.centre[:, None] + flat / divisor[..., None], divisor

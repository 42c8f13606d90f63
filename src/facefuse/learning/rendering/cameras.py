"""A batch of cameras, differentiable; axes and pixels as in `facefuse.geometry.cameras`."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class PinholeCameras:
    """Perspective cameras, one for each mesh of a batch.

    Attributes
    ----------
    focal : (B,) float
        Pixels.
    centre : (B, 2) float
        Principal points, pixels.
    rotation : (B, 3, 3) float
        ``x_cam = rotation @ x_model + translation``.
    translation : (B, 3) float
        Millimetres.
    """

    focal: Tensor
    centre: Tensor
    rotation: Tensor
    translation: Tensor

    perspective = True

    def screen(self, points: Tensor) -> Tensor:
        """Project model points (B, N, 3), mm, to x and y in pixels and depth in mm: (B, N, 3)."""
        seen = points @ self.rotation.transpose(-1, -2) + self.translation[:, None]
        flat = seen[..., :2] / seen[..., 2:] * self.focal[:, None, None] + self.centre[:, None]
        return torch.cat((flat, seen[..., 2:]), dim=-1)


@dataclass(frozen=True)
class OrthographicCameras:
    """Scaled orthographic cameras, one for each mesh of a batch.

    Attributes
    ----------
    scale : (B,) float
        Pixels per millimetre.
    rotation : (B, 3, 3) float
        Model to camera axes.
    translation : (B, 2) float
        Pixel of the model's origin.
    """

    scale: Tensor
    rotation: Tensor
    translation: Tensor

    perspective = False

    def screen(self, points: Tensor) -> Tensor:
        """Project model points (B, N, 3), mm, to x and y in pixels and depth in mm: (B, N, 3)."""
        seen = points @ self.rotation.transpose(-1, -2)
        flat = seen[..., :2] * self.scale[:, None, None] + self.translation[:, None]
        return torch.cat((flat, seen[..., 2:]), dim=-1)


Cameras = PinholeCameras | OrthographicCameras

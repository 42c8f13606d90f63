"""From what the networks say to faces in front of cameras."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from facefuse.detection.five_points import TEMPLATE, five_points
from facefuse.geometry.alignment import similarity_from_points
from facefuse.geometry.rotations import rot6d_to_rotmat
from facefuse.learning.df_mvr.n_view import NViewOutput
from facefuse.learning.df_mvr.network import DeepFusionOutput
from facefuse.learning.rendering import OrthographicCameras, PinholeCameras
from facefuse.morphable.model import FaceModel

TYPICAL_SCALE = 0.52 / 120.0
"""Crop sides per mm of a face in a crop about its box."""
FOCAL, DISTANCE_MM = 1015.0 / 224.0, 1000.0
"""Of the published camera: focal length in sides of the crop, and where it puts the face before training. Upstream has
the camera at 1 dm and lets the network find the other nine, from a start at which nothing is in the picture."""
_EXPRESSION_START = -2.5  # logit of an expression weight before training


@dataclass(frozen=True)
class Faces:
    """Faces of B people in N views each, flattened to B·N.

    Attributes
    ----------
    identity
        (B, K), and
    expression
        (B·N, E), and
    albedo
        (B, A) coefficients.
    neutral
        (B, V, 3) mm, model frame.
    vertices
        (B·N, V, 3) with expressions.
    cameras
        B·N of them, in pixels of crops of side one; see `scaled`.
    light
        (B·N, 9, 3) for normals in the model frame.
    """

    identity: Tensor
    expression: Tensor
    albedo: Tensor
    neutral: Tensor
    vertices: Tensor
    cameras: OrthographicCameras | PinholeCameras
    light: Tensor


def scaled(cameras: OrthographicCameras | PinholeCameras, size: int) -> OrthographicCameras | PinholeCameras:
    """Cameras for crops of ``size`` pixels, centre of the top-left one at (0, 0), from those for a crop of side one."""
    if isinstance(cameras, PinholeCameras):
        return PinholeCameras(cameras.focal * size, cameras.centre * size - 0.5, cameras.rotation, cameras.translation)
    return OrthographicCameras(cameras.scale * size, cameras.rotation, cameras.translation * size - 0.5)


class FaceDecoder:
    """A face model that turns the output of either network into `Faces`.

    Parameters
    ----------
    model
        As many modes as the network predicts are used.
    device
    """

    def __init__(self, model: FaceModel, device: str = "cpu") -> None:
        def tensor(array: Any) -> Tensor:
            kind = torch.float32 if np.asarray(array).dtype.kind == "f" else None
            return torch.as_tensor(np.asarray(array), dtype=kind, device=device)

        self.model = model.to(tensor)
        points = np.asarray(model.landmarks(np.asarray(model.mean, dtype=float)))
        low, high = points.min(axis=0), points.max(axis=0)
        # what lies in the middle of a crop about the box of the landmarks, and of one by five points
        self._box_middle = float((low[1] + high[1]) / 2)
        origin = similarity_from_points(100.0 * TEMPLATE, five_points(points)).apply(np.zeros(3))
        self._origin = torch.as_tensor(origin, dtype=torch.float32, device=device)
        # the mean face is lit evenly and fully before training
        self._even = torch.zeros(9, 3, device=device)
        self._even[0] = 1.0 / 0.282095
        self._frontal = torch.tensor([1.0, 0.0, 0.0, 0.0, -1.0, 0.0], device=device)

    def of_n_view(self, out: NViewOutput) -> Faces:
        """Faces of our network: scaled orthographic cameras, light per view."""
        pose = out.pose.flatten(0, 1).float()
        middle = pose.new_tensor([0.5, 0.5 + TYPICAL_SCALE * self._box_middle])
        cameras = OrthographicCameras(
            TYPICAL_SCALE * torch.exp(0.3 * pose[:, 6]),
            rot6d_to_rotmat(pose[:, :6] + self._frontal),
            middle + 0.15 * pose[:, 7:9],
        )
        light = out.light.flatten(0, 1).float().transpose(1, 2)
        return self._faces(out.identity, out.albedo, out.expression.flatten(0, 1), cameras, self._even + light)

    def of_deep_fusion(self, out: DeepFusionOutput) -> Faces:
        """Faces of the published network: perspective cameras, expression and light shared by the views."""
        views = out.rotation.shape[1]
        rotation = euler_matrix(out.rotation.flatten(0, 1).float())
        down = rotation * rotation.new_tensor([1.0, -1.0, -1.0])[:, None]  # y up, z to the camera → OpenCV axes
        moved = out.translation.flatten(0, 1).float() * 100.0
        # turned about the origin of the template, as the published face model has it
        ahead = moved * moved.new_tensor([1.0, -1.0, -1.0]) - down @ self._origin
        ahead = ahead + moved.new_tensor([0.0, 0.0, DISTANCE_MM])
        count = len(down)
        cameras = PinholeCameras(down.new_full((count,), FOCAL), down.new_full((count, 2), 0.5), down, ahead)
        expression = out.expression[:, None].expand(-1, views, -1).flatten(0, 1)
        light = out.light[:, None].expand(-1, views, -1, -1).flatten(0, 1).float().transpose(1, 2)
        return self._faces(out.identity, out.albedo, expression, cameras, self._even + light)

    def _faces(
        self,
        identity: Tensor,
        albedo: Tensor,
        expression: Tensor,
        cameras: OrthographicCameras | PinholeCameras,
        light: Tensor,
    ) -> Faces:
        identity, expression = identity.float(), expression.float()
        if self.model.blendshapes:
            expression = torch.sigmoid(expression + _EXPRESSION_START)
        neutral = self.model.vertices(identity)
        moved = self.model.vertices(None, expression) - self.model.mean
        vertices = neutral.repeat_interleave(len(expression) // len(identity), dim=0) + moved
        return Faces(identity, expression, albedo.float(), neutral, vertices, cameras, light)


def euler_matrix(angles: Tensor) -> Tensor:
    """``Rz Ry Rx`` of angles (B, 3) about x, y, z in radians: (B, 3, 3)."""
    (cx, cy, cz), (sx, sy, sz) = angles.cos().unbind(1), angles.sin().unbind(1)
    rows = [
        torch.stack([cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx], dim=1),
        torch.stack([sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx], dim=1),
        torch.stack([-sy, cy * sx, cy * cx], dim=1),
    ]
    return torch.stack(rows, dim=1)

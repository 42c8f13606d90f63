"""From what the networks say to faces in front of cameras."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from facefuse.detection.five_points import TEMPLATE, five_points
from facefuse.geometry.alignment import similarity_from_points
from facefuse.learning.df_mvr.n_view import NViewOutput
from facefuse.learning.df_mvr.network import DeepFusionOutput
from facefuse.learning.df_mvr.placing import PointModel, expression_weights
from facefuse.learning.rendering import PinholeCameras
from facefuse.morphable.model import FaceModel

FOCAL, DISTANCE_MM = 1015.0 / 224.0, 1000.0
"""Of the published camera: focal length in sides of the crop, and where it puts the face before training. Upstream has
the camera at 1 dm and lets the network find the other nine, from a start at which nothing is in the picture."""


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
    cameras
        B·N of them, in pixels of crops of side one; see `scaled`.
    light
        (B·N, 9, 3) for normals in the model frame.
    """

    identity: Tensor
    expression: Tensor
    albedo: Tensor
    cameras: PinholeCameras
    light: Tensor

    def first(self, people: int, views: int) -> Faces:
        """The first so many people, who have so many views each."""
        c, some = self.cameras, people * views
        cameras = PinholeCameras(c.focal[:some], c.centre[:some], c.rotation[:some], c.translation[:some])
        return Faces(
            self.identity[:people],
            self.expression[:some],
            self.albedo[:people],
            cameras,
            self.light[:some],
        )


def scaled(cameras: PinholeCameras, size: int) -> PinholeCameras:
    """Cameras for crops of ``size`` pixels, centre of the top-left one at (0, 0), from those for a crop of side one."""
    return PinholeCameras(cameras.focal * size, cameras.centre * size - 0.5, cameras.rotation, cameras.translation)


def detached(cameras: PinholeCameras) -> PinholeCameras:
    """The same cameras, through which no gradient flows."""
    return PinholeCameras(*(getattr(cameras, one.name).detach() for one in fields(PinholeCameras)))


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
        self._points = PointModel(model, np.arange(len(model.mesh_points))).to(device)
        points = np.asarray(model.landmarks(np.asarray(model.mean, dtype=float)))
        # what lies in the middle of a crop by five points
        origin = similarity_from_points(100.0 * TEMPLATE, five_points(points)).apply(np.zeros(3))
        self._origin = torch.as_tensor(origin, dtype=torch.float32, device=device)
        # the mean face is lit evenly and fully before training
        self._even = torch.zeros(9, 3, device=device)
        self._even[0] = 1.0 / 0.282095

    def of_n_view(self, out: NViewOutput) -> Faces:
        """Faces of our network: a camera and a light for each view."""
        light = out.light.flatten(0, 1).float().transpose(1, 2)
        cameras = self._points.cameras(out.pose.flatten(0, 1).float())
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
        cameras: PinholeCameras,
        light: Tensor,
    ) -> Faces:
        identity, expression = identity.float(), expression.float()
        expression = expression_weights(expression, self.model.blendshapes)
        return Faces(identity, expression, albedo.float(), cameras, light)

    def neutral(self, faces: Faces) -> Tensor:
        """Heads without expression, (B, V, 3) mm in the model frame."""
        heads: Tensor = self.model.vertices(faces.identity)
        return heads

    def vertices(self, faces: Faces) -> Tensor:
        """Heads with the expressions of the views, (B·N, V, 3) mm in the model frame."""
        moved: Tensor = self.model.vertices(None, faces.expression) - self.model.mean
        views = len(faces.expression) // len(faces.identity)
        return self.neutral(faces).repeat_interleave(views, dim=0) + moved

    def points(self, faces: Faces) -> Tensor:
        """The 68 landmarks and all mesh points with the expressions of the views, (B·N, P, 3) mm."""
        views = len(faces.expression) // len(faces.identity)
        return self._points.points(faces.identity.repeat_interleave(views, dim=0), faces.expression)


def euler_matrix(angles: Tensor) -> Tensor:
    """``Rz Ry Rx`` of angles (B, 3) about x, y, z in radians: (B, 3, 3)."""
    (cx, cy, cz), (sx, sy, sz) = angles.cos().unbind(1), angles.sin().unbind(1)
    rows = [
        torch.stack([cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx], dim=1),
        torch.stack([sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx], dim=1),
        torch.stack([-sy, cy * sx, cy * cx], dim=1),
    ]
    return torch.stack(rows, dim=1)

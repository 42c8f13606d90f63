"""What a network says of a view, as a camera, and where the points of a face then lie in the crop."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from facefuse.geometry.rotations import rot6d_to_rotmat
from facefuse.learning.rendering import PinholeCameras
from facefuse.morphable.model import FaceModel

POSE = 10
"""Two rows of the rotation, logarithm of the scale, place in the crop (2), distance: the camera of a view."""
TYPICAL_SCALE = 0.52 / 120.0
"""Crop sides per mm of a face in a crop about its box."""
_NEAREST_MM = 220.0
_DISTANCE_START = -1.0  # 820 mm
_EXPRESSION_START = -2.5  # logit of an expression weight before training


class PointModel(nn.Module):  # type: ignore[misc]
    """Some points of a face model in front of the cameras that networks state.

    Parameters
    ----------
    model
        Its first modes are used, as many as are given.
    mesh_indices
        (M,) of its mesh points that follow the 68 landmarks.
    """

    def __init__(self, model: FaceModel, mesh_indices: npt.NDArray[np.integer]) -> None:
        super().__init__()
        corners = np.concatenate([model.landmarks68, np.asarray(model.mesh_points)[mesh_indices]])
        weights = np.concatenate([model.landmarks68_weights, np.asarray(model.mesh_points_weights)[mesh_indices]])
        self.count = len(corners)
        self.blendshapes = model.blendshapes
        for name, modes in (("mean", model.mean), ("identity", model.identity), ("expression", model.expression)):
            values = np.einsum("...pcx,pc->...px", np.asarray(modes)[..., corners, :], weights)
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32), persistent=False)
        box = np.asarray(model.landmarks(np.asarray(model.mean, dtype=float)))[:, 1]
        # the model's origin in a crop that has the box of the landmarks in its middle
        middle = [0.5, 0.5 + TYPICAL_SCALE * float(box.min() + box.max()) / 2]
        self.register_buffer("middle", torch.tensor(middle), persistent=False)
        self.register_buffer("frontal", torch.tensor([1.0, 0.0, 0.0, 0.0, -1.0, 0.0]), persistent=False)

    def cameras(self, pose: Tensor) -> PinholeCameras:
        """Cameras of views (N, `POSE`), in pixels of crops of side one; zero is a face in front that fills the crop.

        The distance is stated by its inverse, which a face far away, scaled orthographic but for noise, leaves finite.
        """
        scale = TYPICAL_SCALE * torch.exp(0.3 * pose[:, 6])
        rotation = rot6d_to_rotmat(pose[:, :6] + self.frontal)
        place = (self.middle + 0.15 * pose[:, 7:9] - 0.5) / scale[:, None]
        distance = _NEAREST_MM / torch.sigmoid(0.5 * pose[:, 9] + _DISTANCE_START)
        centre = torch.full_like(place, 0.5)
        return PinholeCameras(scale * distance, centre, rotation, torch.cat([place, distance[:, None]], dim=1))

    def weights(self, raw: Tensor) -> Tensor:
        """Expression weights of a network's raw numbers."""
        return expression_weights(raw, self.blendshapes)

    def points(self, identity: Tensor, expression: Tensor) -> Tensor:
        """Points (N, P, 3), mm, of coefficients (N, K) and weights (N, E)."""
        first, second = self.identity[: identity.shape[1]], self.expression[: expression.shape[1]]
        moved = identity @ first.flatten(1) + expression @ second.flatten(1)
        return self.mean + moved.unflatten(1, (self.count, 3))


def expression_weights(raw: Tensor, blendshapes: bool) -> Tensor:
    """Expression weights of a network's raw numbers: in [0, 1] for blendshapes, the numbers themselves for modes."""
    return torch.sigmoid(raw + _EXPRESSION_START) if blendshapes else raw

"""The coefficients a network predicts, and the face they describe.

A space turns a network's raw output into named values and into points of the face, in the model frame and in the crop.
Crop coordinates refer to a crop scaled to `CROP_SIZE`, centre of the top-left pixel at (0, 0).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facefuse.geometry.rotations import rot6d_to_rotmat
from facefuse.learning.landmarks.network import CROP_SIZE
from facefuse.morphable.model import FaceModel
from facefuse.regression.network import TYPICAL_SCALE

CENTRE = (CROP_SIZE - 1) / 2.0
HALF = CROP_SIZE / 2.0  # px, the unit of translations and of a head's input points
_EXPRESSION_START = -2.5  # logit of an expression weight before training


@dataclass(frozen=True)
class Placed:
    """Faces in crops.

    Attributes
    ----------
    points
        (N, P, 2) px of a `CROP_SIZE` crop.
    depth
        (N, P) px, growing away from the viewer, up to a shift.
    model
        (N, P, 3) the same points in the model frame, millimetres.
    identity, expression
        (N, K) and (N, E).
    """

    points: Tensor
    depth: Tensor
    model: Tensor
    identity: Tensor
    expression: Tensor


class BaseSpace(nn.Module):  # type: ignore[misc]
    """Identity, expression weights and a scaled orthographic camera of a blendshape model.

    Values are laid out as identity (K) | expression (E) | rotation, two rows (6) | log scale (1) | translation (2).
    Scale is relative to `TYPICAL_SCALE`; translation is that of the model's origin from the crop's centre, in halves of
    the crop.

    Parameters
    ----------
    model
        A model with expression weights in [0, 1].
    identity_modes
        The first K modes are used.
    mesh_indices
        (M,) MediaPipe mesh points wanted.
    extra
        (X,) further vertices wanted. The points are in the order 68 landmarks, mesh points, vertices.
    """

    def __init__(
        self, model: FaceModel, identity_modes: int, mesh_indices: NDArray[np.integer], extra: NDArray[np.integer]
    ) -> None:
        super().__init__()
        corners = np.concatenate([model.landmarks68, model.mesh_points[mesh_indices], np.repeat(extra[:, None], 3, 1)])
        weights = np.concatenate(
            [model.landmarks68_weights, model.mesh_points_weights[mesh_indices], np.full((len(extra), 3), 1.0 / 3.0)]
        )
        self.identity_count = min(identity_modes, model.identity_count)
        self.expression_count = model.expression_count
        self.expression_names = model.expression_names
        self.points = len(corners)
        self.size = self.identity_count + self.expression_count + 9
        modes = np.concatenate([model.identity[: self.identity_count], model.expression])
        placed = np.einsum("mpcx,pc->mpx", modes[:, corners], weights).reshape(len(modes), -1)
        mean = np.einsum("pcx,pc->px", np.asarray(model.mean)[corners], weights)
        self._constant("mean", mean)
        self._constant("modes", placed)
        self._constant("frontal", np.array([1.0, 0.0, 0.0, 0.0, -1.0, 0.0]))

    def _constant(self, name: str, value: NDArray[np.floating]) -> None:
        self.register_buffer(name, torch.tensor(np.array(value), dtype=torch.float32), persistent=False)

    def values(self, raw: Tensor) -> Tensor:
        """Named values (N, size) of a network's raw output (N, size)."""
        identity, expression, pose = self._split(raw)
        expression = torch.sigmoid(expression + _EXPRESSION_START)
        rotation = rot6d_to_rotmat(pose[:, :6] + self.frontal)[:, :2].flatten(1)
        return torch.cat([identity, expression, rotation, 0.3 * pose[:, 6:7], 0.3 * pose[:, 7:]], dim=1)

    def place(self, values: Tensor) -> Placed:
        """The face that values (N, size) describe."""
        identity, expression, pose = self._split(values)
        shape = torch.cat([identity, expression], dim=1) @ self.modes
        model = self.mean + shape.unflatten(1, (self.points, 3))
        rotation = rot6d_to_rotmat(pose[:, :6])
        scale = TYPICAL_SCALE * torch.exp(pose[:, 6])[:, None, None]
        turned = scale * (model @ rotation.transpose(1, 2))
        points = turned[..., :2] + (HALF * pose[:, 7:] + CENTRE)[:, None]
        return Placed(points, turned[..., 2], model, identity, expression)

    def impacts(self, values: Tensor) -> Tensor:
        """Root mean square displacement of the points, px, per unit of each value: (N, size), at given values."""
        placed = self.place(values)
        pose = values[:, -9:]
        scale = TYPICAL_SCALE * torch.exp(pose[:, 6:7])
        shape = scale * (self.modes.square().sum(1) * (2.0 / 3.0) / self.points).sqrt()[None]
        row = placed.model.square().mean(1).sqrt() * scale
        centred = placed.points - (HALF * pose[:, 7:] + CENTRE)[:, None]
        scaled = centred.square().sum(-1).mean(1, keepdim=True).sqrt()
        return torch.cat([shape, row, row, scaled, torch.full_like(pose[:, 7:], HALF)], dim=1)

    def _split(self, vector: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        identity, expression, pose = vector.split([self.identity_count, self.expression_count, 9], dim=1)
        return identity, expression, pose

"""The published coefficient space: 62 whitened parameters of the BFM 2009 in 3DDFA's packing."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facefuse.learning.two_dasl.space import Placed
from facefuse.morphable.importers.bfm_3ddfa import (
    EXPRESSION_MODES,
    FLIP_Y,
    MICROMETRES,
    PARAMETERS,
    SHAPE_MODES,
    Bfm3ddfa,
)

_SHAPE_GAIN = 0.00057339936
"""3DDFA's constant for shape and expression weights: a typical scale, px per micrometre."""
_POSE = 12
_UNSEEN = 11  # depth, which no photo shows


class WhitenedSpace(nn.Module):  # type: ignore[misc]
    """``[P | t]`` (12), shape (40) and expression (10), each whitened.

    Parameters
    ----------
    model
        The imported packing.
    extra
        (X,) vertices beside the 68 landmarks.
    """

    size = PARAMETERS
    expression_names = tuple(f"expression_{k:02}" for k in range(EXPRESSION_MODES))

    def __init__(self, model: Bfm3ddfa, extra: NDArray[np.integer]) -> None:
        super().__init__()
        chosen = np.concatenate([model.keypoints, extra]).astype(int)
        basis = np.concatenate([model.shape_basis[:, chosen], model.expression_basis[:, chosen]])
        self.points = len(chosen)
        for name, value in {
            "mean": model.mean[chosen],
            "modes": basis.reshape(len(basis), -1),
            "offset": model.parameter_mean,
            "spread": model.parameter_std,
        }.items():
            self.register_buffer(name, torch.tensor(np.array(value), dtype=torch.float32), persistent=False)

    def values(self, raw: Tensor) -> Tensor:
        """A network's raw output is the whitened parameters."""
        return raw

    def place(self, values: Tensor) -> Placed:
        """The face of whitened parameters (N, 62)."""
        parameters = values * self.spread + self.offset
        pose, shape = parameters[:, :_POSE].unflatten(1, (3, 4)), parameters[:, _POSE:]
        model = self.mean + (shape @ self.modes).unflatten(1, (self.points, 3))
        placed = model @ pose[:, :, :3].transpose(1, 2) + pose[:, None, :, 3]
        points = torch.stack([placed[..., 0], FLIP_Y - placed[..., 1]], dim=-1)
        whitened = values[:, _POSE:]
        return Placed(
            points, -placed[..., 2], model * MICROMETRES, whitened[:, :SHAPE_MODES], whitened[:, -EXPRESSION_MODES:]
        )

    def impacts(self, values: Tensor) -> Tensor:
        """3DDFA's weights per unit of each whitened parameter, at given values: (N, 62).

        Pose column c: the norm of coordinate c over the points; translation: √points; shape and expression: a constant
        times the norm of the mode's rows; depth: 0.
        """
        model = self.place(values).model / MICROMETRES
        columns = model.norm(dim=1)
        root = torch.full_like(columns[:, :1], self.points**0.5)
        row = torch.cat([columns, root], dim=1)
        shape = (_SHAPE_GAIN * self.modes.norm(dim=1)).expand(len(values), -1)
        impact = torch.cat([row, row, row, shape], dim=1) * self.spread
        impact[:, _UNSEEN] = 0.0
        return impact

"""A closer look at each point: fine features about the place where it was found say how far it is from there.

The encoder votes on a grid sixteen pixels apart, which leaves an error of about a pixel even at the corner of an eye.
As in cascaded regression (Cao et al., CVPR 2012) the picture is read again at the points themselves.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

_REACH = 0.02
"""Sides of the crop that an output of one moves a point by."""


class CloserLook(nn.Module):  # type: ignore[misc]
    """Moves points by what the finest features show about them.

    Parameters
    ----------
    fine, coarse
        Channels of the first stage's features and of the pyramid's.
    points
        Number of points P; each has its own idea of what it looks like.
    channels, hidden
        Of the features that are read, and of what is made of them.
    looks
        How often, with the same weights.
    """

    def __init__(
        self, fine: int, coarse: int, points: int, channels: int = 32, hidden: int = 96, looks: int = 2
    ) -> None:
        super().__init__()
        self.looks = looks
        self.fine = nn.Conv2d(fine, channels, 1)
        self.coarse = nn.Conv2d(coarse, channels, 1)
        self.mix = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU()
        )
        # what a point's nine cells say is summed before it is read between cells, which is the same and cheaper
        self.read = nn.Conv2d(channels, hidden, 3, padding=1)
        self.doubt = nn.Linear(1, hidden, bias=False)
        self.template = nn.Parameter(torch.randn(points, hidden) * 0.1)
        self.gain = nn.Parameter(torch.zeros(points, hidden))
        self.move = nn.Linear(hidden, 3)
        nn.init.zeros_(self.move.weight)
        nn.init.zeros_(self.move.bias)

    def forward(self, first: Tensor, pyramid: Tensor, points: Tensor, log_sigma: Tensor) -> tuple[Tensor, Tensor]:
        """Look again.

        Parameters
        ----------
        first, pyramid
            Features (N, C, h, w) of the first stage, and of the pyramid at half its size.
        points, log_sigma
            (N, P, 2) in sides of the crop, and (N, P).

        Returns
        -------
        Both, moved.
        """
        finer = functional.interpolate(self.coarse(pyramid), size=first.shape[-2:], mode="nearest")
        features = self.read(self.mix(functional.relu(self.fine(first) + finer)))
        for _ in range(self.looks):
            # where to read is not learnt through the reading
            at = (2.0 * points.detach() - 1.0).to(features.dtype)[:, :, None]
            seen = functional.grid_sample(features, at, padding_mode="border", align_corners=False)[..., 0]
            seen = seen.transpose(1, 2) + self.doubt(log_sigma[..., None].to(features.dtype))
            moved = self.move(functional.silu(seen * (1.0 + self.gain) + self.template)).float()
            points = points + _REACH * moved[..., :2]
            log_sigma = log_sigma + moved[..., 2]
        return points, log_sigma

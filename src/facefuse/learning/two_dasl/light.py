"""The light network: the landmark network's trunk and voting head, and a coefficient head refined by the votes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from facefuse.learning.landmarks.config import NetworkConfig as TrunkConfig
from facefuse.learning.landmarks.network import LandmarkNet
from facefuse.learning.two_dasl.space import CENTRE, HALF, BaseSpace

_RESIDUAL_GAIN = 10.0  # brings residuals of a few pixels to the order of one


@dataclass(frozen=True)
class Prediction:
    """What a network says about crops.

    Attributes
    ----------
    values
        (N, size) of its space.
    earlier
        The values before each refinement, (N, size) each.
    points, log_sigma
        (N, P, 2) voted points, px of a `CROP_SIZE` crop, and (N, P) logarithm of their standard deviation; or None.
    """

    values: Tensor
    earlier: tuple[Tensor, ...] = ()
    points: Tensor | None = None
    log_sigma: Tensor | None = None


class LightNet(nn.Module):  # type: ignore[misc]
    """Crops and landmark maps in, coefficients and voted points with their uncertainty out.

    A first guess of the coefficients comes from the pooled features and the voted points; further stages see how far
    the points of that face lie from the voted ones and correct it, each as a learnt Gauss-Newton step would.

    Parameters
    ----------
    trunk
        Size of the convolutional part.
    space
        Of the coefficients; its first ``votes`` points are the voted ones.
    votes
        Number of voted points.
    hidden
        Width of the coefficient head.
    refinements
        How often the first guess is corrected.
    """

    def __init__(self, trunk: TrunkConfig, space: BaseSpace, votes: int, hidden: int, refinements: int) -> None:
        super().__init__()
        self.trunk = Trunk(trunk, votes)
        self.space, self.votes = space, votes
        pooled = trunk.channels[3]
        self.guess = _head(pooled + 2 * votes, hidden, space.size)
        seen = pooled + 3 * votes + space.size
        self.refine = nn.ModuleList(_head(seen, hidden, space.size) for _ in range(refinements))

    def forward(self, crops: Tensor, maps: Tensor | None = None) -> Prediction:
        """Predict.

        Parameters
        ----------
        crops
            (N, S, S, 3) uint8 sRGB.
        maps
            (N, S, S) landmark maps, 1 at landmarks and 0 elsewhere; None for empty ones.
        """
        pooled, points, log_sigma = self.trunk(crops, maps)
        raw = self.guess(torch.cat([pooled, ((points - CENTRE) / HALF).flatten(1)], dim=1)).float()
        stages = [self.space.values(raw)]
        for refine in self.refine:
            residual = (points - self.space.place(stages[-1]).points[:, : self.votes]) * (_RESIDUAL_GAIN / HALF)
            seen = torch.cat([pooled, residual.clamp(-3.0, 3.0).flatten(1), log_sigma, raw], dim=1)
            raw = raw + refine(seen).float()
            stages.append(self.space.values(raw))
        return Prediction(stages[-1], tuple(stages[:-1]), points, log_sigma)

    def start_from(self, landmark_weights: Mapping[str, Tensor], kept: Tensor | None = None) -> None:
        """Take over the weights of a trained landmark network of the same size; the map's channel starts at zero.

        Parameters
        ----------
        landmark_weights
            Its state.
        kept
            Which of its points this network votes for, (P,) bool; all if not given.
        """
        taken = {name: value for name, value in landmark_weights.items() if not name.startswith("score.")}
        first = taken["stem.0.weight"]
        taken["stem.0.weight"] = torch.cat([first, torch.zeros_like(first[:, :1])], dim=1)
        if kept is not None:
            for name in ("votes.weight", "votes.bias"):
                taken[name] = taken[name].unflatten(0, (4, len(kept)))[:, kept].flatten(0, 1)
        self.trunk.load_state_dict(taken)


class Trunk(LandmarkNet):
    """The landmark network with the map as a fourth channel and pooled features instead of a face score."""

    def __init__(self, config: TrunkConfig, points: int) -> None:
        super().__init__(config, points)
        del self.score
        first = self.stem[0]
        widened = nn.Conv2d(4, first.out_channels, first.kernel_size, first.stride, first.padding, bias=False)
        with torch.no_grad():
            widened.weight[:, :3] = first.weight
            widened.weight[:, 3:] = 0.0
        self.stem[0] = widened

    def forward(self, crops: Tensor, maps: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Pooled features (N, C), points (N, P, 2) px of a `CROP_SIZE` crop, their log sigma (N, P)."""
        size = crops.shape[1]
        if maps is None:
            maps = torch.zeros(crops.shape[:3], dtype=torch.float32, device=crops.device)
        colours = crops.permute(0, 3, 1, 2).to(maps.dtype) * (1.0 / 64.0) - 2.0
        pooled, points, log_sigma = self.vote(torch.cat([colours, maps[:, None]], dim=1), size)
        return pooled.float(), points, log_sigma


def _head(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    last = nn.Linear(hidden, outputs)
    nn.init.normal_(last.weight, std=0.002)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(inputs, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU(), last)

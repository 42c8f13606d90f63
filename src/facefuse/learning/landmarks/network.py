"""The landmark network: a small residual CNN whose head votes for every point from every cell of a coarse grid."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from .config import NetworkConfig

CROP_SIZE = 120  # px, the crop that coordinates refer to whatever size the network is given
_STRIDE = 16  # px between the cells of the grid


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return [convolution, nn.BatchNorm2d(outputs)]


class ResidualBlock(nn.Module):  # type: ignore[misc]
    """Two 3×3 convolutions beside a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.path = nn.Sequential(*_conv(inputs, outputs, 3, stride), nn.ReLU(), *_conv(outputs, outputs, 3))
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else nn.Sequential(*_conv(inputs, outputs, 1, stride))

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.path(x) + self.shortcut(x))


class LandmarkNet(nn.Module):  # type: ignore[misc]
    """Crop in, points with their uncertainty and a face score out.

    Every cell of a stride-16 grid proposes a place for each point (its own centre plus an offset) and a weight; a point
    is the weighted mean of the proposals. This keeps the precision of heat maps and the reach of plain regression, at
    any input size.

    Parameters
    ----------
    config
        Channels and depth.
    points
        Number of points P.
    """

    def __init__(self, config: NetworkConfig, points: int) -> None:
        super().__init__()
        self.config, self.points = config, points
        self.stem = nn.Sequential(*_conv(3, config.stem, 3, 2), nn.ReLU())
        stages, inputs = [], config.stem
        for outputs, blocks in zip(config.channels, config.blocks, strict=True):
            stride = [2] + [1] * (blocks - 1)
            stages.append(
                nn.Sequential(*(ResidualBlock(inputs if k == 0 else outputs, outputs, s) for k, s in enumerate(stride)))
            )
            inputs = outputs
        self.stages = nn.ModuleList(stages)
        self.fine = nn.Sequential(*_conv(config.channels[2], config.head, 1))
        self.coarse = nn.Sequential(*_conv(config.channels[3], config.head, 1))
        self.context = nn.Linear(config.channels[3], config.head)
        self.mix = nn.Sequential(*_conv(config.head, config.head, 3), nn.ReLU())
        self.votes = nn.Conv2d(config.head, 4 * points, 1)
        self.score = nn.Linear(config.channels[3], 1)
        nn.init.normal_(self.votes.weight, std=0.01)
        nn.init.zeros_(self.votes.bias)  # type: ignore[arg-type]

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Landmarks of face crops.

        Parameters
        ----------
        crops
            (N, S, S, 3) uint8 sRGB.

        Returns
        -------
        (N, P, 2) points in pixels of the crop scaled to `CROP_SIZE`, centre of the top-left pixel at (0, 0);
        (N, P) logarithm of each coordinate's standard deviation in those pixels; (N,) logit of the face score.
        """
        size = crops.shape[1]
        x = crops.permute(0, 3, 1, 2).to(self.stem[0].weight.dtype) * (1.0 / 64.0) - 2.0
        pooled, points, log_sigma = self.vote(x, size)
        return points, log_sigma, self.score(pooled).float().squeeze(-1)

    def vote(self, x: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
        """Pooled features (N, C), points (N, P, 2) and their log sigma (N, P) for input channels (N, c, S, S)."""
        features = self.features(x)
        points, log_sigma = self.vote_from(features, size)
        return features[3].mean(dim=(2, 3)), points, log_sigma

    def features(self, x: Tensor) -> list[Tensor]:
        """Features of the four stages, (N, C, h, w) each, for input channels (N, c, S, S)."""
        x = self.stem(x)
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features

    def vote_from(self, features: list[Tensor], size: int) -> tuple[Tensor, Tensor]:
        """Points (N, P, 2) and their log sigma (N, P) by the features of crops of a size."""
        grid = features[2].shape[-2:]
        pooled = features[3].mean(dim=(2, 3))
        coarse = functional.interpolate(self.coarse(features[3]), size=tuple(grid), mode="nearest")
        mixed = functional.relu(self.fine(features[2]) + coarse + self.context(pooled)[:, :, None, None])
        votes = self.votes(self.mix(mixed)).float().flatten(2).unflatten(1, (4, self.points))
        weight = votes[:, 0].softmax(dim=-1)
        cells = torch.arange(max(grid), dtype=weight.dtype, device=weight.device)
        across = cells[: grid[1]].repeat(grid[0])
        down = cells[: grid[0]].repeat_interleave(grid[1])
        place = torch.stack(
            [(weight * (votes[:, 1] + across)).sum(-1), (weight * (votes[:, 2] + down)).sum(-1)], dim=-1
        )
        points = (place * _STRIDE + 0.5) * (CROP_SIZE / size) - 0.5
        return points, (weight * votes[:, 3]).sum(-1)

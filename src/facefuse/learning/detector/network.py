"""The detector network: a small fully convolutional pyramid, one prediction per cell at strides 8, 16 and 32."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from facefuse.detection.faces import POINT_UNIT, SIDE_UNIT, STRIDES

VALUES = 14
"""Per cell: score logit, centre x and y, log side, five points (x, y)."""


def convolution(inputs: int, outputs: int, stride: int = 1, kernel: int = 3, relu: bool = True) -> nn.Sequential:
    """Convolution, batch normalisation and, if wanted, a ReLU."""
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs, momentum=0.03),
    ]
    if relu:
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


class Residual(nn.Module):  # type: ignore[misc]
    """Two 3 x 3 convolutions with a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = convolution(channels, channels)
        self.second = convolution(channels, channels, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        return functional.relu(x + self.second(self.first(x)))


class DetectorNetwork(nn.Module):  # type: ignore[misc]
    """Photos in, one row of `VALUES` per cell out.

    Channels are multiples of 16 because the ONNX Runtime's AVX-512 convolutions work on blocks of 16; dense 3 x 3
    convolutions are used throughout since depthwise ones are bound by memory on such processors.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(convolution(3, 16, 2), convolution(16, 16, 2))
        self.stage8 = nn.Sequential(convolution(16, 32, 2), Residual(32))
        self.stage16 = nn.Sequential(convolution(32, 64, 2), Residual(64), Residual(64))
        self.stage32 = nn.Sequential(convolution(64, 96, 2), Residual(96))
        self.lateral = nn.ModuleList([convolution(c, 32, kernel=1, relu=False) for c in (32, 64, 96)])
        self.heads = nn.ModuleList()
        for depth in (1, 2, 2):
            self.heads.append(nn.Sequential(*[convolution(32, 32) for _ in range(depth)], nn.Conv2d(32, VALUES, 1)))
        for head in self.heads:
            last = head[-1]
            nn.init.normal_(last.weight, std=0.01)
            nn.init.zeros_(last.bias)
            last.bias.data[0] = -math.log(99.0)

    def forward(self, pixels: Tensor) -> Tensor:
        """Predictions of all cells.

        Parameters
        ----------
        pixels : (B, 3, H, W) RGB in [0, 1]; H and W multiples of 32.

        Returns
        -------
        (B, N, 14) raw values, rows of cells of stride 8 first, then 16, then 32.
        """
        at8 = self.stage8(self.stem(pixels))
        at16 = self.stage16(at8)
        at32 = self.stage32(at16)
        top = self.lateral[2](at32)
        middle = self.lateral[1](at16) + functional.interpolate(top, scale_factor=2.0, mode="nearest")
        bottom = self.lateral[0](at8) + functional.interpolate(middle, scale_factor=2.0, mode="nearest")
        maps = [head(functional.relu(x)) for head, x in zip(self.heads, (bottom, middle, top), strict=True)]
        return torch.cat([m.flatten(2) for m in maps], dim=2).transpose(1, 2)


def cell_geometry(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Centres (N, 2) in pixels and strides (N,) of the cells of a photo, in the network's order."""
    centres, strides = [], []
    for stride in STRIDES:
        y, x = torch.meshgrid(torch.arange(height // stride), torch.arange(width // stride), indexing="ij")
        centres.append((torch.stack([x, y], dim=-1).reshape(-1, 2) + 0.5) * stride - 0.5)
        strides.append(torch.full((len(centres[-1]),), float(stride)))
    return torch.cat(centres), torch.cat(strides)


def decode(raw: Tensor, centres: Tensor, strides: Tensor) -> tuple[Tensor, Tensor]:
    """Squares and points in pixels.

    Parameters
    ----------
    raw : (..., 14); centres : (..., 2); strides : (...,).

    Returns
    -------
    (..., 3) centre x, y and side; (..., 5, 2) points.
    """
    unit = strides[..., None]
    centre = centres + raw[..., 1:3] * unit
    side = unit * SIDE_UNIT * torch.exp(raw[..., 3:4].clamp(-4.0, 4.0))
    points = centres[..., None, :] + raw[..., 4:].reshape(*raw.shape[:-1], 5, 2) * (POINT_UNIT * unit[..., None])
    return torch.cat([centre, side], dim=-1), points

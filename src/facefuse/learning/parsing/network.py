"""The parser network: the landmark network's encoder and a small decoder that adds its levels."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from facefuse.detection.parts import PARTS
from facefuse.learning.landmarks.network import ResidualBlock
from facefuse.learning.parsing.config import ParserConfig


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


class ParserNet(nn.Module):  # type: ignore[misc]
    """Crops in, logits of the parts at half their resolution out.

    Parameters
    ----------
    config
        Channels and depth.
    """

    def __init__(self, config: ParserConfig) -> None:
        super().__init__()
        self.config = config
        self.stem = _conv(3, config.stem, 3, 2)
        stages, inputs = [], config.stem
        for outputs, blocks in zip(config.channels, config.blocks, strict=True):
            strides = [2] + [1] * (blocks - 1)
            stages.append(
                nn.Sequential(
                    *(ResidualBlock(inputs if k == 0 else outputs, outputs, s) for k, s in enumerate(strides))
                )
            )
            inputs = outputs
        self.stages = nn.ModuleList(stages)
        width = config.decoder
        levels = (config.stem, *config.channels)
        self.lateral = nn.ModuleList(nn.Conv2d(channels, width, 1) for channels in levels)
        self.context = nn.Linear(config.channels[-1], width)
        self.smooth = nn.ModuleList(_conv(width, width, 3) for _ in config.channels)
        self.last = nn.Sequential(*_conv(width, width // 2, 3), nn.Conv2d(width // 2, len(PARTS), 1))

    def forward(self, crops: Tensor) -> Tensor:
        """Parse crops.

        Parameters
        ----------
        crops
            (N, S, S, 3) uint8 sRGB, S a multiple of 16.

        Returns
        -------
        (N, C, S/2, S/2) logits of `PARTS`.
        """
        x = crops.permute(0, 3, 1, 2).to(self.stem[0].weight.dtype) * (1.0 / 64.0) - 2.0
        levels = [self.stem(x)]
        for stage in self.stages:
            levels.append(stage(levels[-1]))
        pooled = self.context(levels[-1].mean(dim=(2, 3)))[:, :, None, None]
        mixed = self.lateral[-1](levels[-1]) + pooled
        for k in range(len(self.stages) - 1, -1, -1):
            finer = self.smooth[k](mixed)
            mixed = self.lateral[k](levels[k]) + functional.interpolate(finer, scale_factor=2.0, mode="nearest")
        return self.last(mixed)

    def start_from(self, landmark_weights: Mapping[str, Tensor]) -> None:
        """Take over the encoder of a trained landmark network of the same size."""
        own = self.state_dict()
        taken = {name: value for name, value in landmark_weights.items() if name in own and "stage" in name}
        taken |= {name: value for name, value in landmark_weights.items() if name.startswith("stem.")}
        self.load_state_dict({**own, **taken})


def probabilities(logits: Tensor) -> Tensor:
    """Probabilities at twice the resolution of logits (N, C, h, w): (N, C, 2h, 2w)."""
    doubled = functional.interpolate(logits.float(), scale_factor=2.0, mode="bilinear", align_corners=False)
    return torch.softmax(doubled, dim=1)

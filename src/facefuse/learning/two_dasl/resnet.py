"""The published backbone: ResNet-50 with four input channels and a last stage that keeps its resolution."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from facefuse.learning.two_dasl.light import Prediction

_STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 1))  # width, blocks, stride
_EXPANSION = 4


class Bottleneck(nn.Module):  # type: ignore[misc]
    """1×1, 3×3 and 1×1 convolutions beside a shortcut (He et al., CVPR 2016)."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = width * _EXPANSION
        self.conv1, self.bn1 = nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, outputs, 1, bias=False), nn.BatchNorm2d(outputs)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.bn1(self.conv1(x)))
        y = functional.relu(self.bn2(self.conv2(y)))
        return functional.relu(self.bn3(self.conv3(y)) + self.downsample(x))


class ResNet50(nn.Module):  # type: ignore[misc]
    """Crops and landmark maps in, coefficients out.

    As published: BGR scaled to about ±1, maps of +1 and -1, feature maps of 8×8 for a crop of 120. Where the published
    head averages a 7×7 window, which leaves out the last row and column, all of the map is averaged here.

    Parameters
    ----------
    space
        Turns the raw output into values, ``space.values``; has ``space.size`` of them.
    """

    def __init__(self, space: nn.Module) -> None:
        super().__init__()
        self.space = space
        self.conv1, self.bn1 = nn.Conv2d(4, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        stages, inputs = [], 64
        for width, blocks, stride in _STAGES:
            layers = [Bottleneck(inputs, width, stride)]
            inputs = width * _EXPANSION
            layers += [Bottleneck(inputs, width, 1) for _ in range(blocks - 1)]
            stages.append(nn.Sequential(*layers))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.fc = nn.Linear(inputs, int(space.size))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        nn.init.normal_(self.fc.weight, std=0.002)
        nn.init.zeros_(self.fc.bias)

    def forward(self, crops: Tensor, maps: Tensor | None = None) -> Prediction:
        """Predict; arguments as those of `LightNet.forward`."""
        colours = (crops.flip(-1).permute(0, 3, 1, 2).to(self.fc.weight.dtype) - 127.5) / 128.0
        drawn = torch.zeros_like(colours[:, :1]) if maps is None else maps[:, None].to(colours.dtype)
        x = functional.relu(self.bn1(self.conv1(torch.cat([colours, 2.0 * drawn - 1.0], dim=1))))
        x = functional.max_pool2d(x, 3, 2, 1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return Prediction(self.space.values(self.fc(x.mean(dim=(2, 3))).float()))

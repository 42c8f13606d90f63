"""Involution (Li et al., CVPR 2021) and its residual network, in plain PyTorch."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

GROUP_WIDTH = 16
REDUCTION = 4


class Involution(nn.Module):  # type: ignore[misc]
    """A convolution whose kernel differs from place to place and is shared by the channels of a group.

    ``y[c, i, j] = sum_uv W[c // 16, u, v, i, j] x[c, i s + u, j s + v]`` with zero padding, where the kernels W are a
    function of x (averaged over the stride) at the same place: a bottleneck of two 1×1 convolutions.

    Parameters
    ----------
    channels
        C, a multiple of 16.
    kernel
        Odd side of the kernel.
    stride
    """

    def __init__(self, channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.groups = channels // GROUP_WIDTH
        self.reduce = nn.Sequential(
            nn.Conv2d(channels, channels // REDUCTION, 1, bias=False), nn.BatchNorm2d(channels // REDUCTION), nn.ReLU()
        )
        self.span = nn.Conv2d(channels // REDUCTION, kernel * kernel * self.groups, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C, H / stride, W / stride)."""
        summary = functional.avg_pool2d(x, self.stride) if self.stride > 1 else x
        kernels = self.span(self.reduce(summary)).unflatten(1, (self.groups, self.kernel * self.kernel))
        height, width = kernels.shape[-2:]
        padding = self.kernel // 2
        padded = functional.pad(x, (padding, padding, padding, padding)).unflatten(1, (self.groups, -1))
        s = self.stride
        parts = [
            kernels[:, :, None, u * self.kernel + v]
            * padded[..., u : u + (height - 1) * s + 1 : s, v : v + (width - 1) * s + 1 : s]
            for u in range(self.kernel)
            for v in range(self.kernel)
        ]
        total = parts[0]
        for part in parts[1:]:  # shift by shift: unfolding would hold all kernel² copies of x at once
            total = total + part
        return total.flatten(1, 2)


def normalised(convolution: nn.Module, channels: int, active: bool = True) -> nn.Sequential:
    """Follow a convolution with batch normalisation and, unless told otherwise, a rectifier."""
    layers = [convolution, nn.BatchNorm2d(channels)]
    return nn.Sequential(*layers, nn.ReLU()) if active else nn.Sequential(*layers)


class Bottleneck(nn.Module):  # type: ignore[misc]
    """Residual block of RedNet: 1×1 convolution, 7×7 involution (with the stride), 1×1 convolution."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        middle = outputs // 4
        self.path = nn.Sequential(
            normalised(nn.Conv2d(inputs, middle, 1, bias=False), middle),
            normalised(Involution(middle, 7, stride), middle),
            normalised(nn.Conv2d(middle, outputs, 1, bias=False), outputs, active=False),
        )
        same = stride == 1 and inputs == outputs
        self.shortcut = (
            nn.Identity()
            if same
            else normalised(nn.Conv2d(inputs, outputs, 1, stride, bias=False), outputs, active=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        return functional.relu(self.path(x) + self.shortcut(x))


class RedNet(nn.Module):  # type: ignore[misc]
    """Residual network of involutions, without a classifier.

    Parameters
    ----------
    inputs
        Channels of the input.
    stem
        Channels of the first convolution; twice as many enter the stages.
    outputs, blocks
        Channels and number of blocks of each stage; RedNet-50 is (256, 512, 1024, 2048) and (3, 4, 6, 3).
    """

    def __init__(self, inputs: int, stem: int, outputs: Sequence[int], blocks: Sequence[int]) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            normalised(nn.Conv2d(inputs, stem, 3, 2, 1, bias=False), stem),
            normalised(Involution(stem, 3), stem),
            normalised(nn.Conv2d(stem, 2 * stem, 3, 1, 1, bias=False), 2 * stem),
            nn.MaxPool2d(3, 2, 1),
        )
        stages, width = [], 2 * stem
        for number, (channels, count) in enumerate(zip(outputs, blocks, strict=True)):
            for k in range(count):
                stages.append(Bottleneck(width, channels, 2 if k == 0 and number > 0 else 1))
                width = channels
        self.stages = nn.Sequential(*stages)
        self._initialise()

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs[-1], H / 32, W / 32)."""
        return self.stages(self.stem(x))

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for block in self.stages:
            nn.init.zeros_(block.path[-1][1].weight)  # every block starts as its shortcut

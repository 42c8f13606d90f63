"""The encoders, the attention gates and the fusing decoder of DF-MVR."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


def double_convolution(inputs: int, outputs: int) -> nn.Sequential:
    """Two 3×3 convolutions, each with bias, batch normalisation and rectifier."""
    layers: list[nn.Module] = []
    for width in (inputs, outputs):
        layers += [nn.Conv2d(width, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers)


class Encoder(nn.Module):  # type: ignore[misc]
    """The contracting half of a U-Net.

    Parameters
    ----------
    inputs
        Channels of the input.
    widths
        Channels of each level, the finest first; each level halves the size.
    """

    def __init__(self, inputs: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.levels = nn.ModuleList(
            double_convolution(a, b) for a, b in zip((inputs, *widths[:-1]), widths, strict=True)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """Features of each level, the finest first, from (B, inputs, H, W)."""
        features = []
        for number, level in enumerate(self.levels):
            x = level(functional.max_pool2d(x, 2) if number else x)
            features.append(x)
        return features


class AttentionGate(nn.Module):  # type: ignore[misc]
    """Additive attention (Oktay et al., 2018): one weight per place for a skip connection.

    ``x · sigmoid(BN(conv(relu(BN(conv g) + BN(conv x)))))``, all convolutions 1×1.

    Parameters
    ----------
    gating, skip
        Channels of the two inputs.
    hidden
        Channels in between.
    """

    def __init__(self, gating: int, skip: int, hidden: int) -> None:
        super().__init__()
        self.from_gating = nn.Sequential(nn.Conv2d(gating, hidden, 1), nn.BatchNorm2d(hidden))
        self.from_skip = nn.Sequential(nn.Conv2d(skip, hidden, 1), nn.BatchNorm2d(hidden))
        self.weight = nn.Sequential(nn.ReLU(), nn.Conv2d(hidden, 1, 1), nn.BatchNorm2d(1), nn.Sigmoid())

    def forward(self, gating: Tensor, skip: Tensor) -> Tensor:
        """Weighted skip features, (B, skip, H, W)."""
        return skip * self.weight(self.from_gating(gating) + self.from_skip(skip))


class FusionDecoder(nn.Module):  # type: ignore[misc]
    """One expanding half for the skip connections of all views, each through its own gate.

    Parameters
    ----------
    widths
        Channels of the encoders' levels, the finest first.
    views
        Number of encoders.
    attention
        Whether skip connections pass gates; else they enter as they are.
    """

    def __init__(self, widths: Sequence[int], views: int, attention: bool = True) -> None:
        super().__init__()
        self.views, self.attention = views, attention
        coarse_to_fine = list(reversed(widths[:-1]))
        entering = [views * widths[-1], *coarse_to_fine[:-1]]
        self.up = nn.ModuleList(nn.ConvTranspose2d(a, b, 2, 2) for a, b in zip(entering, coarse_to_fine, strict=True))
        self.gates = nn.ModuleList(
            nn.ModuleList(AttentionGate(width, width, width // 2) for _ in range(views if attention else 0))
            for width in coarse_to_fine
        )
        # the finest level leaves as it is: its concatenation is the output
        self.mix = nn.ModuleList(double_convolution((1 + views) * width, width) for width in coarse_to_fine[:-1])
        self.outputs = (1 + views) * widths[0]

    def forward(self, features: Sequence[Sequence[Tensor]]) -> Tensor:
        """Fused map (B, (1 + views) · widths[0], H, W) from the features of each view, the finest level first."""
        x = torch.cat([view[-1] for view in features], dim=1)
        for level, up in enumerate(self.up):
            x = up(x)
            skips = [view[-2 - level] for view in features]
            if self.attention:
                skips = [gate(x, skip) for gate, skip in zip(self.gates[level], skips, strict=True)]
            x = torch.cat([x, *skips], dim=1)
            if level < len(self.mix):
                x = self.mix[level](x)
        return x

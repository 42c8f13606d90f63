"""The self-critic: an encoder of the photo and a critic that tells true coefficients from predicted ones."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from facefuse.learning.two_dasl.losses import critic_cost, critic_objective

_CHANNELS = (32, 64, 96, 128, 128, 128)
_WIDTHS = (512, 1024, 1024)


class SelfCritic(nn.Module):  # type: ignore[misc]
    """Encoder (six convolutions, each with ReLU and pooling) and critic (fully connected, 512, 1024, 1024, 1).

    The paper ends the critic with a softmax over one unit, which is constant; here it is a sigmoid (within the loss).
    Widths of the encoder are not published. Spectral normalisation keeps the critic from overpowering the regressor.

    Parameters
    ----------
    values
        Size of the coefficient space.
    """

    def __init__(self, values: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for outputs in _CHANNELS:
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True)]
            inputs = outputs
        self.encoder = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        layers, inputs = [], _CHANNELS[-1] + values
        for width in _WIDTHS:
            layers += [nn.utils.parametrizations.spectral_norm(nn.Linear(inputs, width)), nn.LeakyReLU(0.2)]
            inputs = width
        self.critic = nn.Sequential(*layers, nn.utils.parametrizations.spectral_norm(nn.Linear(inputs, 1)))

    def encode(self, crops: Tensor) -> Tensor:
        """Codes (N, 128) of crops (N, S, S, 3) uint8."""
        encoded: Tensor = self.encoder(crops.permute(0, 3, 1, 2).float() / 127.5 - 1.0)
        return encoded

    def judge(self, codes: Tensor, values: Tensor) -> Tensor:
        """Logits (N,) that coefficient values (N, D) are true of photos with these codes."""
        logits: Tensor = self.critic(torch.cat([codes, values], dim=1)).squeeze(1)
        return logits

    def play(self, crops: Tensor, values: Tensor, truth: Tensor, has_truth: Tensor) -> tuple[Tensor, Tensor]:
        """The regressor's cost and the critic's objective.

        Real pairs are photos of set J with their truth, fake pairs are photos of set I with what the regressor says.

        Parameters
        ----------
        crops
            (N, S, S, 3) uint8.
        values, truth
            (N, D) predicted, and true where ``has_truth`` (N,) is 1.
        """
        codes = self.encode(crops)
        real, fake = has_truth > 0, has_truth <= 0
        cost = critic_cost(self.judge(codes[fake].detach(), values[fake])).mean()
        objective = critic_objective(
            self.judge(codes[real], truth[real]), self.judge(codes[fake], values[fake].detach())
        )
        return cost, objective

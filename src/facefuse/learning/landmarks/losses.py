"""What landmark training minimises."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from .network import CROP_SIZE

_SIDE = CROP_SIZE / math.sqrt(2.0)  # px, side of the face in a crop placed by the published rule
_ROUND = 0.25  # px, below which a distance counts as its square


def point_loss(points: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean distance (N, P, 2) to the targets in sides of the face: the training form of the NME."""
    distance = ((points - target).square().sum(-1) + _ROUND**2).sqrt() - _ROUND
    return (weight * distance).sum() / (weight.sum() + 1e-6) / _SIDE


def sigma_loss(log_sigma: Tensor, points: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Negative log likelihood of the distances under a round two-dimensional Laplace distribution.

    With density exp(-d / b) / (2 pi b^2) the variance of one coordinate is 3 b^2. Distances carry no gradient, so
    that learning the uncertainty does not make the points worse.
    """
    distance = (points - target).detach().square().sum(-1).add(1e-6).sqrt()
    log_b = log_sigma - 0.5 * math.log(3.0)
    likelihood = 2.0 * log_b + distance * torch.exp(-log_b)
    seen = (weight > 0).to(likelihood.dtype)
    return (seen * likelihood).sum() / (seen.sum() + 1e-6)


def score_loss(logit: Tensor, is_face: Tensor) -> Tensor:
    """Binary cross entropy of the face score."""
    return functional.binary_cross_entropy_with_logits(logit, is_face)

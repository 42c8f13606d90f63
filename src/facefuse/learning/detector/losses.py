"""Losses of the detector."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def score_loss(logits: Tensor, state: Tensor, gamma: float = 2.0) -> Tensor:
    """Focal loss summed over cells (Lin et al. 2017, with the two classes weighted alike).

    Parameters
    ----------
    logits : (...,); state : (...,) 1 face, 0 background, -1 left out.
    """
    target = (state == 1).to(logits.dtype)
    away = (torch.sigmoid(logits) - target).abs().pow(gamma)
    loss = away * functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (loss * (state >= 0)).sum()


def square_iou(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Intersection over union of squares (..., 3) given as centre and side, and the side of the enclosing box."""
    half_a, half_b = first[..., 2:] / 2, second[..., 2:] / 2
    low = torch.maximum(first[..., :2] - half_a, second[..., :2] - half_b)
    high = torch.minimum(first[..., :2] + half_a, second[..., :2] + half_b)
    common = (high - low).clamp(min=0).prod(-1)
    union = first[..., 2] ** 2 + second[..., 2] ** 2 - common
    outer_low = torch.minimum(first[..., :2] - half_a, second[..., :2] - half_b)
    outer_high = torch.maximum(first[..., :2] + half_a, second[..., :2] + half_b)
    return common / union.clamp(min=1e-6), outer_high - outer_low


def box_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Distance-IoU loss (Zheng et al. 2020) of squares (M, 3), one value each."""
    iou, outer = square_iou(predicted, target)
    apart = (predicted[..., :2] - target[..., :2]).square().sum(-1)
    return 1 - iou + apart / outer.square().sum(-1).clamp(min=1e-6)


def points_loss(predicted: Tensor, target: Tensor, side: Tensor) -> Tensor:
    """Smooth L1 distance of points (M, 5, 2) relative to a tenth of the face's side (M,), one value each."""
    unit = 0.1 * side[:, None, None]
    return functional.smooth_l1_loss(predicted / unit, target / unit, reduction="none").mean((1, 2))

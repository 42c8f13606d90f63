"""Similarity alignment of batches of points, with gradients."""

from __future__ import annotations

import torch
from torch import Tensor


def similarity_aligned(points: Tensor, target: Tensor, anchors: Tensor | None = None) -> Tensor:
    """Move points by the least-squares similarity that takes their anchors to the target's (Umeyama, 1991).

    Parameters
    ----------
    points, target
        (B, n, 3).
    anchors
        Indices of the points that determine the similarity; all where absent.

    Returns
    -------
    (B, n, 3); the gradient runs through the similarity too. It is never a reflection: the rotation is solved for
    anew where the best orthogonal matrix would be one.
    """
    a, b = (points, target) if anchors is None else (points[:, anchors], target[:, anchors])
    mean_a, mean_b = a.mean(dim=1, keepdim=True), b.mean(dim=1, keepdim=True)
    a, b = a - mean_a, b - mean_b
    u, s, vt = torch.linalg.svd(b.transpose(1, 2) @ a)
    sign = torch.ones_like(s)
    sign[:, 2] = torch.det(u.detach() @ vt.detach()).sign()
    rotation = (u * sign[:, None, :]) @ vt
    scale = (s * sign).sum(dim=1) / a.square().sum(dim=(1, 2)).clamp(min=1e-12)
    return scale[:, None, None] * (points - mean_a) @ rotation.transpose(1, 2) + mean_b

"""Which points of a face are seen."""

from __future__ import annotations

import torch
from torch import Tensor

from facefuse.learning.rendering.coverage import Coverage


def point_visibility(points: Tensor, coverage: Coverage, tolerance: float = 3.0) -> Tensor:
    """Tell which points lie on the visible surface.

    Parameters
    ----------
    points : (B, N, 3) float
        x and y in pixels, and depth.
    coverage : Coverage
        Of the mesh they lie on, in the same pictures.
    tolerance : float
        How far behind the visible surface (the farthest that the four pixels around it show) a point may lie, in the
        unit of depth; for millimetres and pictures of about 200 pixels the default suits.

    Returns
    -------
    (B, N) bool
        False outside the picture.
    """
    height, width = coverage.depth.shape[1:]
    x, y = points[..., 0].detach(), points[..., 1].detach()
    inside = (x >= 0) & (y >= 0) & (x <= width - 1) & (y <= height - 1)
    left = x.nan_to_num(0).floor().clamp(0, width - 1).to(torch.int64)
    top = y.nan_to_num(0).floor().clamp(0, height - 1).to(torch.int64)
    picture = torch.arange(len(points), device=points.device)[:, None]
    around = [
        coverage.depth[picture, (top + down).clamp(max=height - 1), (left + right).clamp(max=width - 1)]
        for down in (0, 1)
        for right in (0, 1)
    ]
    found = torch.stack(around)
    farthest = torch.where(found.isfinite(), found, -torch.inf).amax(0)
    farthest = torch.where(found.isinf().all(0), torch.inf, farthest)  # on the outline, just beside the mesh's pixels
    return inside & (points[..., 2].detach() <= farthest + tolerance)

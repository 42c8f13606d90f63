"""Which places of the face the views see in common, by the z-buffers of their renderings."""

from __future__ import annotations

import torch
from torch import Tensor

from facefuse.learning.rendering import Rendering, point_visibility


def common_visibility(drawn: Rendering, triangles: Tensor, present: Tensor) -> Tensor:
    """Share of a person's views in which the surface at each pixel is visible.

    Parameters
    ----------
    drawn
        B people in N views each, B·N pictures.
    triangles
        (T, 3) of the mesh.
    present
        (B, N) bool; missing views do not count.

    Returns
    -------
    (B·N, H, W)
        1 where every view sees the place, 1 / N where no other does; 0 beside the face. Without gradient.
    """
    with torch.no_grad():
        there = present.to(drawn.screen.dtype)
        visible = point_visibility(drawn.screen, drawn.coverage).to(there.dtype).unflatten(0, present.shape)
        share = (visible * there[..., None]).sum(1) / there.sum(1, keepdim=True).clamp(min=1.0)
        share = share.repeat_interleave(present.shape[1], dim=0)
        found = drawn.coverage.triangle
        corners = triangles[found.clamp(min=0)].long()
        at = share.gather(1, corners.flatten(1)).unflatten(1, corners.shape[1:]).mean(dim=-1)
        # a pixel on the surface is seen at least by its own view, though a corner of its triangle may be hidden
        own = 1.0 / there.sum(1).clamp(min=1.0).repeat_interleave(present.shape[1])
        return torch.where(found >= 0, torch.maximum(at, own[:, None, None]), torch.zeros_like(at))

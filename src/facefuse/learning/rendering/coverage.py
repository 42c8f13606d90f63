"""Which triangle is seen at each pixel: not differentiable, the same result on every device."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from facefuse.learning.rendering import scatter
from facefuse.rendering.rasterize import rasterize as rasterize_arrays


@dataclass(frozen=True)
class Coverage:
    """What is seen at each pixel of a batch of pictures; no value carries a gradient.

    Attributes
    ----------
    triangle : (B, H, W) int32
        The nearest triangle, -1 where there is none.
    barycentric : (B, H, W, 3) float32
        Perspective-correct weights of its corners; zero where there is none.
    depth : (B, H, W) float32
        In the unit of the vertices' z; inf where there is none.
    """

    triangle: Tensor
    barycentric: Tensor
    depth: Tensor

    @property
    def mask(self) -> Tensor:
        """Where there is a triangle, (B, H, W) bool."""
        return self.triangle >= 0


def rasterize(
    screen: Tensor,
    triangles: Tensor,
    width: int,
    height: int,
    *,
    perspective: bool = True,
    cull_back: bool = True,
    near: float = 1e-6,
) -> Coverage:
    """Rasterise a batch of meshes with common triangles.

    On the CPU this is the compiled kernel of `facefuse.rendering.rasterize`, on as many threads as PyTorch uses;
    elsewhere `facefuse.learning.rendering.scatter`. Both give the same bits.

    Parameters
    ----------
    screen : (B, V, 3) float
        x and y in pixels (y down), z the depth, growing away from the eye.
    triangles : (F, 3) int
        Counter-clockwise seen from outside.
    width, height : int
    perspective : bool
        Whether x and y were divided by z.
    cull_back : bool
        Whether triangles seen from behind are invisible.
    near : float
        Perspective triangles with a corner at or before this depth are dropped.

    Returns
    -------
    Coverage

    Raises
    ------
    ValueError
        If a shape or a triangle index is wrong.
    """
    if screen.ndim != 3 or screen.shape[-1] != 3:
        raise ValueError(f"expected (B, V, 3) screen vertices, found {tuple(screen.shape)}")
    points = screen.detach()
    if points.device.type == "cpu":
        seen = rasterize_arrays(
            points.numpy(),
            triangles.numpy(),
            width,
            height,
            perspective=perspective,
            cull_back=cull_back,
            near=near,
            threads=torch.get_num_threads(),
        )
        return Coverage(*(torch.from_numpy(array) for array in (seen.triangle, seen.barycentric, seen.depth)))
    return Coverage(*scatter.rasterize(points, triangles, width, height, perspective, cull_back, near))

"""nvdiffrast as the rasteriser, for users who have it: a faster search for what is seen on NVIDIA cards.

It is not a dependency. Only its ``rasterize`` is used (Laine et al., "Modular primitives for high-performance
differentiable rendering", ACM TOG 2020); interpolation, shading and outlines are ours, so that gradients do not depend
on whether it is installed. Its coverage differs from ours by its own subpixel grid: a few pixels at edges.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any

import torch
from torch import Tensor

from facefuse.errors import UsageError
from facefuse.learning.rendering.coverage import Coverage


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
    """Rasterise as `facefuse.learning.rendering.coverage.rasterize`, by nvdiffrast's CUDA rasteriser.

    Give it to `facefuse.learning.rendering.render` as ``rasterizer``.

    Raises
    ------
    UsageError
        If nvdiffrast is not installed.
    """
    library = _library()
    points = screen.detach().to(torch.float32)
    batch, count = points.shape[:2]
    shown = _front(points, triangles, near if perspective else None, cull_back)
    image, triangle = shown.nonzero(as_tuple=True)
    corners = (triangles[triangle] + image[:, None] * count).to(torch.int32).contiguous()
    counts = shown.sum(dim=1)
    ranges = torch.stack((counts.cumsum(0) - counts, counts), dim=1).to(torch.int32).cpu()
    clip = _clip(points, width, height, perspective).reshape(-1, 4).contiguous()
    found, _ = library.rasterize(_context(library, str(screen.device)), clip, corners, (height, width), ranges=ranges)
    number = found[..., 3].to(torch.int64) - 1
    covered = number >= 0
    empty = torch.full_like(number, -1)
    seen = torch.where(covered, triangle[number.clamp(min=0)], empty) if len(triangle) else empty
    weights = torch.stack((found[..., 0], found[..., 1], 1 - found[..., 0] - found[..., 1]), dim=-1)
    weights = torch.where(covered[..., None], weights, 0.0)
    picture = torch.arange(batch, device=points.device)[:, None, None, None]
    z = points[picture, triangles[seen.clamp(min=0)], 2]
    depth = torch.where(covered, (weights * z).sum(dim=-1), torch.inf)
    return Coverage(seen.to(torch.int32), weights, depth)


def _front(points: Tensor, triangles: Tensor, near: float | None, cull_back: bool) -> Tensor:
    """Which triangles may be seen, (B, F)."""
    a, b, c = (points[:, triangles[:, k]] for k in range(3))
    good = (a + b + c).isfinite().all(dim=-1)
    if near is not None:
        good &= torch.minimum(torch.minimum(a[..., 2], b[..., 2]), c[..., 2]) > near
    if cull_back:
        u, v = b - a, c - a
        good &= u[..., 1] * v[..., 0] - u[..., 0] * v[..., 1] > 0
    return good


def _clip(points: Tensor, width: int, height: int, perspective: bool) -> Tensor:
    """Clip coordinates (B, V, 4) that put row 0 of the result at y = 0; depth fills the range of each picture."""
    z = points[..., 2]
    usable = z.isfinite() & ((z > 0) if perspective else True)
    low = torch.where(usable, z, torch.inf).amin(dim=1, keepdim=True)
    high = torch.where(usable, z, -torch.inf).amax(dim=1, keepdim=True)
    margin = 0.01 * (high - low) + 1e-3 * high.abs() + 1e-6
    low, high = (0.99 * low if perspective else low - margin), high + margin
    x = (points[..., 0] + 0.5) * (2.0 / width) - 1
    y = (points[..., 1] + 0.5) * (2.0 / height) - 1
    if not perspective:
        return torch.stack((x, y, (2 * z - low - high) / (high - low), torch.ones_like(z)), dim=-1)
    return torch.stack((x * z, y * z, ((high + low) * z - 2 * high * low) / (high - low), z), dim=-1)


def _library() -> Any:
    try:
        return importlib.import_module("nvdiffrast.torch")
    except ImportError as error:
        raise UsageError(
            "nvdiffrast is not installed; install it, or leave the rasterizer out to use the built-in one"
        ) from error


@functools.cache
def _context(library: Any, device: str) -> Any:
    """One context per device: making one is slow."""
    return library.RasterizeCudaContext(device=device)

"""Outlines that move smoothly: gradients of coverage.

Where a silhouette edge crosses the line between two neighbouring pixel centres, one pixel shows the surface and the
other what lies behind it. If the crossing is beyond the middle the surface covers part of the farther pixel, else the
background covers part of the nearer one; the colours are blended by how far the crossing is from the middle, a smooth
function of the edge's ends. The idea of blending across silhouettes after rasterisation is that of Laine et al.,
"Modular primitives for high-performance differentiable rendering", ACM TOG 2020, section 3.6. There, crossings are
looked for on the triangles that pixels show; here, along the silhouette edges themselves, which also finds them where
triangles are smaller than pixels. An edge counts for rows and for columns in proportion to how steep it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from facefuse.learning.rendering.coverage import Coverage
from facefuse.learning.rendering.mesh import RenderMesh
from facefuse.learning.rendering.outline_kernels import NOISE, SLACK
from facefuse.rendering.kernels import BITS, REACH


@dataclass(frozen=True)
class Snapped:
    """Vertices as the rasteriser sees them: both have to agree on what covers a pixel.

    Attributes
    ----------
    place : (B, V, 2) int64
        x and y in whole subpixels.
    good : (B, V) bool
        Which vertices are finite.
    z : (B, V) float64
        Depth.
    """

    place: Tensor
    good: Tensor
    z: Tensor


def snap(screen: Tensor) -> Snapped:
    """Snap screen vertices (B, V, 3) to the subpixel grid."""
    good = screen.isfinite().all(dim=-1)
    limit = REACH * (1 << BITS)
    place = (screen[..., :2].to(torch.float64) * (1 << BITS)).clamp(-limit, limit).round()
    return Snapped(torch.where(good[..., None], place, 0.0).to(torch.int64), good, screen[..., 2].to(torch.float64))


@dataclass(frozen=True)
class Crossings:
    """Where silhouettes pass between two neighbouring pixel centres, ``N`` of them; no value carries a gradient.

    Attributes
    ----------
    image : (N,) int64
        Picture.
    ends : (N, 2) int64
        Vertices of the edge.
    axis : (N,) int64
        0: the pixels are neighbours in a row; 1: in a column.
    line : (N,) int64
        That row or column.
    inner, outer : (N,) int64
        Where on the line the pixels with and without the surface are.
    """

    image: Tensor
    ends: Tensor
    axis: Tensor
    line: Tensor
    inner: Tensor
    outer: Tensor

    def __getitem__(self, some: Tensor) -> Crossings:
        """Return some of them."""
        return Crossings(*(value[some] for value in vars(self).values()))

    def place(self, screen: Tensor) -> tuple[Tensor, Tensor]:
        """How far the crossing is from the inner pixel's centre, [0, 1], and how much it counts: (N,), (N,)."""
        (ax, ay), (bx, by) = self._along(screen)
        at = ax + (self.line - ay) * (bx - ax) / (by - ay)
        steep = (by - ay).square() / ((by - ay).square() + (bx - ax).square())
        return (at - self.inner) * (self.outer - self.inner), steep

    def depth(self, points: Snapped, perspective: bool) -> Tensor:
        """Depth of the edge where it crosses: (N,)."""
        over = points.place[self.image[:, None], self.ends, (1 - self.axis)[:, None]]
        share = ((self.line << BITS) - over[:, 0]) / (over[:, 1] - over[:, 0]).to(torch.float64)
        a, b = points.z[self.image[:, None], self.ends].unbind(-1)
        return 1 / ((1 - share) / a + share / b) if perspective else (1 - share) * a + share * b

    def _along(self, screen: Tensor) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Both ends: coordinate along the line of pixels, and across it."""
        ends = screen[self.image[:, None], self.ends]
        across = (1 - self.axis)[:, None].expand(-1, 2)[..., None]
        over = ends[..., :2].gather(2, across)[..., 0]
        along = ends[..., :2].gather(2, 1 - across)[..., 0]
        return (along[:, 0], over[:, 0]), (along[:, 1], over[:, 1])


def antialias(
    pictures: Tensor, screen: Tensor, mesh: RenderMesh, coverage: Coverage, perspective: bool, cull_back: bool = True
) -> Tensor:
    """Blend pictures across silhouettes.

    Parameters
    ----------
    pictures : (B, H, W, C) float
        Any values per pixel: colours, masks.
    screen : (B, V, 3) float
        x and y in pixels, and depth; the gradients of coverage flow to x and y.
    mesh : RenderMesh
    coverage : Coverage
        What the pictures show.
    perspective, cull_back : bool
        As it was rasterised.

    Returns
    -------
    (B, H, W, C) float
    """
    found = visible_crossings(screen.detach(), mesh, coverage, perspective, cull_back)
    if not len(found.image):
        return pictures
    height, width, channels = pictures.shape[1:]
    distance, steep = found.place(screen)
    inner, outer = (_flat(found, where, height, width) for where in (found.inner, found.outer))
    weight = (distance - 0.5) * steep
    blended: Tensor = _Blend.apply(pictures.reshape(-1, channels), weight, inner, outer)
    return blended.reshape(pictures.shape)


class _Blend(torch.autograd.Function):  # type: ignore[misc]
    """Add ``weight (inner - outer)`` to the outer pixel where the weight is positive, else to the inner one.

    One function, because what autograd would do step by step copies the pictures several times.
    """

    @staticmethod
    def forward(ctx: Any, flat: Tensor, weight: Tensor, inner: Tensor, outer: Tensor) -> Tensor:
        target = torch.where(weight > 0, outer, inner)
        step = flat[inner] - flat[outer]
        ctx.save_for_backward(weight, inner, outer, target, step)
        return flat.index_add(0, target, step * weight[:, None])

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        weight, inner, outer, target, step = ctx.saved_tensors
        at = grad[target]
        passed = at * weight[:, None]
        grad_flat = grad.clone().index_add_(0, inner, passed).index_add_(0, outer, passed, alpha=-1)
        return grad_flat, (at * step).sum(dim=1), None, None


def visible_crossings(
    screen: Tensor, mesh: RenderMesh, coverage: Coverage, perspective: bool, cull_back: bool
) -> Crossings:
    """Find where visible silhouettes pass between pixel centres; parameters as in :func:`antialias`."""
    points = snap(screen)
    nearest = torch.where(points.good, points.z, torch.inf).amin(dim=1)
    farthest = torch.where(points.good, points.z, -torch.inf).amax(dim=1)
    slack = SLACK * (farthest - nearest) + NOISE * farthest.abs()
    found = search(points, mesh, coverage.depth, perspective, cull_back, slack)
    # of several crossings between two pixels the outermost is the outline
    inner, outer = (_flat(found, where, *coverage.depth.shape[1:]) for where in (found.inner, found.outer))
    distance, _ = found.place(screen)
    pair = 4 * inner + 2 * found.axis + (outer > inner)
    rank, order = ((pair << 31) + (distance.clamp(0, 1) * 2.0**30).to(torch.int64)).sort(stable=True)
    last = torch.ones_like(order, dtype=torch.bool)
    last[:-1] = (rank[1:] >> 31) != (rank[:-1] >> 31)
    return found[order[last]]


def search(
    points: Snapped, mesh: RenderMesh, depth: Tensor, perspective: bool, cull_back: bool, slack: Tensor
) -> Crossings:
    """Find the crossings of visible silhouettes by tensor operations.

    Parameters
    ----------
    points : Snapped
    mesh : RenderMesh
    depth : (B, H, W) float32
        Of the visible surface; inf where there is none.
    perspective, cull_back : bool
    slack : (B,) float64
        How far behind the edge the surface on its inner side may be; on the outer side it must be farther by a tenth.
    """
    height, width = depth.shape[1:]
    image, corners = _silhouettes(points, mesh, cull_back)
    parts = [_crossings(points, image, corners, axis, (width, height)) for axis in (0, 1)]
    found = Crossings(*(torch.cat([vars(part)[name] for part in parts]) for name in vars(parts[0])))
    inner, outer = (_flat(found, where, height, width) for where in (found.inner, found.outer))
    edge, slack = found.depth(points, perspective), slack[found.image]
    flat = depth.reshape(-1).to(torch.float64)
    return found[(flat[inner] < edge + slack) & (flat[outer] > edge + 0.1 * slack)]


def _silhouettes(points: Snapped, mesh: RenderMesh, cull_back: bool) -> tuple[Tensor, Tensor]:
    """Picture (N,) of each silhouette edge, and its ends and the corner opposite them on its inner side (N, 3)."""
    a, b, c = (points.place[:, mesh.triangles[:, k]] for k in range(3))
    u, v = b - a, c - a
    front = u[..., 1] * v[..., 0] - u[..., 0] * v[..., 1] > 0
    border = (mesh.neighbours < 0)[None]
    behind = ~front[:, mesh.neighbours.clamp(min=0)] & ~border
    outline = front[..., None] & (behind | border)
    if not cull_back:
        outline |= border
    image, triangle, corner = outline.nonzero(as_tuple=True)
    turned = (corner[:, None] + torch.tensor([1, 2, 0], device=corner.device)) % 3
    corners = mesh.triangles[triangle].gather(1, turned)
    kept = points.good[image[:, None], corners].all(dim=1)
    return image[kept], corners[kept]


def _crossings(points: Snapped, image: Tensor, corners: Tensor, axis: int, size: tuple[int, int]) -> Crossings:
    """All crossings of edges with the rows (axis 0) or columns (1) of pixels of pictures of a size (width, height)."""
    a, b, c = points.place[image[:, None], corners].unbind(1)
    dx, dy = (b - a).unbind(1)
    side = ((c - a)[:, 0] * dy - (c - a)[:, 1] * dx).sign()
    to_right, to_bottom = side * dy > 0, side * dx < 0
    covers = to_right | ((dy == 0) & to_bottom)  # the pixel centres on this edge: top-left rule
    greater = to_right if axis == 0 else to_bottom
    along, over = a[:, axis], a[:, 1 - axis]
    run, rise = (dx, dy) if axis == 0 else (dy, dx)
    up = (1 << BITS) - 1
    first = (torch.minimum(over, over + rise) + up >> BITS).clamp(min=0)
    stop = (torch.maximum(over, over + rise) + up >> BITS).clamp(max=size[1 - axis])
    counts = torch.where(side != 0, stop - first, 0).clamp(min=0)
    owner = torch.repeat_interleave(counts)
    line = first[owner] + torch.arange(len(owner), device=owner.device) - (counts.cumsum(0) - counts)[owner]
    # where on the line, as a fraction in whole numbers
    numerator = along[owner] * rise[owner] + ((line << BITS) - over[owner]) * run[owner]
    denominator = rise[owner] << BITS
    below = torch.div(numerator, denominator, rounding_mode="floor")
    below = below - ((below * denominator == numerator) & (covers == greater)[owner]).to(torch.int64)
    kept = (below >= 0) & (below < size[axis] - 1)
    owner, line, below = owner[kept], line[kept], below[kept]
    step = greater[owner].to(torch.int64)
    ends = corners[owner, :2]
    return Crossings(image[owner], ends, torch.full_like(line, axis), line, below + step, below + 1 - step)


def _flat(found: Crossings, where: Tensor, height: int, width: int) -> Tensor:
    """Position in the batch of pictures, flattened."""
    row = torch.where(found.axis == 0, found.line, where)
    column = torch.where(found.axis == 0, where, found.line)
    return (found.image * height + row) * width + column

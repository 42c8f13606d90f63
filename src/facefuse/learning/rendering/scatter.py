"""The rasteriser in tensor operations, for devices without the compiled kernel.

Every triangle's bounding box is spread out into candidate pixels, and each pixel keeps the largest key (closeness, then
triangle) offered to it. All arithmetic is that of `facefuse.rendering.kernels`, in the same order, so that both find
the same triangles.
"""

from __future__ import annotations

import torch
from torch import Tensor

from facefuse.rendering.kernels import BITS, REACH

_CHUNK = 1 << 23
"""Candidate pixels that are worked on at a time; bounds the memory."""
_LAST = 0xFFFFFFFF


def rasterize(
    screen: Tensor, triangles: Tensor, width: int, height: int, perspective: bool, cull_back: bool, near: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Find the nearest triangle of each pixel; parameters and result as in `facefuse.learning.rendering.coverage`."""
    batch, count = screen.shape[:2]
    if width < 1 or height < 1:
        raise ValueError(f"expected a positive image size, found {width} x {height}")
    corners = triangles.to(torch.int64)
    if corners.numel() and not bool(((corners >= 0) & (corners < count)).all()):
        raise ValueError(f"triangles refer to vertices outside 0..{count - 1}")
    place, closeness, far = _snap(screen, near, perspective)
    setup = _Setup(place, closeness, corners, width, height, cull_back)
    keys = torch.zeros(batch * height * width, dtype=torch.int64, device=screen.device)
    ends = setup.candidates.cumsum(0)
    start = 0
    while start < len(ends):
        done = ends[start - 1] if start else ends.new_zeros(())
        stop = max(start + 1, int(torch.searchsorted(ends, done + _CHUNK, right=True)))
        pixel, key = setup.offers(slice(start, stop))
        keys.scatter_reduce_(0, pixel, key, "amax")
        start = stop
    return _resolve(keys.reshape(batch, height, width), setup, closeness, far, perspective)


def _snap(screen: Tensor, near: float, perspective: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Whole subpixels (B, V, 2), float32 closeness (B, V) and depth of the far plane (B,); see `snap_vertices`."""
    points = screen.to(torch.float64)
    z = points[..., 2]
    x, y = points[..., 0] * (1 << BITS), points[..., 1] * (1 << BITS)
    good = (x.abs() + y.abs() + z.abs()).isfinite()
    far = z.new_zeros(len(z))
    if perspective:
        closeness = torch.where(z > near, 1.0 / z, torch.nan)
    else:
        known = z.isfinite()
        low = torch.where(known, z, torch.inf).amin(1)
        high = torch.where(known, z, -torch.inf).amax(1)
        far = torch.where(low <= high, high + (high - low) / 1024.0, far)
        closeness = far[:, None] - z
    closeness = torch.where(good, closeness, torch.nan).to(torch.float32)
    limit = REACH * (1 << BITS)
    place = torch.stack((x, y), -1).clamp(-limit, limit).round()
    return torch.where(good[..., None], place, 0.0).to(torch.int64), closeness, far


class _Setup:
    """Edge functions and planes of all triangles that may be seen."""

    def __init__(
        self, place: Tensor, closeness: Tensor, corners: Tensor, width: int, height: int, cull_back: bool
    ) -> None:
        self.width, self.height = width, height
        ax, bx, cx = (place[:, corners[:, k], 0] for k in range(3))
        ay, by, cy = (place[:, corners[:, k], 1] for k in range(3))
        area = (by - ay) * (cx - ax) - (bx - ax) * (cy - ay)
        behind = area < 0
        if not cull_back:
            area = area.abs()
            bx, cx = torch.where(behind, cx, bx), torch.where(behind, bx, cx)
            by, cy = torch.where(behind, cy, by), torch.where(behind, by, cy)
        up = (1 << BITS) - 1
        x0 = (torch.minimum(torch.minimum(ax, bx), cx) + up >> BITS).clamp(min=0)
        x1 = (torch.maximum(torch.maximum(ax, bx), cx) >> BITS).clamp(max=width - 1)
        y0 = (torch.minimum(torch.minimum(ay, by), cy) + up >> BITS).clamp(min=0)
        y1 = (torch.maximum(torch.maximum(ay, by), cy) >> BITS).clamp(max=height - 1)
        z = closeness.to(torch.float64)[:, corners]
        finite = ((z[..., 1] - z[..., 0]) + (z[..., 2] - z[..., 0])).isfinite()
        self.image, self.triangle = ((area > 0) & (x0 <= x1) & (y0 <= y1) & finite).nonzero(as_tuple=True)
        self.number = torch.full((len(place) * len(corners),), -1, dtype=torch.int64, device=place.device)
        self.number[self.image * len(corners) + self.triangle] = torch.arange(len(self.image), device=place.device)
        self.faces = len(corners)
        kept = self.image, self.triangle
        ax, bx, cx, ay, by, cy, area = (value[kept] for value in (ax, bx, cx, ay, by, cy, area))
        self.x0, self.y0, x1, y1 = (value[kept] for value in (x0, y0, x1, y1))
        self.swapped = behind[kept]
        self.columns = x1 - self.x0 + 1
        self.candidates = self.columns * (y1 - self.y0 + 1)
        za, zb, zc = z[kept].unbind(-1)
        zb, zc = torch.where(self.swapped, zc, zb), torch.where(self.swapped, zb, zc)
        xa, ya = cy - by, bx - cx
        xb, yb = ay - cy, cx - ax
        xc, yc = by - ay, ax - bx
        px, py = (self.x0 << BITS) - ax, (self.y0 << BITS) - ay
        eb, ec = yb * py + xb * px, yc * py + xc * px
        ea = area - eb - ec
        scale = 1.0 / area.to(torch.float64)
        step = (1 << BITS) * scale
        self.weights_b = torch.stack((eb * scale, xb * step, yb * step))
        self.weights_c = torch.stack((ec * scale, xc * step, yc * step))
        rise_b, rise_c = zb - za, zc - za
        self.near = self.weights_b * rise_b + self.weights_c * rise_c
        self.near[0] += za
        self.close_b, self.close_c = zb, zc
        self.edges = [
            (e + ((((x << 32) + y) - 1) >> 63), x << BITS, y << BITS)
            for e, x, y in ((ea, xa, ya), (eb, xb, yb), (ec, xc, yc))
        ]

    def offers(self, some: slice) -> tuple[Tensor, Tensor]:
        """Pixels (flat over the batch) that some of the triangles cover, and the key offered to each."""
        counts = self.candidates[some]
        owner = torch.repeat_interleave(counts) + some.start
        within = torch.arange(len(owner), device=owner.device) - (counts.cumsum(0) - counts)[owner - some.start]
        columns = self.columns[owner]
        dy = torch.div(within, columns, rounding_mode="floor")
        dx = within - dy * columns
        inside = torch.zeros_like(dx)
        for e, x, y in self.edges:
            inside |= e[owner] + dy * y[owner] + dx * x[owner]
        kept = inside >= 0
        owner, dx, dy = owner[kept], dx[kept], dy[kept]
        close = (self.near[0][owner] + dy * self.near[2][owner]) + dx * self.near[1][owner]
        bits = close.to(torch.float32).view(torch.int32).to(torch.int64)
        key = (bits << 32) | (_LAST - self.triangle[owner])
        pixel = (self.image[owner] * self.height + self.y0[owner] + dy) * self.width + self.x0[owner] + dx
        return pixel, key


def _resolve(
    keys: Tensor, setup: _Setup, closeness: Tensor, far: Tensor, perspective: bool
) -> tuple[Tensor, Tensor, Tensor]:
    empty = keys == 0
    triangle = torch.where(empty, -1, _LAST - (keys & _LAST)).to(torch.int32)
    barycentric = closeness.new_zeros((*keys.shape, 3))
    depth = torch.full(keys.shape, torch.inf, dtype=torch.float32, device=keys.device)
    image, y, x = (~empty).nonzero(as_tuple=True)
    close = (keys[image, y, x] >> 32).to(torch.int32).view(torch.float32)
    number = setup.number[image * setup.faces + triangle[image, y, x]]
    dx, dy = (x - setup.x0[number]).to(torch.float32), (y - setup.y0[number]).to(torch.float32)
    weights = []
    for plane, corner in ((setup.weights_b, setup.close_b), (setup.weights_c, setup.close_c)):
        at = plane[:, number] * (corner[number] if perspective else 1.0)
        first, in_x, in_y = at.to(torch.float32)
        weights.append((first + in_x * dx) + in_y * dy)
    z = 1.0 / close if perspective else (far[image] - close.to(torch.float64)).to(torch.float32)
    b, c = (weight * z if perspective else weight for weight in weights)
    swapped = setup.swapped[number]
    b, c = torch.where(swapped, c, b), torch.where(swapped, b, c)
    barycentric[image, y, x] = torch.stack(((1.0 - b) - c, b, c), -1)
    depth[image, y, x] = z
    return triangle, barycentric, depth

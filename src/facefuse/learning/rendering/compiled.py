"""The kernels as differentiable functions of CPU tensors; each equals the function of the same name in `plain`.

``starts`` holds the first covered pixel of each picture, and their number at the end. ``triangle`` and ``place`` (P,)
say, per covered pixel, which triangle is seen and where in the batch, flattened, the pixel lies.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from facefuse.learning.rendering import kernels

Starts = tuple[int, ...]


def vertex_normals(vertices: Tensor, triangles: Tensor) -> Tensor:
    """Unit normals at vertices (B, V, 3), as `facefuse.geometry.mesh.vertex_normals`: (B, V, 3)."""
    out: Tensor = _VertexNormals.apply(vertices, triangles)
    return out


def barycentric(
    screen: Tensor,
    triangles: Tensor,
    triangle: Tensor,
    place: Tensor,
    starts: Starts,
    size: tuple[int, int],
    perspective: bool,
) -> Tensor:
    """Perspective-correct weights (P, 3) of the triangles' (F, 3) corners; size: height, width."""
    out: Tensor = _Barycentric.apply(screen, triangles, triangle, place, starts, size, perspective)
    return out


def interpolate(weights: Tensor, attributes: Tensor, triangles: Tensor, triangle: Tensor, starts: Starts) -> Tensor:
    """Attributes (B or 1, A, C) of the corners of the triangles (F, 3), weighted (P, 3): (P, C)."""
    out: Tensor = _Interpolate.apply(weights, attributes, triangles, triangle, starts)
    return out


def sample_texture(texture: Tensor, uv: Tensor, starts: Starts) -> Tensor:
    """Sample textures (B or 1, C, S, T) bilinearly at (P, 2) coordinates: (P, C)."""
    out: Tensor = _SampleTexture.apply(texture, uv, starts)
    return out


def shade(normals: Tensor, light: Tensor, starts: Starts) -> Tensor:
    """Shading of normals (P, 3) of any length by spherical harmonics (B or 1, 9, 3): (P, 3)."""
    out: Tensor = _Shade.apply(normals, light, starts)
    return out


class _VertexNormals(torch.autograd.Function):  # type: ignore[misc]
    @staticmethod
    def forward(ctx: Any, vertices: Tensor, triangles: Tensor) -> Tensor:
        points = vertices.detach().contiguous()
        normals, lengths = torch.zeros_like(points), points.new_empty(points.shape[:2])

        def work(n: int, at: slice, worker: int) -> None:
            kernels.vertex_normals(points[n].numpy(), triangles.numpy(), normals[n].numpy(), lengths[n].numpy())

        _for_each_picture(tuple(range(len(points) + 1)), work)
        ctx.save_for_backward(points, triangles, normals, lengths)
        return normals

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        points, triangles, normals, lengths = ctx.saved_tensors
        grad, grad_points = grad.contiguous(), torch.zeros_like(points)

        def work(n: int, at: slice, worker: int) -> None:
            known = points[n].numpy(), triangles.numpy(), normals[n].numpy(), lengths[n].numpy()
            kernels.vertex_normals_backward(*known, grad[n].numpy(), grad_points[n].numpy())

        _for_each_picture(tuple(range(len(points) + 1)), work)
        return grad_points, None


class _Barycentric(torch.autograd.Function):  # type: ignore[misc]
    @staticmethod
    def forward(ctx: Any, screen: Tensor, *fixed: Any) -> Tensor:
        triangles, triangle, place, starts, (height, width), perspective = fixed
        points = screen.detach().contiguous()
        out = points.new_empty((len(triangle), 3))

        def work(n: int, at: slice, worker: int) -> None:
            where = triangles.numpy(), triangle[at].numpy(), place[at].numpy(), n * height * width, width
            kernels.barycentric(points[n].numpy(), *where, perspective, out[at].numpy())

        _for_each_picture(starts, work)
        ctx.save_for_backward(points)
        ctx.fixed = fixed
        return out

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        triangles, triangle, place, starts, (height, width), perspective = ctx.fixed
        (points,) = ctx.saved_tensors
        grad, grad_points = grad.contiguous(), torch.zeros_like(points)

        def work(n: int, at: slice, worker: int) -> None:
            where = triangles.numpy(), triangle[at].numpy(), place[at].numpy(), n * height * width, width
            kernels.barycentric_backward(
                points[n].numpy(), *where, perspective, grad[at].numpy(), grad_points[n].numpy()
            )

        _for_each_picture(starts, work)
        return grad_points, *[None] * len(ctx.fixed)


class _Interpolate(torch.autograd.Function):  # type: ignore[misc]
    @staticmethod
    def forward(ctx: Any, weights: Tensor, attributes: Tensor, *fixed: Any) -> Tensor:
        triangles, triangle, starts = fixed
        weights, values = weights.detach().contiguous(), attributes.detach().contiguous()
        out = values.new_empty((len(triangle), values.shape[2]))

        def work(n: int, at: slice, worker: int) -> None:
            where = weights[at].numpy(), triangles.numpy(), triangle[at].numpy()
            kernels.interpolate(*where, values[n % len(values)].numpy(), out[at].numpy())

        _for_each_picture(starts, work)
        ctx.save_for_backward(weights, values)
        ctx.fixed = fixed
        return out

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        triangles, triangle, starts = ctx.fixed
        weights, values = ctx.saved_tensors
        spread = ctx.needs_input_grad[1]
        grad, grad_weights = grad.contiguous(), torch.zeros_like(weights)
        grad_values = _sums(values, spread)

        def work(n: int, at: slice, worker: int) -> None:
            where = weights[at].numpy(), triangles.numpy(), triangle[at].numpy()
            own, own_grad = values[n % len(values)].numpy(), _own(grad_values, values, n, worker).numpy()
            kernels.interpolate_backward(*where, own, grad[at].numpy(), spread, grad_weights[at].numpy(), own_grad)

        _for_each_picture(starts, work)
        return grad_weights, _gathered(grad_values, values) if spread else None, None, None, None


class _SampleTexture(torch.autograd.Function):  # type: ignore[misc]
    @staticmethod
    def forward(ctx: Any, texture: Tensor, uv: Tensor, starts: Starts) -> Tensor:
        # channels last: those of a texel are read together
        texels, points = texture.detach().movedim(1, -1).contiguous(), uv.detach().contiguous()
        out = texels.new_empty((len(points), texels.shape[-1]))

        def work(n: int, at: slice, worker: int) -> None:
            kernels.sample_texture(texels[n % len(texels)].numpy(), points[at].numpy(), out[at].numpy())

        _for_each_picture(starts, work)
        ctx.save_for_backward(texels, points)
        ctx.starts = starts
        return out

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        texels, points = ctx.saved_tensors
        spread = ctx.needs_input_grad[0]
        grad, grad_points = grad.contiguous(), torch.zeros_like(points)
        grad_texels = _sums(texels, spread)

        def work(n: int, at: slice, worker: int) -> None:
            own, own_grad = texels[n % len(texels)].numpy(), _own(grad_texels, texels, n, worker).numpy()
            where = own, points[at].numpy(), grad[at].numpy()
            kernels.sample_texture_backward(*where, spread, own_grad, grad_points[at].numpy())

        _for_each_picture(ctx.starts, work)
        return _gathered(grad_texels, texels).movedim(-1, 1) if spread else None, grad_points, None


class _Shade(torch.autograd.Function):  # type: ignore[misc]
    @staticmethod
    def forward(ctx: Any, normals: Tensor, light: Tensor, starts: Starts) -> Tensor:
        directions, lights = normals.detach().contiguous(), light.detach().contiguous()
        out = torch.empty_like(directions)

        def work(n: int, at: slice, worker: int) -> None:
            kernels.shade(directions[at].numpy(), lights[n % len(lights)].numpy(), out[at].numpy())

        _for_each_picture(starts, work)
        ctx.save_for_backward(directions, lights)
        ctx.starts = starts
        return out

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        directions, lights = ctx.saved_tensors
        grad, grad_directions = grad.contiguous(), torch.zeros_like(directions)
        grad_lights = _sums(lights, True)

        def work(n: int, at: slice, worker: int) -> None:
            own = directions[at].numpy(), lights[n % len(lights)].numpy()
            own_grad = _own(grad_lights, lights, n, worker).numpy()
            kernels.shade_backward(*own, grad[at].numpy(), grad_directions[at].numpy(), own_grad)

        _for_each_picture(ctx.starts, work)
        return grad_directions, _gathered(grad_lights, lights), None


def _sums(values: Tensor, needed: bool) -> Tensor:
    """Where gradients of values (B or 1, ...) are summed: each worker has its own place if all pictures share them."""
    if not needed:
        return values.new_empty((1,) * values.ndim)
    return values.new_zeros((torch.get_num_threads() if len(values) == 1 else len(values), *values.shape[1:]))


def _own(sums: Tensor, values: Tensor, n: int, worker: int) -> Tensor:
    """Where the gradient from picture ``n`` goes."""
    return sums[(worker if len(values) == 1 else n) % len(sums)]


def _gathered(sums: Tensor, values: Tensor) -> Tensor:
    """Gradient of ``values``."""
    return sums.sum(dim=0, keepdim=True) if len(values) == 1 else sums


def _for_each_picture(starts: Starts, work: Callable[[int, slice, int], None]) -> None:
    """Call ``work(n, its pixels, worker)`` for each picture, on as many threads as PyTorch uses.

    It must write only where no other worker does. The threads end with the call: kept ones would be missing in forked
    data-loading processes.
    """
    count = len(starts) - 1
    workers = max(1, min(torch.get_num_threads(), count))

    def some(worker: int) -> None:
        with torch.no_grad():  # holds for one thread only
            for n in range(worker, count, workers):
                work(n, slice(starts[n], starts[n + 1]), worker)

    if workers == 1:
        some(0)
        return
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(some, range(workers)))

"""The kernels as differentiable functions of CPU tensors, equal to those of the same name in `plain`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from facefuse.learning.rendering import normal_kernels, picture_kernels
from facefuse.learning.rendering.picture_kernels import Inputs, Planes, Seen
from facefuse.learning.rendering.scene import Pictures, Scene


def vertex_normals(vertices: Tensor, triangles: Tensor) -> Tensor:
    """Unit normals at vertices (B, V, 3), as `facefuse.geometry.mesh.vertex_normals`: (B, V, 3)."""
    out: Tensor = _VertexNormals.apply(vertices, triangles)
    return out


def draw(scene: Scene) -> Pictures:
    """Draw what is seen."""
    out: Pictures = _Draw.apply(scene, *(getattr(scene, name) for name in Inputs._fields))
    return out


class _VertexNormals(torch.autograd.Function):  # type: ignore[misc]
    @staticmethod
    def forward(ctx: Any, vertices: Tensor, triangles: Tensor) -> Tensor:
        points = vertices.detach().contiguous()
        normals, lengths = torch.empty_like(points), points.new_empty(points.shape[:2])

        def work(n: int, worker: int) -> None:
            known = points[n].numpy(), triangles.numpy()
            normal_kernels.vertex_normals(*known, normals[n].numpy(), lengths[n].numpy())

        _for_each_picture(len(points), work)
        ctx.save_for_backward(points, triangles, normals, lengths)
        return normals

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        points, triangles, normals, lengths = ctx.saved_tensors
        grad, grad_points = grad.contiguous(), torch.zeros_like(points)

        def work(n: int, worker: int) -> None:
            known = points[n].numpy(), triangles.numpy(), normals[n].numpy(), lengths[n].numpy()
            normal_kernels.vertex_normals_backward(*known, grad[n].numpy(), grad_points[n].numpy())

        _for_each_picture(len(points), work)
        return grad_points, None


_TEXTURE = Inputs._fields.index("texture")
_ABSENT = Inputs((0, 3), (0, 0, 3), (0, 3), (0, 3), (0, 3), (0, 0), (0, 0, 0))
"""Shapes of what is not given, for one picture."""


class _Draw(torch.autograd.Function):  # type: ignore[misc]
    """Inputs after the scene are those of `picture_kernels.Inputs`, in that order."""

    @staticmethod
    def forward(ctx: Any, scene: Scene, *values: Tensor | None) -> Pictures:
        kind = scene.screen.dtype
        given = [
            torch.empty((1, *shape), dtype=kind) if value is None else value.detach().to(kind)
            for value, shape in zip(values, _ABSENT, strict=True)
        ]
        if scene.texture is not None:  # channels last: those of a texel are read together
            given[_TEXTURE] = given[_TEXTURE].movedim(1, -1)
        given = [value.contiguous() for value in given]
        batch, height, width = scene.coverage.triangle.shape
        channels = (3, 1, 0 if scene.attributes is None else scene.attributes.shape[2])
        colour, mask, attributes = (torch.empty((batch, count, height, width), dtype=kind) for count in channels)
        outlines: list[Any] = [None] * batch
        seen = _seen(scene)

        def work(n: int, worker: int) -> None:
            out = Planes(colour[n].numpy(), mask[n].numpy(), attributes[n].numpy())
            outlines[n] = picture_kernels.draw(seen[n], _of_picture(given, n), out)

        _for_each_picture(batch, work)
        ctx.seen, ctx.outlines = seen, outlines
        ctx.save_for_backward(*given)
        return colour, mask, attributes

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, *grad_out: Tensor) -> tuple[Tensor | None, ...]:
        seen, given, batch = ctx.seen, ctx.saved_tensors, len(ctx.seen)
        workers = _workers(batch)
        wanted = ctx.needs_input_grad[1:]
        always = Inputs._fields.index("screen"), Inputs._fields.index("normals")
        sums = []
        for k, (value, shape) in enumerate(zip(given, _ABSENT, strict=True)):
            if wanted[k] or k in always:
                # each worker has its own place for what all pictures share
                sums.append(value.new_zeros((workers if len(value) == 1 else batch, *value.shape[1:])))
            else:
                sums.append(value.new_empty((1, *shape)))

        def work(n: int, worker: int) -> None:
            # copies: the kernel works in them
            own = Planes(*(np.array(grad[n].numpy(), order="C") for grad in grad_out))
            places = (worker if len(value) == 1 else n for value in given)
            grads = Inputs(*(total[place % len(total)].numpy() for total, place in zip(sums, places, strict=True)))
            picture_kernels.draw_backward(seen[n], _of_picture(given, n), ctx.outlines[n], own, grads)

        _for_each_picture(batch, work)
        grads: list[Any] = [
            (total.sum(dim=0, keepdim=True) if len(value) == 1 else total) if want else None
            for total, value, want in zip(sums, given, wanted, strict=True)
        ]
        if grads[_TEXTURE] is not None:
            grads[_TEXTURE] = grads[_TEXTURE].movedim(-1, 1)
        return None, *grads


def _seen(scene: Scene) -> list[Seen]:
    """What has no gradient, picture by picture."""
    mesh, kind = scene.mesh, scene.screen.dtype
    uv = torch.empty((0, 2)) if mesh.uv is None else mesh.uv
    uv_triangles = torch.empty((0, 3), dtype=torch.int64) if mesh.uv_triangles is None else mesh.uv_triangles
    triangles, neighbours, uv_triangles, uv = (
        value.contiguous().numpy() for value in (mesh.triangles, mesh.neighbours, uv_triangles, uv.to(kind))
    )
    same = triangles, neighbours, uv_triangles, uv, scene.perspective, scene.cull_back, scene.antialias
    covers = scene.coverage.triangle.contiguous().numpy(), scene.coverage.depth.contiguous().numpy()
    return [Seen(triangle, depth, *same) for triangle, depth in zip(*covers, strict=True)]


def _of_picture(values: Sequence[Tensor], n: int) -> Inputs:
    """Arrays of picture ``n``."""
    return Inputs(*(value[n % len(value)].numpy() for value in values))


def _workers(count: int) -> int:
    """How many pictures are worked on at a time."""
    threads: int = torch.get_num_threads()
    return max(1, min(threads, count))


def _for_each_picture(count: int, work: Callable[[int, int], None]) -> None:
    """Call ``work(picture, worker)`` for each picture, on as many threads as PyTorch uses.

    It must write only where no other worker does. The threads end with the call: kept ones would be missing in forked
    data-loading processes.
    """
    workers = _workers(count)

    def some(worker: int) -> None:
        with torch.no_grad():  # holds for one thread only
            for n in range(worker, count, workers):
                work(n, worker)

    with ThreadPoolExecutor(max(1, workers - 1)) as pool:
        others = [pool.submit(some, worker) for worker in range(1, workers)]
        some(0)
        for other in others:
            other.result()

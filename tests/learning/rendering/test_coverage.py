"""Rasterising tensors: shapes, refusals; the kernel and the tensor operations find the same bits."""

from __future__ import annotations

import pytest
import torch

from facefuse.learning.rendering import coverage, scatter
from facefuse.learning.rendering.coverage import rasterize


def test_shapes_and_types(soup) -> None:
    vertices, triangles = soup(0, batch=3)
    seen = rasterize(vertices.float(), triangles, 40, 30)
    assert seen.triangle.shape == seen.depth.shape == seen.mask.shape == (3, 30, 40)
    assert seen.barycentric.shape == (3, 30, 40, 3)
    assert (seen.triangle.dtype, seen.depth.dtype, seen.mask.dtype) == (torch.int32, torch.float32, torch.bool)
    assert seen.mask.float().mean() > 0.5


@pytest.mark.parametrize("perspective", [True, False])
@pytest.mark.parametrize("cull_back", [True, False])
def test_tensor_operations_find_what_the_kernel_finds(soup, perspective: bool, cull_back: bool) -> None:
    vertices, triangles = soup(1, batch=3, count=200)
    kernel = rasterize(vertices, triangles, 40, 30, perspective=perspective, cull_back=cull_back)
    tensors = scatter.rasterize(vertices, triangles, 40, 30, perspective, cull_back, 1e-6)
    assert len(kernel.triangle.unique()) > 20
    for one, other in zip((kernel.triangle, kernel.barycentric, kernel.depth), tensors, strict=True):
        assert torch.equal(one, other)


def test_small_chunks_change_nothing(soup, monkeypatch: pytest.MonkeyPatch) -> None:
    vertices, triangles = soup(2)
    whole = scatter.rasterize(vertices, triangles, 40, 30, True, True, 1e-6)
    monkeypatch.setattr(scatter, "_CHUNK", 100)
    for one, other in zip(whole, scatter.rasterize(vertices, triangles, 40, 30, True, True, 1e-6), strict=True):
        assert torch.equal(one, other)


def test_bad_vertices_are_dropped_alike(soup) -> None:
    vertices, triangles = soup(3)
    vertices[0, 4] = torch.nan
    vertices[0, 9, 0] = torch.inf
    vertices[1, ::5, 2] = -1.0
    for perspective in (True, False):
        kernel = rasterize(vertices, triangles, 40, 30, perspective=perspective)
        tensors = scatter.rasterize(vertices, triangles, 40, 30, perspective, True, 1e-6)
        assert torch.equal(kernel.triangle, tensors[0])
        shown = triangles[kernel.triangle[0][kernel.mask[0]].long()]
        assert not torch.isin(torch.tensor([4, 9]), shown).any()


def test_nothing_to_see(soup) -> None:
    vertices, _ = soup(4)
    for find in (
        lambda t: rasterize(vertices, t, 8, 6),
        lambda t: coverage.Coverage(*scatter.rasterize(vertices, t, 8, 6, True, True, 1e-6)),
    ):
        seen = find(torch.zeros((0, 3), dtype=torch.int64))
        assert not seen.mask.any()
        assert torch.isinf(seen.depth).all()


def test_wrong_arguments_are_refused(soup) -> None:
    vertices, triangles = soup(5)
    with pytest.raises(ValueError, match="found"):
        rasterize(vertices[0], triangles, 8, 8)
    for call in (rasterize, lambda v, t, w, h: scatter.rasterize(v, t, w, h, True, True, 1e-6)):
        with pytest.raises(ValueError, match="outside"):
            call(vertices, triangles + 1000, 8, 8)
        with pytest.raises(ValueError, match="size"):
            call(vertices, triangles, 0, 8)

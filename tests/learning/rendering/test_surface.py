"""The differentiable steps: kernels against tensor operations, gradients against finite differences."""

from __future__ import annotations

import pytest
import torch
from torch.autograd import gradcheck

from facefuse.learning.rendering import compiled, plain
from facefuse.learning.rendering.coverage import rasterize
from facefuse.learning.rendering.surface import visible_surface


def seen_at(soup, seed: int, perspective: bool = True):
    vertices, triangles = soup(seed, count=12, width=9, height=7)
    cover = rasterize(vertices, triangles, 9, 7, perspective=perspective, cull_back=False)
    surface = visible_surface(vertices, triangles, cover, perspective)
    assert len(surface.place) > 40
    return vertices, triangles, cover, surface


@pytest.mark.parametrize("perspective", [True, False])
def test_weights_are_those_of_the_rasteriser(soup, perspective: bool) -> None:
    _, _, cover, surface = seen_at(soup, 0, perspective)
    found = cover.barycentric[cover.mask].double()
    inside = found.amin(1) > 0.02  # snapping to 1/4096 pixel matters for slivers only
    torch.testing.assert_close(surface.weights[inside], found[inside], atol=2e-3, rtol=0)


@pytest.mark.parametrize("perspective", [True, False])
def test_kernels_agree_with_tensor_operations(soup, perspective: bool) -> None:
    torch.manual_seed(0)
    screen, triangles, _, s = seen_at(soup, 1, perspective)
    corners = triangles[s.triangle]
    centres = torch.stack((s.place % 9, s.place // 9 % 7), -1).double()
    screen.requires_grad_()
    attributes = torch.rand(2, screen.shape[1], 4, dtype=torch.float64, requires_grad=True)
    texture = torch.rand(2, 3, 6, 5, dtype=torch.float64, requires_grad=True)
    light = torch.randn(2, 9, 3, dtype=torch.float64, requires_grad=True)
    inputs = (screen, attributes, texture, light)
    compiled_weights = compiled.barycentric(screen, triangles, s.triangle, s.place, s.starts, (7, 9), perspective)
    plain_weights = plain.barycentric(screen, corners, s.image, centres, perspective)
    results = []
    for weights, interpolate, sample, shade in (
        (
            compiled_weights,
            lambda w: compiled.interpolate(w, attributes, triangles, s.triangle, s.starts),
            lambda uv: compiled.sample_texture(texture, uv, s.starts),
            lambda normals: compiled.shade(normals, light, s.starts),
        ),
        (
            plain_weights,
            lambda w: plain.interpolate(w, attributes, corners, s.image),
            lambda uv: plain.sample_texture(texture, uv, s.image),
            lambda normals: plain.shade(normals, light, s.image),
        ),
    ):
        values = interpolate(weights)
        uv, normals = values[:, :2] * 1.4 - 0.2, values[:, 1:] - 0.5  # some beyond the texture's border
        out = torch.cat((weights, values, sample(uv), shade(normals)), 1)
        out.square().sum().backward()
        results.append((out.detach(), *(value.grad.clone() for value in inputs)))
        for value in inputs:
            value.grad = None
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("perspective", [True, False])
def test_gradient_of_weights(soup, perspective: bool) -> None:
    screen, triangles, _, s = seen_at(soup, 2, perspective)
    where = triangles, s.triangle, s.place, s.starts, (7, 9), perspective
    assert gradcheck(lambda v: compiled.barycentric(v, *where), screen.requires_grad_(), atol=1e-6)


def test_gradient_of_interpolation(soup) -> None:
    screen, triangles, _, s = seen_at(soup, 3)
    weights = s.weights.detach().requires_grad_()
    for batch in (1, 2):
        values = torch.rand(batch, screen.shape[1], 2, dtype=torch.float64, requires_grad=True)
        assert gradcheck(lambda w, a: compiled.interpolate(w, a, triangles, s.triangle, s.starts), (weights, values))


@pytest.mark.parametrize("shared", [True, False])
def test_gradient_of_texture_sampling(shared: bool) -> None:
    torch.manual_seed(1)
    uv = (torch.rand(12, 2, dtype=torch.float64) * 1.2 - 0.1).requires_grad_()
    texture = torch.rand(1 if shared else 2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda t, p: compiled.sample_texture(t, p, (0, 5, 12)), (texture, uv))


@pytest.mark.parametrize("shared", [True, False])
def test_gradient_of_shading(shared: bool) -> None:
    torch.manual_seed(2)
    normals = torch.randn(12, 3, dtype=torch.float64, requires_grad=True)
    light = torch.randn(1 if shared else 2, 9, 3, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda n, c: compiled.shade(n, c, (0, 5, 12)), (normals, light))


def test_pictures_are_put_together_over_the_background(soup) -> None:
    screen, _, cover, s = seen_at(soup, 4)
    values = torch.rand(len(s.place), 2, dtype=screen.dtype)
    background = torch.rand(2, 7, 9, 2, dtype=screen.dtype)
    pictures = s.spread(values, background)
    assert torch.equal(pictures[cover.mask], values)
    assert torch.equal(pictures[~cover.mask], background[~cover.mask])


def test_threads_change_nothing(soup) -> None:
    threads = torch.get_num_threads()
    screen, triangles, cover, _ = seen_at(soup, 5)
    try:
        results = []
        for count in (1, 3):
            torch.set_num_threads(count)
            leaf = screen.detach().requires_grad_()
            weights = visible_surface(leaf, triangles, cover, True).weights
            weights.square().sum().backward()
            results.append((weights.detach(), leaf.grad))
    finally:
        torch.set_num_threads(threads)
    for one, other in zip(*results, strict=True):
        assert torch.equal(one, other)

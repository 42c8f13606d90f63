"""Outlines: nearer to the true coverage, smooth, and with the right gradients."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from facefuse.learning.rendering import RenderMesh, antialias, compiled, plain
from facefuse.learning.rendering.coverage import rasterize
from facefuse.learning.rendering.outline_kernels import visible_crossings
from facefuse.learning.rendering.scene import Scene
from facefuse.morphable import load_model
from facefuse.rendering.draw import portrait_camera
from facefuse.rendering.rasterize import screen_vertices

TRIANGLE = RenderMesh.of_triangles(np.array([[0, 2, 1]]))


@pytest.fixture(params=[compiled.draw, plain.draw], ids=["compiled", "plain"])
def mask_of(request: pytest.FixtureRequest):
    """Draw masks (B, H, W) either way."""

    def draw(screen: torch.Tensor, mesh: RenderMesh, width: int, height: int, cull_back: bool = True) -> torch.Tensor:
        seen = rasterize(screen, mesh.triangles, width, height, cull_back=cull_back)
        return request.param(Scene(screen, mesh, seen, True, cull_back, True))[1][:, 0]

    return draw


def test_upright_edge_covers_exactly_what_it_covers(mask_of) -> None:
    for x in (10.0, 10.0001, 10.2, 10.49, 10.5, 10.51, 10.9):
        screen = torch.tensor([[[x, -400.0, 100], [x, 400, 100], [-900, 0, 100]]], dtype=torch.float64)
        row = mask_of(screen, TRIANGLE, 24, 9, cull_back=False)[0, 4]
        expected = (x + 0.5 - torch.arange(24)).clamp(0, 1)
        torch.testing.assert_close(row, expected.double(), atol=1e-6, rtol=0)


def test_coverage_of_a_head_comes_close_to_supersampling(mask_of) -> None:
    model = load_model("base")
    mesh = RenderMesh.of_model(model)
    screen = torch.from_numpy(screen_vertices(model.mean, portrait_camera(model.mean, 96, yaw=25)))[None]
    fine = screen.clone()
    fine[..., :2] = (fine[..., :2] + 0.5) * 8 - 0.5
    truth = rasterize(fine, mesh.triangles, 768, 768).mask.double().reshape(96, 8, 96, 8).mean((1, 3))
    hard = rasterize(screen, mesh.triangles, 96, 96).mask.double()[0]
    smooth = mask_of(screen, mesh, 96, 96)[0]
    assert smooth.min() >= -1e-9
    assert smooth.max() <= 1 + 1e-9
    assert (smooth - truth).abs().sum() < 0.35 * (hard - truth).abs().sum()


@pytest.mark.parametrize("angle", [0.05, 0.4, 0.75, 1.3])
def test_gradient_of_a_mask(mask_of, angle: float) -> None:
    torch.manual_seed(0)
    corner = torch.tensor([angle, angle + 2.0, angle + 4.1], dtype=torch.float64)
    points = torch.stack((12.03 + 9 * corner.cos(), 11.06 + 8 * corner.sin()), -1)
    weights = torch.rand(24, 25, dtype=torch.float64)

    def total(flat: torch.Tensor) -> torch.Tensor:
        screen = torch.cat((flat, torch.full((3, 1), 100.0, dtype=torch.float64)), 1)[None]
        return (mask_of(screen, TRIANGLE, 25, 24, cull_back=False)[0] * weights).sum()

    assert gradcheck(total, points.requires_grad_(), eps=1e-6, atol=1e-4)
    (gradient,) = torch.autograd.grad(total(points), points)
    assert gradient.abs().max() > 0.5


def test_area_grows_as_it_should(mask_of, ball, cameras) -> None:
    vertices, mesh = ball
    radius = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    view = cameras(1, 64)
    covered = mask_of(view.screen(vertices[None] * radius), mesh, 64, 64).sum()
    (gradient,) = torch.autograd.grad(covered, radius)
    # the outline of a 16-gon seen in perspective: nearly that of a circle, its area grows with the radius squared
    area = covered.item()
    assert gradient.item() == pytest.approx(2 * area, rel=0.1)
    assert area == pytest.approx(math.pi * (0.7 * 32) ** 2, rel=0.05)


def test_mask_is_continuous_where_coverage_flips(mask_of) -> None:
    def mask(x: float) -> torch.Tensor:
        return mask_of(
            torch.tensor([[[x, -30.0, 100], [x + 3, 60, 100], [-90, 0, 100]]], dtype=torch.float64),
            TRIANGLE,
            24,
            20,
            cull_back=False,
        )

    steps = [mask(9 + 0.01 * k) for k in range(150)]
    assert max((b - a).abs().max() for a, b in pairwise(steps)) < 0.03


def test_a_hidden_outline_changes_nothing() -> None:
    mesh = RenderMesh.of_triangles(np.array([[0, 2, 1], [3, 5, 4]]))
    front = [[-900.0, -900, 50], [900, -900, 50], [0, 900, 50]]
    behind = [[5.3, 4.0, 80], [17.2, 6.0, 80], [11.0, 18.1, 80]]
    screen = torch.tensor([front + behind], dtype=torch.float64)
    seen = rasterize(screen, mesh.triangles, 24, 24, cull_back=False)
    picture = torch.rand(1, 24, 24, 2, dtype=torch.float64)
    assert torch.equal(antialias.antialias(picture, screen, mesh, seen, True, False), picture)


def test_an_outline_over_another_surface_is_blended() -> None:
    mesh = RenderMesh.of_triangles(np.array([[0, 2, 1], [3, 5, 4]]))
    back = [[-900.0, -900, 500], [900, -900, 500], [0, 900, 500]]
    front = [[5.3, 4.0, 80], [17.2, 6.0, 80], [11.0, 18.1, 80]]
    screen = torch.tensor([back + front], dtype=torch.float64)
    seen = rasterize(screen, mesh.triangles, 24, 24, cull_back=False)
    picture = (seen.triangle == 1).double()[..., None]
    smooth = antialias.antialias(picture, screen, mesh, seen, True, False)
    between = (smooth > 0.02) & (smooth < 0.98)
    assert between.sum() > 15


@pytest.mark.parametrize("perspective", [True, False])
@pytest.mark.parametrize("cull_back", [True, False])
def test_kernel_and_tensor_operations_find_the_same_crossings(soup, perspective: bool, cull_back: bool) -> None:
    screen, triangles = soup(3, batch=3)
    screen[0, 5] = torch.nan
    mesh = RenderMesh.of_triangles(triangles)
    seen = rasterize(screen, triangles, 40, 30, perspective=perspective, cull_back=cull_back)
    found = antialias.visible_crossings(screen, mesh, seen, perspective, cull_back)
    columns = [found.axis, found.line, found.inner, found.outer]
    expected = torch.cat((found.ends, torch.stack(columns, 1)), 1)
    assert len(expected) > 100
    for n in range(3):
        known = screen[n].numpy(), triangles.numpy(), mesh.neighbours.numpy(), seen.depth[n].numpy()
        mine = torch.from_numpy(visible_crossings(*known, perspective, cull_back))
        assert torch.equal(mine, expected[found.image == n])


def test_nothing_to_blend() -> None:
    screen = torch.full((1, 3, 3), 500.0)
    seen = rasterize(screen, TRIANGLE.triangles, 5, 5)
    picture = torch.rand(1, 5, 5, 3)
    assert torch.equal(antialias.antialias(picture, screen, TRIANGLE, seen, True), picture)

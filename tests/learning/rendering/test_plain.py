"""Drawing in tensor operations: agreement with the rasteriser, and what lies where."""

from __future__ import annotations

import pytest
import torch

from facefuse.learning.rendering import RenderMesh, plain
from facefuse.learning.rendering.coverage import rasterize
from facefuse.learning.rendering.scene import Scene


def seen_at(soup, seed: int, perspective: bool = True) -> Scene:
    screen, triangles = soup(seed, count=12, width=9, height=7)
    cover = rasterize(screen, triangles, 9, 7, perspective=perspective, cull_back=False)
    assert cover.mask.sum() > 40
    return Scene(screen, RenderMesh.of_triangles(triangles), cover, perspective, False, False)


@pytest.mark.parametrize("perspective", [True, False])
def test_weights_are_those_of_the_rasteriser(soup, perspective: bool) -> None:
    scene = seen_at(soup, 0, perspective)
    cover = scene.coverage
    image, row, column = cover.mask.nonzero(as_tuple=True)
    corners = scene.mesh.triangles[cover.triangle[cover.mask].long()]
    weights = plain.barycentric(scene.screen, corners, image, torch.stack((column, row), -1).double(), perspective)
    found = cover.barycentric[cover.mask].double()
    inside = found.amin(1) > 0.02  # snapping to 1/4096 pixel matters for slivers only
    torch.testing.assert_close(weights[inside], found[inside], atol=2e-3, rtol=0)


def test_the_mesh_covers_the_background(soup) -> None:
    scene = seen_at(soup, 4)
    background = torch.rand(2, 3, 7, 9, dtype=torch.float64)
    albedo = torch.full((1, scene.screen.shape[1], 3), 2.0, dtype=torch.float64)
    colour, mask, attributes = plain.draw(Scene(**{**vars(scene), "albedo": albedo, "background": background}))
    covered = scene.coverage.mask[:, None].expand_as(colour)
    torch.testing.assert_close(colour, torch.where(covered, 2.0, background))
    assert torch.equal(mask, covered[:, :1].double())
    assert attributes.shape == (2, 0, 7, 9)

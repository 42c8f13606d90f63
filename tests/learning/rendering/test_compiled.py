"""The compiled way of drawing: against tensor operations, against finite differences."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.autograd import gradcheck

from facefuse.geometry.mesh import vertex_normals
from facefuse.learning.rendering import RenderMesh, compiled, plain
from facefuse.learning.rendering.coverage import rasterize
from facefuse.learning.rendering.scene import Scene

LEAVES = ("screen", "texture", "albedo", "normals", "light", "attributes", "background")


def scene_of(soup, seed: int, perspective: bool = True, shared: bool = False, antialias: bool = True) -> Scene:
    """A heap of triangles, textured beyond the texture's border, with everything given."""
    torch.manual_seed(seed)
    screen, triangles = soup(seed, count=14, width=13, height=11)
    mesh = RenderMesh.of_triangles(triangles)
    uv = torch.rand(20, 2, dtype=torch.float64) * 1.6 - 0.3
    mesh = replace(mesh, uv=uv, uv_triangles=torch.randint(0, 20, triangles.shape))
    count, batch = screen.shape[1], 1 if shared else len(screen)

    def some(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, dtype=torch.float64)

    return Scene(
        screen,
        mesh,
        rasterize(screen, triangles, 13, 11, perspective=perspective, cull_back=False),
        perspective,
        False,
        antialias,
        texture=some(batch, 3, 6, 5),
        albedo=some(batch, count, 3),
        normals=some(len(screen), count, 3) - 0.5,
        light=some(batch, 9, 3) - 0.3,
        attributes=some(batch, count, 4),
        background=some(batch, 3, 11, 13),
    )


def with_gradients(scene: Scene, draw, names=LEAVES) -> list[torch.Tensor]:
    """Pictures, and the gradients of an arbitrary function of them."""
    leaves = {name: getattr(scene, name).clone().requires_grad_() for name in names}
    pictures = draw(replace(scene, **leaves))
    sum((picture.square() * (k + 1)).sum() for k, picture in enumerate(pictures)).backward()
    return [picture.detach() for picture in pictures] + [leaf.grad for leaf in leaves.values()]


@pytest.mark.parametrize("perspective", [True, False])
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("antialias", [True, False])
def test_agrees_with_tensor_operations(soup, perspective: bool, shared: bool, antialias: bool) -> None:
    scene = scene_of(soup, 1, perspective, shared, antialias)
    assert scene.coverage.mask.sum() > 100
    for mine, other in zip(with_gradients(scene, compiled.draw), with_gradients(scene, plain.draw), strict=True):
        assert other.abs().max() > 1e-3
        torch.testing.assert_close(mine, other)


@pytest.mark.parametrize("left_out", [("texture",), ("albedo", "background"), ("light", "normals"), LEAVES[1:]])
def test_agrees_where_something_is_not_given(soup, left_out: tuple[str, ...]) -> None:
    scene = replace(scene_of(soup, 2), **dict.fromkeys(left_out))
    names = [name for name in LEAVES if name not in left_out]
    results = (with_gradients(scene, draw, names) for draw in (compiled.draw, plain.draw))
    for mine, other in zip(*results, strict=True):
        torch.testing.assert_close(mine, other)


def test_more_pixels_than_are_worked_on_at_a_time(ball, cameras) -> None:
    vertices, mesh = ball
    screen = cameras(2, 60).screen(vertices.expand(2, -1, -1))
    seen = rasterize(screen, mesh.triangles, 60, 60)
    assert seen.mask[0].sum() > 1000
    scene = Scene(screen, mesh, seen, True, True, True, attributes=torch.rand(1, len(vertices), 2).double())
    for mine, other in zip(
        with_gradients(scene, compiled.draw, ("screen", "attributes")),
        with_gradients(scene, plain.draw, ("screen", "attributes")),
        strict=True,
    ):
        torch.testing.assert_close(mine, other)


def test_single_precision_is_close_to_double(soup) -> None:
    double = scene_of(soup, 3, antialias=False)
    values = {name: getattr(double, name).float() for name in LEAVES}
    single = replace(double, **values)
    for one, other in zip(compiled.draw(single), compiled.draw(double), strict=True):
        assert one.dtype == torch.float32
        torch.testing.assert_close(one.double(), other, atol=2e-3, rtol=0)


@pytest.mark.parametrize("name", LEAVES)
def test_gradients_against_finite_differences(soup, name: str) -> None:
    scene = scene_of(soup, 4, antialias=False)
    if name == "screen":  # textures are piecewise linear, and coverage is held
        scene = replace(scene, texture=None)
    leaf = getattr(scene, name).clone().requires_grad_()
    assert gradcheck(lambda value: compiled.draw(replace(scene, **{name: value})), leaf, atol=1e-5, fast_mode=True)


def test_only_what_is_wanted_gets_a_gradient(soup) -> None:
    scene = scene_of(soup, 5)
    everything = dict(zip(LEAVES, with_gradients(scene, compiled.draw)[3:], strict=True))
    for name in LEAVES:
        torch.testing.assert_close(with_gradients(scene, compiled.draw, (name,))[3], everything[name])


def test_given_gradients_are_left_alone(soup) -> None:
    scene = scene_of(soup, 6)
    screen = scene.screen.clone().requires_grad_()
    pictures = compiled.draw(replace(scene, screen=screen))
    given = [torch.rand_like(picture) for picture in pictures]
    before = [gradient.clone() for gradient in given]
    torch.autograd.grad(pictures, screen, given)
    assert all(torch.equal(*pair) for pair in zip(given, before, strict=True))


def test_threads_change_nothing_in_the_pictures(soup) -> None:
    scene = scene_of(soup, 7)
    threads = torch.get_num_threads()
    results = []
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            results.append(with_gradients(scene, compiled.draw))
    finally:
        torch.set_num_threads(threads)
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, atol=1e-12, rtol=1e-12)
    assert all(torch.equal(one, other) for one, other in zip(results[0][:4], results[1][:4], strict=True))


def test_vertex_normals(ball) -> None:
    vertices, mesh = ball
    torch.manual_seed(0)
    points = torch.stack((vertices, vertices + torch.randn_like(vertices))).requires_grad_()
    torch.testing.assert_close(compiled.vertex_normals(points, mesh.triangles), vertex_normals(points, mesh.triangles))
    assert gradcheck(lambda value: compiled.vertex_normals(value, mesh.triangles), points, fast_mode=True)
    # as under a light that shines on a few vertices only: most triangles have no part in it
    weights = torch.zeros_like(points)
    weights[:, :5] = torch.rand(2, 5, 3, dtype=torch.float64)
    gradients = [
        torch.autograd.grad((normals(points, mesh.triangles) * weights).sum(), points)[0]
        for normals in (compiled.vertex_normals, vertex_normals)
    ]
    torch.testing.assert_close(*gradients)

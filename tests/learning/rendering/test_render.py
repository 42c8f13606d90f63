"""Rendering: shapes, refusals, agreement with the NumPy renderer, gradients, and fitting by gradient."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from facefuse.geometry.mesh import vertex_normals
from facefuse.learning.rendering import OrthographicCameras, PinholeCameras, RenderMesh, render
from facefuse.morphable import load_model
from facefuse.rendering.draw import portrait_camera
from facefuse.rendering.interpolate import interpolate
from facefuse.rendering.rasterize import rasterize_camera
from facefuse.rendering.shading import sh_shade


def light_of(batch: int) -> torch.Tensor:
    light = torch.zeros(batch, 9, 3, dtype=torch.float64)
    light[:, 0], light[:, 2], light[:, 3] = 2.5, -0.6, 0.3
    return light


def test_smoke_and_shapes(ball, cameras) -> None:
    vertices, mesh = ball
    out = render(
        vertices.expand(2, -1, -1),
        cameras(2, 24),
        mesh,
        24,
        20,
        texture=torch.rand(1, 3, 8, 8, dtype=torch.float64),
        light=light_of(2),
        attributes=torch.rand(1, len(vertices), 5, dtype=torch.float64),
        background=torch.rand(2, 3, 20, 24, dtype=torch.float64),
    )
    assert out.colour.shape == (2, 3, 20, 24)
    assert out.mask.shape == (2, 1, 20, 24)
    assert out.attributes.shape == (2, 5, 20, 24)
    assert out.screen.shape == (2, len(vertices), 3)
    assert out.coverage.depth.shape == (2, 20, 24)
    assert all(torch.isfinite(value).all() for value in (out.colour, out.mask, out.attributes))


def test_orthographic_cameras_and_single_precision(ball) -> None:
    vertices, mesh = ball
    turn = torch.diag(torch.tensor([1.0, -1.0, -1.0]))[None]
    camera = OrthographicCameras(torch.tensor([1.0]), turn, torch.full((1, 2), 15.5))
    out = render(vertices.float()[None], camera, replace(mesh, uv=mesh.uv.float()), 32, 32, light=light_of(1).float())
    assert out.colour.dtype == torch.float32
    assert out.mask.sum().item() == pytest.approx(np.pi * 100, rel=0.05)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vertices": torch.zeros(4, 3)}, "vertices"),
        ({"albedo": torch.zeros(1, 4, 3)}, "albedo"),
        ({"texture": torch.zeros(1, 4, 8, 8)}, "texture"),
        ({"light": torch.zeros(1, 3, 9)}, "light"),
        ({"attributes": torch.zeros(5, 194, 2)}, "attributes"),
        ({"background": torch.zeros(1, 3, 9, 9)}, "background"),
        ({"width": 0}, "size"),
    ],
)
def test_wrong_arguments_are_refused(ball, cameras, change, message: str) -> None:
    vertices, mesh = ball
    arguments = {"vertices": vertices[None], "cameras": cameras(1, 16), "mesh": mesh, "width": 16, "height": 16}
    with pytest.raises(ValueError, match=message):
        render(**{**arguments, **change})


def test_a_texture_needs_coordinates(ball, cameras) -> None:
    vertices, mesh = ball
    with pytest.raises(ValueError, match="uv"):
        render(vertices[None], cameras(1, 9), replace(mesh, uv=None), 9, 9, texture=torch.zeros(1, 3, 4, 4))


def test_pixels_are_those_of_the_numpy_renderer() -> None:
    model = load_model("base")
    camera = portrait_camera(model.mean, 80, yaw=20)
    seen = rasterize_camera(model.mean, model.triangles, camera, 80, 80)
    normals = interpolate(seen, vertex_normals(model.mean, model.triangles) @ camera.rotation.T, model.triangles)
    normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-9)
    expected = interpolate(seen, model.albedo, model.triangles) * sh_shade(normals, light_of(1)[0].numpy())
    expected[~seen.mask] = 0
    batch = PinholeCameras(
        *(torch.from_numpy(np.asarray(getattr(camera, name), float))[None] for name in ("focal", "centre", "rotation")),
        torch.from_numpy(camera.translation)[None],
    )
    out = render(
        torch.from_numpy(model.mean).double()[None],
        batch,
        RenderMesh.of_model(model),
        80,
        80,
        albedo=torch.from_numpy(model.albedo).double()[None],
        light=light_of(1),
        antialias=False,
    )
    np.testing.assert_array_equal(out.mask[0, 0].numpy() > 0, seen.mask)
    np.testing.assert_allclose(out.colour[0].movedim(0, -1).numpy(), expected, atol=2e-3)


def test_part_weights_and_background_sum_to_one(ball, cameras) -> None:
    vertices, mesh = ball
    parts = torch.rand(1, len(vertices), 4, dtype=torch.float64)
    out = render(vertices[None], cameras(1, 40), mesh, 40, 40, attributes=parts / parts.sum(-1, keepdim=True))
    torch.testing.assert_close(out.attributes.sum(1, keepdim=True) + 1 - out.mask, torch.ones_like(out.mask))


def test_light_in_the_frame_of_the_model_turns_with_it(ball, cameras) -> None:
    vertices, mesh = ball
    view = cameras(1, 24)
    in_camera = render(vertices[None], view, mesh, 24, 24, light=light_of(1)).colour
    turned = light_of(1)
    turned[:, 2] *= -1  # the cameras look along -Z of the model
    in_model = render(vertices[None], view, mesh, 24, 24, light=turned, light_frame="model").colour
    torch.testing.assert_close(in_camera, in_model)


@pytest.mark.parametrize("leaf", ["vertices", "translation", "albedo", "texture", "light", "attributes", "background"])
def test_gradients_against_finite_differences(ball, cameras, leaf: str) -> None:
    torch.manual_seed(0)
    vertices, mesh = ball
    view = cameras(1, 9)
    values = {
        "vertices": vertices[None] + 0.03 * torch.randn(1, *vertices.shape, dtype=torch.float64),
        "translation": view.translation + 0.01 * torch.rand(1, 3, dtype=torch.float64),
        "albedo": torch.rand(1, len(vertices), 3, dtype=torch.float64),
        "texture": torch.rand(1, 3, 3, 3, dtype=torch.float64),
        "light": light_of(1) + 0.1 * torch.randn(1, 9, 3, dtype=torch.float64),
        "attributes": torch.rand(1, len(vertices), 2, dtype=torch.float64),
        "background": torch.rand(1, 3, 9, 9, dtype=torch.float64),
    }
    weights = torch.rand(1, 6, 9, 9, dtype=torch.float64)
    # textures are piecewise linear: a constant one where the derivative with respect to geometry is compared
    if leaf in ("vertices", "translation"):
        values["texture"] = torch.full((1, 3, 3, 3), 0.7, dtype=torch.float64)

    def total(value: torch.Tensor) -> torch.Tensor:
        given = {**values, leaf: value}
        camera = replace(view, translation=given.pop("translation"))
        out = render(given.pop("vertices"), camera, mesh, 9, 9, **given)
        return (torch.cat((out.colour, out.mask, out.attributes), 1) * weights).sum()

    value = values[leaf].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(total(value), value)
    assert gradient.abs().max() > 1e-3
    assert gradcheck(total, value, eps=1e-6, atol=1e-4, fast_mode=leaf in ("vertices", "attributes", "albedo"))


def test_threads_change_nothing_but_the_order_of_sums(ball, cameras) -> None:
    vertices, mesh = ball
    threads = torch.get_num_threads()
    gradients = []
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            points = vertices.expand(4, -1, -1).clone().requires_grad_()
            texture = torch.full((1, 3, 4, 4), 0.5, dtype=torch.float64, requires_grad=True)
            light = light_of(1).requires_grad_()
            render(points, cameras(4, 24), mesh, 24, 24, texture=texture, light=light).colour.square().sum().backward()
            gradients.append((points.grad, texture.grad, light.grad))
    finally:
        torch.set_num_threads(threads)
    for one, other in zip(*gradients, strict=True):
        assert one.abs().max() > 0.1
        torch.testing.assert_close(one, other)


def test_a_mask_pulls_a_shifted_ball_back(ball, cameras) -> None:
    vertices, mesh = ball
    view = cameras(1, 48)
    goal = render(vertices[None], view, mesh, 48, 48).mask
    shift = torch.tensor([[2.0, -1.5, 6.0]], dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([shift], lr=0.3)
    for _ in range(60):
        optimiser.zero_grad()
        mask = render(vertices[None], replace(view, translation=view.translation + shift), mesh, 48, 48).mask
        (mask - goal).square().mean().backward()
        optimiser.step()
    assert shift.detach()[0, :2].abs().max() < 0.15
    assert shift.detach()[0, 2].abs() < 1.0

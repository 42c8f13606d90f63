"""How long rasterising and rendering take, and how that grows with triangles and with pixels.

Milliseconds of processor time, the least of repeated warm calls: a rasteriser is measured on one thread, and other work
on the machine is not to count. Batches of the differentiable renderer are on the clock as well, on PyTorch's threads.
"""

from __future__ import annotations

import numpy as np
from timing import median_ms, processor_ms

from facefuse.geometry.cameras import PinholeCamera
from facefuse.morphable import FaceModel, load_model
from facefuse.rendering.draw import draw_head, draw_overlay, portrait_camera
from facefuse.rendering.rasterize import rasterize, screen_vertices

Rows = list[tuple[str, float, str]]


def _grid(side: int) -> tuple[np.ndarray, np.ndarray]:
    """A dome of side² vertices facing the camera."""
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    vertices = np.stack((90 * x, -90 * y, 60 * np.cos(x) * np.cos(y)), -1).reshape(-1, 3)
    number = np.arange(side * side).reshape(side, side)
    a, b, c, d = (g.ravel() for g in (number[:-1, :-1], number[1:, :-1], number[1:, 1:], number[:-1, 1:]))
    return vertices, np.concatenate([np.stack((a, b, c), 1), np.stack((a, c, d), 1)])


def _rasterizer(model: FaceModel) -> Rows:
    rows: Rows = []
    for size in (112, 224, 448, 896):
        screen = screen_vertices(model.mean, portrait_camera(model.mean, size))
        took = processor_ms(lambda screen=screen, size=size: rasterize(screen, model.triangles, size, size), 40)
        rows.append((f"rasterize base mesh ({len(model.triangles)} triangles) at {size}x{size}", took, "ms"))
    for side in (98, 195, 390):
        vertices, triangles = _grid(side)
        screen = screen_vertices(vertices, portrait_camera(vertices, 450))
        took = processor_ms(lambda screen=screen, triangles=triangles: rasterize(screen, triangles, 450, 450), 40)
        rows.append((f"rasterize {len(vertices)} vertices, {len(triangles)} triangles at 450x450", took, "ms"))
    return rows


def _pictures(model: FaceModel) -> Rows:
    photo = np.full((1000, 1000, 3), 128, np.uint8)
    camera = portrait_camera(model.mean, 1000)
    overlay = median_ms(lambda: draw_overlay(photo, model.mean, model.triangles, camera), 5)
    camera = portrait_camera(model.mean, 512)
    head = median_ms(lambda: draw_head(model.mean, model.triangles, camera, (512, 512), albedo=model.albedo), 5)
    return [("overlay on a photo of 1 megapixel", overlay, "ms"), ("antialiased head at 512x512", head, "ms")]


def _differentiable(model: FaceModel) -> Rows:
    try:
        import torch
    except ModuleNotFoundError:  # the default installation
        return []
    from facefuse.learning.rendering import PinholeCameras, RenderMesh, render

    mesh = RenderMesh.of_model(model)
    rows: Rows = []
    for batch, size in ((1, 224), (16, 112), (16, 224)):
        views = [portrait_camera(model.mean, size, yaw=yaw) for yaw in np.linspace(-60, 60, batch)]
        cameras = PinholeCameras(*(_stack(views, name) for name in ("focal", "centre", "rotation", "translation")))
        generator = torch.Generator().manual_seed(0)
        vertices = torch.as_tensor(model.mean, dtype=torch.float32).expand(batch, -1, -1).clone().requires_grad_()
        texture = torch.rand(1, 3, 512, 512, generator=generator).requires_grad_()
        light = torch.rand(batch, 9, 3, generator=generator).requires_grad_()
        photos = torch.rand(batch, 3, size, size, generator=generator)

        def step(vertices=vertices, cameras=cameras, size=size, texture=texture, light=light, photos=photos) -> None:
            seen = render(vertices, cameras, mesh, size, size, texture=texture, light=light)
            ((seen.colour - photos).abs().mean() + seen.mask.mean()).backward()

        what = f"render {batch} base mesh{'es' if batch > 1 else ''} at {size}x{size}, texture, light, outlines"
        rows.append((f"{what}, forward and backward: processor", processor_ms(step), "ms"))
        rows.append((f"{what}, forward and backward: clock, {torch.get_num_threads()} threads", median_ms(step), "ms"))
    return rows


def _stack(cameras: list[PinholeCamera], name: str):
    import torch

    return torch.as_tensor(np.stack([np.asarray(getattr(camera, name)) for camera in cameras]), dtype=torch.float32)


def run() -> Rows:
    """Return (name, value, unit) rows."""
    model = load_model("base")
    return _rasterizer(model) + _pictures(model) + _differentiable(model)

"""How long the rasteriser and the pictures take: milliseconds, one thread, median of repeated warm calls."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from facefuse.morphable import load_model
from facefuse.rendering.draw import draw_head, draw_overlay, portrait_camera
from facefuse.rendering.rasterize import rasterize, screen_vertices


def _median_ms(call: Callable[[], Any], repeats: int = 30) -> float:
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return float(np.median(times)) * 1e3


def _grid(side: int) -> tuple[np.ndarray, np.ndarray]:
    """A dome of side² vertices facing the camera."""
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    vertices = np.stack((90 * x, -90 * y, 60 * np.cos(x) * np.cos(y)), -1).reshape(-1, 3)
    number = np.arange(side * side).reshape(side, side)
    a, b, c, d = (g.ravel() for g in (number[:-1, :-1], number[1:, :-1], number[1:, 1:], number[:-1, 1:]))
    return vertices, np.concatenate([np.stack((a, b, c), 1), np.stack((a, c, d), 1)])


def run() -> list[tuple[str, float, str]]:
    """Return (name, value, unit) rows."""
    model = load_model("base")
    rows = []
    for size in (112, 224, 448, 896):
        camera = portrait_camera(model.mean, size)
        screen = screen_vertices(model.mean, camera)
        took = _median_ms(lambda screen=screen, size=size: rasterize(screen, model.triangles, size, size))
        rows.append((f"rasterize base mesh ({len(model.triangles)} triangles) at {size}x{size}", took, "ms"))
    for side in (98, 195, 390):
        vertices, triangles = _grid(side)
        screen = screen_vertices(vertices, portrait_camera(vertices, 450))
        took = _median_ms(lambda screen=screen, triangles=triangles: rasterize(screen, triangles, 450, 450))
        rows.append((f"rasterize {len(vertices)} vertices, {len(triangles)} triangles at 450x450", took, "ms"))
    photo = np.full((1000, 1000, 3), 128, np.uint8)
    camera = portrait_camera(model.mean, 1000)
    overlay = _median_ms(lambda: draw_overlay(photo, model.mean, model.triangles, camera), 5)
    rows.append(("overlay on a photo of 1 megapixel", overlay, "ms"))
    camera = portrait_camera(model.mean, 512)
    head = _median_ms(lambda: draw_head(model.mean, model.triangles, camera, (512, 512), albedo=model.albedo), 5)
    rows.append(("antialiased head at 512x512", head, "ms"))
    return rows

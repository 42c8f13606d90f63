"""How long texture baking takes: milliseconds on two threads, warm, median of repeated calls."""

from __future__ import annotations

from functools import partial

from timing import median_ms

from facefuse.morphable import load_model
from facefuse.rendering.draw import draw_head, portrait_camera
from facefuse.texturing import bake_texture
from facefuse.texturing.atlas import build_atlas
from facefuse.texturing.surface import SurfaceFilter


def run() -> list[tuple[str, float, str]]:
    """Return (name, value, unit) rows."""
    model = load_model("base")
    yaws = (0.0, 50.0, -50.0)
    cameras = [portrait_camera(model.mean, 1000, yaw=yaw) for yaw in yaws]
    photos = [draw_head(model.mean, model.triangles, camera, (1000, 1000), albedo=model.albedo) for camera in cameras]
    rows = []
    for size, count, repeats in ((1024, 1, 7), (1024, 3, 3), (2048, 1, 3)):
        meshes = [model.mean] * count
        name = f"texture {size}x{size} from {count} photo{'s' * (count > 1)} of 1 megapixel"
        call = partial(bake_texture, model, meshes, cameras[:count], photos[:count], size)
        rows.append((name, median_ms(call, repeats), "ms"))
    rows.append(("atlas of 1024x1024, once", median_ms(lambda: build_atlas(model, 1024), 3), "ms"))
    rows.append(("surface filter, once", median_ms(lambda: SurfaceFilter(model), 3), "ms"))
    return rows

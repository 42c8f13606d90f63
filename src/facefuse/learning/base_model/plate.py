"""A picture of the base model: ``python -m facefuse.learning.base_model.plate --out docs/images/base_model.png``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facefuse.morphable.model import FaceModel
from facefuse.morphable.registry import load_model
from facefuse.rendering.draw import contact_sheet, draw_head, draw_landmarks, portrait_camera
from facefuse.rendering.rasterize import rasterize

Pixels = NDArray[np.uint8]

SIDE = 300
COLUMNS = 5
COLOURS = 256
"""The picture is reduced to a palette of this size."""


def region_colours(model: FaceModel) -> NDArray[np.float32]:
    """Return a colour per vertex (V, 3) by the region of a triangle that holds it; mirrored regions get the same."""
    stems = [name.removesuffix("_left").removesuffix("_right") for name in model.region_names]
    palette = np.random.default_rng(4).uniform(0.08, 0.9, (len(stems), 3))
    colours = np.array([palette[stems.index(stem)] for stem in stems], dtype=np.float32)
    out = np.zeros((model.vertex_count, 3), dtype=np.float32)
    for k in range(3):
        out[model.triangles[:, k]] = colours[model.region]
    return out


def atlas_picture(model: FaceModel, side: int) -> Pixels:
    """Draw the edges of the atlas in the mean albedo: (side, side, 3)."""
    screen = np.zeros((len(model.uv), 3), dtype=np.float32)
    screen[:, 0] = model.uv[:, 0] * side - 0.5
    screen[:, 1] = (1 - model.uv[:, 1]) * side - 0.5
    screen[:, 2] = 1
    seen = rasterize(screen, model.uv_triangles, side, side)
    out = np.full((side, side, 3), 235, dtype=np.uint8)
    mask = seen.mask
    weights = seen.barycentric[mask]
    corners = model.triangles[seen.triangle[mask]]
    colour = (model.albedo[corners] * weights[:, :, None]).sum(1) ** (1 / 2.2)
    edge = weights.min(1) < 0.07
    out[mask] = (np.clip(colour * np.where(edge, 0.7, 1.0)[:, None], 0, 1) * 255).astype(np.uint8)
    return out


def draw_plate(model: FaceModel) -> Pixels:
    """Draw the mean, expressions, random people, landmarks, regions and atlas as one sheet."""

    def head(yaw: float = 0, identity: Any = None, albedo: Any = None, **weights: float) -> Pixels:
        expression = np.zeros(model.expression_count)
        for name, value in weights.items():
            expression[model.expression_names.index(name)] = value
        vertices = model.vertices(identity, expression)
        camera = portrait_camera(model.mean, SIDE, yaw=yaw, margin=-0.05)
        colour = model.albedo if albedo is None else albedo
        return draw_head(vertices, model.triangles, camera, (SIDE, SIDE), albedo=colour)

    camera = portrait_camera(model.mean, SIDE, margin=-0.05)
    marks = [model.landmarks(model.mean), model.mesh_landmarks(model.mean)]
    rng = np.random.default_rng(11)
    people = [head(25, identity=rng.standard_normal(model.identity_count)) for _ in range(5)]
    regions = region_colours(model)
    return contact_sheet(
        [
            *(head(), head(45), head(90), head(albedo=regions), head(-60, albedo=regions)),
            *(head(jawOpen=1), head(eyeBlinkLeft=1), head(mouthSmileLeft=1, mouthSmileRight=1), head(mouthPucker=1)),
            head(browInnerUp=1, eyeLookOutLeft=0.8, eyeLookInRight=0.8, jawLeft=0.5),
            *people,
            draw_landmarks(head(), camera.project(marks[0]), radius=1.6),
            draw_landmarks(head(), camera.project(marks[1]), radius=1.0),
            draw_landmarks(head(), camera.project(model.mean[model.contours[model.contours >= 0]]), radius=1.0),
            atlas_picture(model, SIDE),
            head(180),
        ],
        COLUMNS,
    )


def main() -> None:
    """Draw the shipped model."""
    parser = argparse.ArgumentParser(prog="python -m facefuse.learning.base_model.plate", description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the PNG to write")
    options = parser.parse_args()
    picture = Image.fromarray(draw_plate(load_model("base")))
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(options.out, optimize=True)


if __name__ == "__main__":
    main()

"""Draw the picture of the README: a portrait, the head fitted to it, and the head from other sides.

    python scripts/draw_demo.py [PHOTO...] --out docs/images/demo.jpg

Without photos the public-domain portrait that scikit-image carries is used. One row per photo, each its own head.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from facefuse.cli.reconstruct import demo_portrait
from facefuse.export.pictures import around_face, overlay
from facefuse.photos import Photo, read_photo
from facefuse.reconstruction import Reconstruction, reconstruct
from facefuse.rendering.draw import Pixels, contact_sheet, draw_head, portrait_camera

TILE = (300, 360)
SIDES = ((0.0, {}), (35.0, {"jawOpen": 0.5}), (-35.0, {"mouthSmileLeft": 0.8, "mouthSmileRight": 0.8}), (80.0, {}))


def fitted(pixels: Pixels) -> Pixels:
    """Scale a picture to the tile."""
    return np.asarray(Image.fromarray(pixels).resize(TILE, Image.Resampling.LANCZOS))


def row(photo: Photo) -> list[Pixels]:
    """Draw one photo, its overlay and the head from several sides, with some expressions."""
    head = reconstruct(photo)
    view = around_face(head.photos[0], TILE[1])
    return [fitted(view.pixels), fitted(overlay(head, 0, view)), *(_side(head, *side) for side in SIDES)]


def _side(head: Reconstruction, yaw: float, weights: dict[str, float]) -> Pixels:
    model = head.model
    expression = np.array([weights.get(name, 0.0) for name in model.expression_names])
    vertices = model.vertices(head.identity, expression)
    camera = portrait_camera(head.mesh.vertices, TILE[0], yaw=yaw)
    side = (TILE[0], TILE[0])
    drawn = draw_head(
        vertices, model.triangles, camera, side, texture=head.texture, uv=model.uv, uv_triangles=model.uv_triangles
    )
    return np.pad(drawn, ((30, 30), (0, 0), (0, 0)), mode="edge")


def main() -> None:
    """Run the script."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("photos", nargs="*", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    photos = [read_photo(path) for path in chosen.photos] or [demo_portrait()]
    pictures = [picture for photo in photos for picture in row(photo)]
    Image.fromarray(contact_sheet(pictures, len(SIDES) + 2)).save(chosen.out, quality=88)


if __name__ == "__main__":
    main()

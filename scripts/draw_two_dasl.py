"""Draw what each method for one photo finds: photo, fit, 2dasl, 2dasl+refine, one row per face.

    python scripts/draw_two_dasl.py PHOTO... --out docs/images/two_dasl.jpg [--weights two_dasl.onnx]

Meshes are drawn over the photo; the last columns show the refined head alone, from the front and from the side.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from facefuse.cli import terminal
from facefuse.detection.find import find_faces
from facefuse.detection.landmarks import upright_square
from facefuse.fitting.fit import fit_face
from facefuse.fitting.types import FaceFit
from facefuse.methods import SeenFace
from facefuse.morphable.model import FaceModel
from facefuse.morphable.registry import load_model
from facefuse.photos import Photo, read_photo
from facefuse.regression.network import RegressionNetwork
from facefuse.regression.two_dasl import ASSET, combined, refined
from facefuse.rendering.draw import Pixels, contact_sheet, draw_head, draw_overlay, portrait_camera

TILE = 240
AROUND = 1.7  # side of what is shown over that of the face
LARGEST = 700  # px, longer side of the photo drawn


def row(path: Path, model: FaceModel, network: RegressionNetwork) -> list[Pixels]:
    """The pictures of the largest face of one photo; none where there is no face."""
    photo = _reduced(read_photo(path))
    found = find_faces(photo)
    if not found:
        terminal.note(f"{path}: no face")
        return []
    seen = SeenFace(str(path), photo, *found[0])
    face = network.regress(photo.pixels, upright_square(seen.landmarks.points68))
    one = [seen.observation()]
    fits = [
        fit_face(model, one),
        combined(model, [face], one, "per-photo"),
        refined(model, [face], one, "per-photo"),
    ]
    errors = ", ".join(f"{fit.photos[0].residual:.2f}" for fit in fits)
    terminal.note(f"{path}: residual {errors} % of the face's size")
    tiles = [_tile(photo.pixels, seen), *(_tile(_drawn(photo.pixels, model, fit), seen) for fit in fits)]
    vertices = model.vertices(fits[2].identity, fits[2].photos[0].expression)
    for yaw in (0.0, 60.0):
        camera = portrait_camera(vertices, TILE, yaw=yaw)
        tiles.append(draw_head(vertices, model.triangles, camera, (TILE, TILE), albedo=model.albedo))
    return tiles


def _reduced(photo: Photo) -> Photo:
    factor = max(photo.width, photo.height) / LARGEST
    if factor <= 1:
        return photo
    size = (round(photo.width / factor), round(photo.height / factor))
    pixels = np.asarray(Image.fromarray(photo.pixels).resize(size, Image.Resampling.LANCZOS))
    return Photo(pixels, photo.path, None if photo.focal_px is None else photo.focal_px / factor)


def _drawn(pixels: Pixels, model: FaceModel, fit: FaceFit) -> Pixels:
    vertices = model.vertices(fit.identity, fit.photos[0].expression)
    front = ~model.region_mask("neck", "scalp")
    camera = fit.photos[0].camera
    points = camera.project(model.landmarks(vertices))
    return draw_overlay(pixels, vertices, model.triangles[front], camera, landmarks=points, opacity=0.6)


def _tile(pixels: Pixels, seen: SeenFace) -> Pixels:
    points = seen.landmarks.points68
    low, high = points.min(0), points.max(0)
    centre, half = (low + high) / 2, AROUND * (high - low).max() / 2
    box = tuple(float(x) for x in (*(centre - half), *(centre + half)))
    picture = Image.fromarray(pixels).transform(
        (TILE, TILE), Image.Transform.EXTENT, box, Image.Resampling.BICUBIC, fillcolor=(255, 255, 255)
    )
    return np.asarray(picture)


def main() -> None:
    """Run the script."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("photos", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--weights", type=Path)
    chosen = parser.parse_args()
    model = load_model("base")
    network = RegressionNetwork(model, chosen.weights, ASSET)
    pictures = [picture for path in chosen.photos for picture in row(path, model, network)]
    Image.fromarray(contact_sheet(pictures, 6)).save(chosen.out, quality=88)


if __name__ == "__main__":
    main()

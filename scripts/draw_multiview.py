"""Draw heads from one, three and five photos beside the truth: photos on top, heads below, with their errors as colour.

    python scripts/draw_multiview.py --set DIR/asynchronous [--method df-mvr+refine] --out docs/images/multiview.jpg

``--set`` is one half of what ``python -m facefuse.learning.df_mvr.multiview_set`` wrote. Colours run from white through
yellow to red, distances from 0 to 5 mm after a similarity; what is not face is grey.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
import trimesh
from PIL import Image

from facefuse.evaluation.people import Person, find_people, see_face
from facefuse.geometry.alignment import similarity_from_points
from facefuse.methods import METHODS
from facefuse.morphable.model import FaceModel
from facefuse.morphable.registry import load_model
from facefuse.rendering.draw import Pixels, contact_sheet, draw_head, portrait_camera
from facefuse.rendering.marks import draw_landmarks

FloatArray = npt.NDArray[np.floating]

TILE = 200
COUNTS = (1, 3, 5)
YAW = 30.0
FARTHEST_MM = 5.0
_GREY = 0.45


def main() -> None:
    """Draw the sheet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--set", type=Path, required=True)
    parser.add_argument("--method", default="df-mvr+refine", choices=sorted(METHODS))
    parser.add_argument("--people", type=int, nargs="+", default=[0, 1, 2], help="numbers of people in the set")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    model, people = load_model("base"), find_people(options.set)
    pictures = [picture for k in options.people for picture in sheet_rows(model, people[k], options.method)]
    Image.fromarray(contact_sheet(pictures, max(COUNTS) + 1)).save(options.out, quality=88)


def sheet_rows(model: FaceModel, person: Person, method: str) -> list[Pixels]:
    """One person: photos with the landmarks of the head from all of them, then heads and the truth."""
    seen = [see_face(path) for path in person.photos[: max(COUNTS)]]
    photo = person.photos[0]
    truth = np.asarray(trimesh.load_mesh(photo.parents[1] / "head.ply", process=False).vertices, dtype=np.float64)
    fits = {count: METHODS[method](model, seen[:count], "per-photo") for count in COUNTS}
    last = fits[max(COUNTS)]
    top = []
    for one, fitted in zip(seen, last.photos, strict=True):
        points = model.landmarks(model.vertices(last.identity, fitted.expression))
        at = np.asarray(fitted.camera.project(np.asarray(points, dtype=float)))
        top.append(_tile(draw_landmarks(one.photo.pixels, at)))
    heads = [np.asarray(model.mean, dtype=float)]
    heads += [np.asarray(model.vertices(fits[count].identity), dtype=float) for count in COUNTS]
    drawn = [_head(model, head, _colours(model, head, truth)) for head in heads]
    plain = np.full((model.vertex_count, 3), 0.8)
    turned, front = _head(model, truth, plain), _head(model, truth, plain, yaw=0.0)
    blank = np.full((TILE, TILE, 3), 255, np.uint8)
    return [*top, blank, *drawn, turned, front]


def _tile(pixels: Pixels) -> Pixels:
    return np.asarray(Image.fromarray(pixels).resize((TILE, TILE), Image.Resampling.LANCZOS))


def _head(model: FaceModel, vertices: FloatArray, colours: FloatArray, yaw: float = YAW) -> Pixels:
    camera = portrait_camera(np.asarray(model.mean), TILE, yaw=yaw)
    return draw_head(vertices, model.triangles, camera, (TILE, TILE), albedo=colours)


def _colours(model: FaceModel, head: FloatArray, truth: FloatArray) -> FloatArray:
    """Linear colours (V, 3) of the distance of each vertex to its true place."""
    face = np.asarray(model.face_mask)
    moved = similarity_from_points(head[face], truth[face]).apply(head)
    share = np.clip(np.linalg.norm(moved - truth, axis=1) / FARTHEST_MM, 0, 1)[:, None]
    low, high = np.clip(2 * share, 0, 1), np.clip(2 * share - 1, 0, 1)
    white, yellow, red = np.array([0.9, 0.9, 0.9]), np.array([0.9, 0.6, 0.05]), np.array([0.7, 0.02, 0.02])
    colours = (1 - low) * white + (low - high) * yellow + high * red
    shown: FloatArray = np.where(face[:, None], colours, _GREY)
    return shown


if __name__ == "__main__":
    main()

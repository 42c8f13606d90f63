"""The picture of the albedo model: mean, modes and random people."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from facefuse.learning.appearance.build import IRIS_MODES
from facefuse.morphable.model import FaceModel
from facefuse.rendering.draw import contact_sheet, draw_head, portrait_camera

FloatArray = npt.NDArray[np.floating[Any]]
Pixels = npt.NDArray[np.uint8]

SIDE = 190
COLUMNS = 9
SHOWN = 8
"""Modes shown, and random people in each of the last rows."""
REACH = 2.0
"""Standard deviations by which a mode is moved."""


def draw_plate(model: FaceModel, seed: int = 7) -> Pixels:
    """Draw the mean with its first modes at plus and minus two standard deviations, and random people.

    Rows: the mean, and with each mode added; the mean from the side, and with each mode subtracted; random albedo on
    the mean shape; random albedo on random shapes, turned; an eye with the irises' own modes, and random ones.
    """
    eye = np.unique(np.asarray(model.triangles)[np.asarray(model.region_mask("eyelid_left"))])

    def head(yaw: float, albedo: Any = None, identity: Any = None, close: bool = False) -> Pixels:
        vertices = np.asarray(model.vertices(identity))
        camera = portrait_camera(vertices[eye] if close else vertices, SIDE, yaw=yaw, margin=-0.05)
        colour = np.clip(model.colours(albedo), 0, 1)
        return draw_head(vertices, model.triangles, camera, (SIDE, SIDE), albedo=colour)

    def moved(mode: int, by: float) -> FloatArray:
        out = np.zeros(model.albedo_count)
        out[mode] = by
        return out

    rng = np.random.default_rng(seed)
    random = [(rng.standard_normal(model.albedo_count), rng.standard_normal(model.identity_count)) for _ in range(18)]
    pictures = [_named(head(0), "mean")]
    pictures += [_named(head(0, moved(k, REACH)), f"mode {k + 1}: +{REACH:g} sd") for k in range(SHOWN)]
    pictures += [head(75)]
    pictures += [_named(head(0, moved(k, -REACH)), f"mode {k + 1}: -{REACH:g} sd") for k in range(SHOWN)]
    pictures += [_named(head(0, albedo), "random albedo" if n == 0 else "") for n, (albedo, _) in enumerate(random[:9])]
    for n, (albedo, identity) in enumerate(random[9:]):
        pictures.append(_named(head((n - 4) * 18, albedo, identity), "random shape and albedo" if n == 0 else ""))
    for k in range(IRIS_MODES):
        mode = model.albedo_count - IRIS_MODES + k
        pictures += [_named(head(0, moved(mode, sign * REACH), close=True), name) for sign, name in _signs(mode)]
    pictures += [head(0, albedo, close=True) for albedo, _ in random[: COLUMNS - 2 * IRIS_MODES]]
    return contact_sheet(pictures, COLUMNS)


def _signs(mode: int) -> list[tuple[int, str]]:
    return [(sign, f"mode {mode + 1}: {sign * REACH:+g} sd") for sign in (1, -1)]


def _named(picture: Pixels, text: str) -> Pixels:
    image = Image.fromarray(picture)
    ink = (60, 60, 60) if picture[:14].mean() > 110 else (235, 235, 235)
    ImageDraw.Draw(image).text((5, 3), text, fill=ink, font=ImageFont.load_default(11))
    return np.asarray(image)

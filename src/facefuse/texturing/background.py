"""What lies behind and around the head in a photo, so that it is not taken for the head."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from facefuse.geometry.cameras import Camera
from facefuse.texturing import kernels
from facefuse.texturing.parts import Parts
from facefuse.texturing.skin import BALD, ColourModel, smoothstep

FloatArray = npt.NDArray[np.floating[Any]]
BoolArray = npt.NDArray[np.bool_]
Pixels = npt.NDArray[np.uint8]

BINS = 16
"""Colour bins per channel of the surroundings' histogram."""
_PLAIN, _MIXED = 10, 3
"""Codes by which one colour may vary through compression; lines beside a margin that its colour is mixed into."""


def picture_area(pixels: Pixels) -> tuple[slice, slice]:
    """Rows and columns of (H, W, 3) within a letterbox: margins of one colour, as films and screenshots have them.

    At the end of a letterbox a whole line changes, at the end of a plain backdrop only where a head begins.
    """
    rows = slice(_margin(pixels), len(pixels) - _margin(pixels[::-1]))
    lines = pixels[rows].swapaxes(0, 1)
    return rows, slice(_margin(lines), len(lines) - _margin(lines[::-1]))


def _margin(lines: Pixels) -> int:
    """Count the lines (N, M, 3) of a letterbox's margin at the beginning."""
    count = 0
    while count < len(lines) and (np.ptp(lines[count], axis=0) <= _PLAIN).all():
        count += 1
    inside = count + _MIXED
    if count == 0 or inside >= len(lines):
        return 0
    other = np.abs(lines[inside].astype(int) - np.median(lines[0], axis=0)).max(1) > 2 * _PLAIN
    return inside if other.mean() > 0.7 else 0


def spill_trust(
    colours: npt.NDArray[np.float32],
    outside: BoolArray,
    outside_mm: FloatArray,
    inside_mm: FloatArray,
    plain: FloatArray,
    skin: ColourModel,
    reach: tuple[float, float, float],
) -> npt.NDArray[np.float32]:
    """Trust in pixels close to the outline, 0 where they look like what surrounds the head and not like skin.

    A fit is never perfect: where the mesh is wider than the head, hair and background lie on its cheeks.

    Parameters
    ----------
    colours : (h, w, 3) float32
        sRGB, 0-1.
    outside : (h, w) bool
        Where the mesh is not.
    outside_mm, inside_mm : (h, w) float
        Distances to the outline, seen from outside and from inside.
    plain : (h, w) float
        1 where there should be plain skin: neither brows, eyes, nose and lips nor hair.
    skin : ColourModel
    reach : (float, float, float)
        Width of the surroundings looked at, and distances within which they may spill over, surely and at most, mm.

    Returns
    -------
    (h, w) float32
    """
    trust = np.ones(outside.shape, np.float32)
    ring = outside & (outside_mm < reach[0])
    near = ~outside & (inside_mm < reach[2]) & (plain > 0)
    if ring.sum() < 50 or not near.any():
        return trust
    codes = np.clip((colours * BINS).astype(np.int32), 0, BINS - 1) @ np.array([BINS * BINS, BINS, 1], np.int32)
    count = np.bincount(codes[ring], minlength=BINS**3).reshape(BINS, BINS, BINS)
    common = nearby(count, 1, np.maximum).ravel() > 0.004 * ring.sum()
    found = codes[near]
    unlike_skin = smoothstep(1.3, 2.2, skin.distance(colours[near]))
    close = 1 - smoothstep(reach[1], reach[2], inside_mm[near])
    trust[near] = 1 - common[found] * unlike_skin * close * plain[near]
    return trust


def widen(trust: npt.NDArray[np.float32], by: float) -> npt.NDArray[np.float32]:
    """Widen the untrusted places of (h, w) by about ``by`` pixels, softly: their rims are mixtures, like neither."""
    reach = max(1, round(by))
    return box_blur(nearby(trust, reach, np.minimum)[..., None], reach)[..., 0]


def nearby(values: npt.NDArray[Any], reach: int, choose: np.ufunc) -> npt.NDArray[Any]:
    """Least or greatest (``np.minimum``, ``np.maximum``) of the values up to ``reach`` places away along each axis."""
    for axis in range(values.ndim):
        given = np.moveaxis(values, axis, 0)
        out = given.copy()
        for k in range(1, reach + 1):
            choose(out[k:], given[:-k], out=out[k:])
            choose(out[:-k], given[k:], out=out[:-k])
        values = np.moveaxis(out, 0, axis)
    return values


def box_blur(image: npt.NDArray[np.float32], reach: int) -> npt.NDArray[np.float32]:
    """Mean over ``reach`` pixels each way: (h, w, c) to (h, w, c), borders repeated."""
    height, width, channels = image.shape
    turned = np.empty((width, height, channels), np.float32)
    out = np.empty((height, width, channels), np.float32)
    kernels.box_mean(np.ascontiguousarray(image), reach, turned)
    kernels.box_mean(turned, reach, out)
    return out


def hair_beyond(
    shell: FloatArray,
    camera: Camera,
    pixels: Pixels,
    triangle: npt.NDArray[np.int32],
    corner: npt.NDArray[np.integer[Any]],
    map_scale: float,
    parts: Parts,
    skin: ColourModel,
) -> FloatArray:
    """Colours of hair that stands off the scalp: outside the mesh's outline, neither skin nor background.

    Parameters
    ----------
    shell : (V, 3) float
        The head grown by the thickness of hair.
    camera : Camera
    pixels : (H, W, 3) uint8
    triangle : (h, w) int32
        What the map shows, -1 outside the mesh.
    corner : (2,) int
        The crop's upper left pixel.
    map_scale : float
    parts : Parts
    skin : ColourModel

    Returns
    -------
    (n, 3) float
        sRGB, 0-1.
    """
    height, width = pixels.shape[:2]
    at = camera.project(shell[parts.scalp > 0.5])
    at = np.rint(at[np.isfinite(at).all(1)]).astype(int)
    at = at[((at >= 0) & (at < (width, height))).all(1)]
    on_map = np.rint((at - corner + 0.5) * map_scale - 0.5).astype(int)
    inside = ((on_map >= 0) & (on_map < triangle.shape[::-1])).all(1)
    outside = ~inside
    outside[inside] = triangle[on_map[inside, 1], on_map[inside, 0]] < 0
    colours = pixels[at[outside, 1], at[outside, 0]] / 255.0
    out: FloatArray = colours[far_from_border(colours, pixels) & (skin.distance(colours) > BALD)]
    return out if len(out) > 0.2 * max(len(colours), 20) else out[:0]


def far_from_border(colours: FloatArray, pixels: Pixels) -> BoolArray:
    """Tell which colours (n, 3) are not those of the picture's upper border, which is mostly background."""
    height, width = pixels.shape[:2]
    rows, columns = np.linspace(0, height // 2, 40).astype(int), np.linspace(0, width - 1, 40).astype(int)
    border = np.concatenate([pixels[rows, 0], pixels[rows, width - 1], pixels[0, columns]]) / 255.0
    squared = (colours**2).sum(1)[:, None] + (border**2).sum(1) - 2 * colours @ border.T
    out: BoolArray = (squared < 0.01).mean(1) < 0.03
    return out

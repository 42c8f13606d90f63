"""What every triangle is, and a plausible even skin, from distances to landmarks on the mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import splev, splprep

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

REGION_NAMES = (
    *("face", "forehead", "nose", "eyelid_left", "eyelid_right", "brow_left", "brow_right"),
    *("upper_lip", "lower_lip", "ear_left", "ear_right", "neck", "scalp"),
    *("sclera_left", "sclera_right", "iris_left", "iris_right", "pupil_left", "pupil_right"),
    *("eye_socket", "mouth_interior", "tongue", "upper_teeth", "lower_teeth"),
)
"""Names of the regions, in the order of their numbers; left and right are the subject's."""

SRGB = {
    "skin": (0.80, 0.63, 0.55),
    "lip": (0.71, 0.43, 0.41),
    "brow": (0.36, 0.27, 0.22),
    "scalp": (0.70, 0.56, 0.49),
    "sclera": (0.90, 0.88, 0.86),
    "iris": (0.36, 0.27, 0.20),
    "pupil": (0.03, 0.03, 0.03),
    "teeth": (0.88, 0.85, 0.78),
    "mouth": (0.33, 0.12, 0.11),
    "gums": (0.62, 0.33, 0.32),
    "tongue": (0.63, 0.36, 0.35),
    "socket": (0.55, 0.36, 0.32),
}
"""Colours of the even skin (sRGB, 0-1)."""

BROW_DROP, BROW_HALF_WIDTH = 0.5, (3.6, 1.6)
"""Brows lie this far (mm) below their landmarks, and are this wide at the inner and outer end."""
LID_REACH = 8.5
"""Skin closer than this (mm, along the surface) to a lid rim is eyelid."""


@dataclass(frozen=True)
class SkinFields:
    """Distances (mm, V) over the skin from which labels and colours follow.

    Attributes
    ----------
    brow : (V,) float
        Signed distance to the nearer brow's outline, negative inside.
    lip : (V,) float
        Signed distance to the vermilion border, negative inside.
    lids : (V,) float
        Distance along the surface to the nearer lid rim.
    hair : (V,) float
        Signed distance behind the hairline, positive under hair.
    """

    brow: Floats
    lip: Floats
    lids: Floats
    hair: Floats


def brow_field(points: Floats, landmarks: Floats) -> Floats:
    """Signed distance (V,) to the brow bands; ``landmarks`` (68, 3)."""
    best = np.full(len(points), np.inf)
    for inner_to_outer in (range(21, 16, -1), range(22, 27)):
        line = landmarks[list(inner_to_outer)] - [0, BROW_DROP, 0]
        spline, _ = splprep(line.T, s=0, k=3)
        t = np.linspace(0, 1, 60)
        curve = np.stack(splev(t, spline), axis=1)
        width = np.interp(t, [0, 0.6, 1], [BROW_HALF_WIDTH[0], BROW_HALF_WIDTH[0] * 0.85, BROW_HALF_WIDTH[1]])
        gap = np.linalg.norm(points[:, None] - curve[None], axis=2) - width
        best = np.minimum(best, gap.min(1))
    return best


def lip_outline(landmarks: Floats, count: int = 240) -> Floats:
    """Return the vermilion border (count, D) as a closed curve through landmarks 48-59."""
    ring = landmarks[[*range(48, 60), 48]]
    spline, _ = splprep(ring.T, s=0, k=3, per=True)
    return np.stack(splev(np.linspace(0, 1, count), spline), axis=1)


def inside_polygon(points: Floats, polygon: Floats) -> NDArray[np.bool_]:
    """Tell which points (V, 2) lie inside a closed polygon (n, 2), by crossing number."""
    inside = np.zeros(len(points), dtype=bool)
    x, y = points[:, 0], points[:, 1]
    for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        crosses = (y0 > y) != (y1 > y)
        at = x0 + (y - y0) / np.where(y1 == y0, 1.0, y1 - y0) * (x1 - x0)
        inside ^= crosses & (x < at)
    return inside


def hair_field(points: Floats) -> Floats:
    """Signed distance behind a plausible hairline on the mean: forehead, temples, sideburns, behind the ears, nape."""
    x, y, z = np.abs(points[:, 0]), points[:, 1], points[:, 2]
    # the hairline as seen from the side: z of the line at every height
    line = np.interp(y, [-95, -70, -35, -5, 12, 30, 45, 58, 66, 72], [-128, -116, -102, -97, -78, -52, -34, -16, 2, 40])
    temple = np.interp(y, [20, 50, 70], [0, 8, 0]) * np.clip((x - 25) / 30, 0, 1)
    above = y - 66 + 0.0018 * x**2
    behind = line - z - temple
    return np.maximum(behind * 0.8, np.minimum(above, 30.0))


def skin_labels(
    points: Floats, landmarks: Floats, fields: SkinFields, ears: NDArray[np.bool_], neck: NDArray[np.bool_]
) -> Ints:
    """Label points of the skin (triangle centres (F, 3)) by region number."""
    number = {name: i for i, name in enumerate(REGION_NAMES)}
    left = points[:, 0] > 0
    out = np.full(len(points), number["face"])
    brow_line = np.interp(np.abs(points[:, 0]), landmarks[22:27, 0], landmarks[22:27, 1])
    out[points[:, 1] > brow_line] = number["forehead"]
    out[_on_nose(points, landmarks)] = number["nose"]
    lids = (fields.lids < LID_REACH) & (np.abs(points[:, 1]) < 14)
    out[lids] = np.where(left, number["eyelid_left"], number["eyelid_right"])[lids]
    brows = fields.brow < 0
    out[brows] = np.where(left, number["brow_left"], number["brow_right"])[brows]
    out[neck | (points[:, 2] < -88)] = number["neck"]
    out[(fields.hair > 0) & ~ears] = number["scalp"]
    out[ears] = np.where(left, number["ear_left"], number["ear_right"])[ears]
    return out


def _on_nose(points: Floats, landmarks: Floats) -> NDArray[np.bool_]:
    """Tell which points belong to the nose: a wedge in front, from the bridge to the wings, nostrils included."""
    top, base = landmarks[27, 1], landmarks[33, 1]
    t = np.clip((top - points[:, 1]) / (top - base), 0, 1)
    half = np.interp(t, [0, 0.5, 0.78, 1], [7.5, 11.5, 20.0, 17.0])
    height = (points[:, 1] < top + 2) & (points[:, 1] > base - 1.0)
    return np.asarray(height & (np.abs(points[:, 0]) < half))


def is_ear(points: Floats) -> NDArray[np.bool_]:
    """Tell which points of the mean's skin belong to an ear: they stand off the side of the head, or lie in its cup."""
    x, y, z = np.abs(points[:, 0]), points[:, 1], points[:, 2]
    heights = [-45, -35, -25, -15, -5, 5]
    behind = np.interp(y, heights, [62, 65.5, 69, 72, 74.5, 76])
    before = np.interp(y, heights, [71, 72.5, 73.2, 74.6, 75.5, 76.5])
    share = np.clip((z + 100) / 40, 0, 1)
    side = (1 - share) * behind + share * before  # the head's half width without the ear
    box = (y > -54) & (y < 6) & (z > -104) & (z < -64 - 0.1 * (y + 20))
    cup = (y > -46) & (y < -8) & (z > -88) & (z < -67)
    return (box & (x > side + 1.5)) | cup


def is_neck(points: Floats) -> NDArray[np.bool_]:
    """Tell which points of the mean's skin lie below the jaw."""
    x, y, z = np.abs(points[:, 0]), points[:, 1], points[:, 2]
    jaw = np.interp(z, [-140, -80, -55, -20, 10], [-40, -52, -80, -112, -121])
    return (y < jaw) & ((z < 8) | (y < -125)) & (x >= 0)


def linear_colour(name: str) -> Floats:
    """Return a colour of ``SRGB`` in linear RGB."""
    value = np.array(SRGB[name])
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def blend(base: Floats, colour: str, amount: Floats) -> Floats:
    """Mix colours (V, 3) towards a named colour by amounts (V,) in [0, 1]."""
    share = np.clip(amount, 0, 1)[:, None]
    return base * (1 - share) + linear_colour(colour) * share


def skin_albedo(count: int, fields: SkinFields) -> Floats:
    """Return linear RGB (V, 3): even skin, darker brows, redder lips, a slightly darker scalp, all softly bordered."""
    colour = np.tile(linear_colour("skin"), (count, 1))
    colour = blend(colour, "scalp", np.clip(fields.hair / 20 + 0.5, 0, 1) * 0.8)
    colour = blend(colour, "brow", 0.75 * np.clip(0.5 - fields.brow / 3.0, 0, 1))
    return blend(colour, "lip", 0.9 * np.clip(0.5 - fields.lip / 3.0, 0, 1))

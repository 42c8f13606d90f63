"""Landmarks drawn on pictures."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]
Pixels = npt.NDArray[np.uint8]

# iBUG landmark chains: first, last, whether closed
_CHAINS = (
    (0, 16, False),
    (17, 21, False),
    (22, 26, False),
    (27, 30, False),
    (31, 35, False),
    (36, 41, True),
    (42, 47, True),
    (48, 59, True),
    (60, 67, True),
)


def draw_landmarks(pixels: Pixels, landmarks: FloatArray, *, radius: float | None = None) -> Pixels:
    """Draw landmarks as antialiased dots with thin lines between them.

    Parameters
    ----------
    pixels : (H, W, 3) uint8
        Not written to.
    landmarks : (N, 2) float
        Pixels; 68 points in iBUG order are joined by lines.
    radius : float, optional
        Of the dots, pixels; by default in proportion to the face.

    Returns
    -------
    (H, W, 3) uint8
    """
    out: Pixels = pixels.copy()
    points = np.asarray(landmarks, float)
    finite = np.isfinite(points).all(1)
    if not finite.any():
        return out
    if radius is None:
        face = np.sqrt(np.prod(np.ptp(points[finite], axis=0) + 1))
        radius = float(np.clip(face / 110, 1.1, 12.0))
    if len(points) == 68:
        for first, last, closed in _CHAINS:
            chain = list(range(first, last + 1)) + ([first] if closed else [])
            for a, b in pairwise(chain):
                if finite[a] and finite[b]:
                    _stroke(out, points[a], points[b], 0.42 * radius, (255, 255, 255), 0.75)
    for point in points[finite]:
        _stroke(out, point, point, radius + max(0.8, 0.35 * radius), (16, 24, 32), 0.55)
        _stroke(out, point, point, radius, (64, 224, 190), 1.0)
    return out


def _stroke(
    out: Pixels, a: FloatArray, b: FloatArray, radius: float, colour: tuple[int, int, int], opacity: float
) -> None:
    """Blend a round-ended line from a to b into ``out``; coverage from the distance to the line."""
    height, width = out.shape[:2]
    low = np.floor(np.minimum(a, b) - radius - 1).astype(int)
    high = np.ceil(np.maximum(a, b) + radius + 2).astype(int)
    x0, y0 = max(int(low[0]), 0), max(int(low[1]), 0)
    x1, y1 = min(int(high[0]), width), min(int(high[1]), height)
    if x0 >= x1 or y0 >= y1:
        return
    dx, dy = np.arange(x0, x1)[None] - a[0], np.arange(y0, y1)[:, None] - a[1]
    along = b - a
    length2 = float(along @ along)
    t = np.clip((dx * along[0] + dy * along[1]) / length2, 0, 1) if length2 > 0 else 0.0
    distance = np.hypot(dx - t * along[0], dy - t * along[1])
    cover = np.clip(radius + 0.5 - distance, 0, 1)[..., None] * opacity * min(1.0, 2 * radius)
    patch = out[y0:y1, x0:x1]
    patch[:] = np.rint(patch + (np.asarray(colour, float) - patch) * cover)

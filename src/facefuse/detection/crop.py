"""Cutting a square, possibly turned, out of a photo of any size."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facefuse.errors import UsageError

FloatArray = NDArray[np.floating]

_MARGIN = 2  # px kept around what is cut, so that interpolation sees the neighbours
_FINER = 1.5  # reduced pixels per crop pixel: interpolating between pixels as coarse as the crop's would blur it


@dataclass(frozen=True)
class Square:
    """A square in a photo.

    Attributes
    ----------
    centre
        (2,) x, y in photo pixels, centre of the top-left pixel at (0, 0).
    side
        Length of a side in photo pixels.
    roll
        Radians by which the square is turned clockwise, as seen in the photo.
    """

    centre: FloatArray
    side: float
    roll: float = 0.0

    def to_photo(self, points: FloatArray, size: int) -> FloatArray:
        """Points (..., 2) of a crop of ``size`` pixels in photo pixels."""
        placed: FloatArray = (points - (size - 1) / 2.0) @ self._axes().T * (self.side / size) + self.centre
        return placed

    def to_crop(self, points: FloatArray, size: int) -> FloatArray:
        """Photo points (..., 2) in pixels of a crop of ``size`` pixels."""
        return (points - self.centre) @ self._axes() * (size / self.side) + (size - 1) / 2.0

    def _axes(self) -> FloatArray:
        cos, sin = math.cos(self.roll), math.sin(self.roll)
        return np.array([[cos, -sin], [sin, cos]])


def cut_square(pixels: NDArray[np.uint8], square: Square, size: int) -> NDArray[np.uint8]:
    """Crop (size, size, 3) of an (H, W, 3) photo; what lies outside the photo is black.

    Shrinking averages over all the pixels a crop pixel covers; enlarging interpolates linearly.

    Raises
    ------
    UsageError
        If the square is not finite or has no extent.
    """
    if not (np.isfinite(square.centre).all() and math.isfinite(square.side) and square.side > 0.0):
        raise UsageError(f"cannot cut a square of side {square.side} about {square.centre}; give a finite face box")
    shrink = max(square.side / size / _FINER, 1.0)
    reach = square.side / 2.0 * (abs(math.cos(square.roll)) + abs(math.sin(square.roll))) + _MARGIN * shrink
    height, width = pixels.shape[:2]
    low = np.clip(np.floor(square.centre - reach), 0, [width, height]).astype(int)
    high = np.clip(np.ceil(square.centre + reach) + 1, 0, [width, height]).astype(int)
    if (high <= low).any():
        return np.zeros((size, size, 3), np.uint8)
    part = Image.fromarray(np.ascontiguousarray(pixels[low[1] : high[1], low[0] : high[0]]))
    scale = np.ones(2)
    if shrink > 1.0:
        reduced = np.maximum(np.ceil((high - low) / shrink), 1).astype(int)
        scale = (high - low) / reduced
        part = part.resize((int(reduced[0]), int(reduced[1])), Image.Resampling.BILINEAR, reducing_gap=1.5)
    # Pillow's affine maps edges: crop (x + 0.5) to part (x + 0.5).
    cos, sin = math.cos(square.roll) * square.side / size, math.sin(square.roll) * square.side / size
    half = size / 2.0
    start = square.centre + 0.5 - low
    x0, y0 = start - half * np.array([cos - sin, sin + cos])
    rows = (cos / scale[0], -sin / scale[0], x0 / scale[0], sin / scale[1], cos / scale[1], y0 / scale[1])
    return np.asarray(part.transform((size, size), Image.Transform.AFFINE, rows, Image.Resampling.BILINEAR))


def square_overlap(first: FloatArray, second: FloatArray) -> float:
    """Intersection over union of two boxes (4,) x0, y0, x1, y1."""
    common = float(np.clip(np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2]), 0.0, None).prod())
    areas = float(np.prod(first[2:] - first[:2]) + np.prod(second[2:] - second[:2]))
    return common / max(areas - common, 1e-12)

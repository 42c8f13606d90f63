"""Cutting a square, possibly turned, out of a photo of any size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facefuse.errors import UsageError

FloatArray = NDArray[np.floating]

_MARGIN = 2  # px kept around what is cut, so that interpolation sees the neighbours
_BLOCK = 1.5  # pixels are averaged in blocks at first where the tents still cover at least so many blocks
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
    crop: NDArray[np.uint8] = cut_tilted(pixels, square, size)[0]
    return crop


def cut_tilted(
    pixels: NDArray[np.uint8], square: Square, size: int, tilts: Sequence[float] = (0.0,), mirrored: bool = False
) -> NDArray[np.uint8]:
    """Crops (N, size, size, 3) as of `cut_square`, of one square turned further by N ``tilts`` (radians).

    Where ``mirrored``, the N mirror images follow. The photo is shrunk once for all of them.
    """
    from facefuse.detection import kernels  # late: Numba takes a while to import

    if not (np.isfinite(square.centre).all() and math.isfinite(square.side) and square.side > 0.0):
        raise UsageError(f"cannot cut a square of side {square.side} about {square.centre}; give a finite face box")
    pixel = square.side / size
    shrink = max(pixel / _FINER, 1.0)
    turns = [(math.cos(square.roll + tilt), math.sin(square.roll + tilt)) for tilt in tilts]
    reach = square.side / 2.0 * max(abs(cos) + abs(sin) for cos, sin in turns) + _MARGIN * shrink
    crops = np.zeros((len(tilts) * (2 if mirrored else 1), size, size, 3), np.uint8)
    centre = [float(square.centre[0]), float(square.centre[1])]
    extents = (pixels.shape[1], pixels.shape[0])
    low = [math.floor(max(middle - reach, 0.0)) for middle in centre]
    high = [math.ceil(min(middle + reach + 1.0, extent)) for middle, extent in zip(centre, extents, strict=True)]
    if high[0] <= low[0] or high[1] <= low[1]:
        return crops
    seen = [high[0] - low[0], high[1] - low[1]]
    reduced = [max(math.ceil(extent / shrink), 1) for extent in seen] if shrink > 1.0 else seen
    block = [max(int(extent / count / _BLOCK), 1) for extent, count in zip(seen, reduced, strict=True)]
    picture = np.empty((reduced[1], reduced[0], 3), np.float32)
    kernels.shrink(_plain(pixels), np.array(low + seen), np.array(block), picture)
    half, (across, down) = (size - 1) / 2.0, (count / extent for count, extent in zip(reduced, seen, strict=True))
    x, y = centre[0] + 0.5 - low[0], centre[1] + 0.5 - low[1]  # from the window's corner, not its first pixel's centre
    places = [
        (
            (cos * pixel * across, -sin * pixel * across, (x - half * pixel * (cos - sin)) * across - 0.5),
            (sin * pixel * down, cos * pixel * down, (y - half * pixel * (sin + cos)) * down - 0.5),
        )
        for cos, sin in turns
    ]
    kernels.sample(picture, np.array(places), mirrored, crops)
    return crops


def _plain(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The same pixels as the kernels are compiled for: one after the other, read only."""
    plain = np.ascontiguousarray(pixels).view()
    plain.flags.writeable = False
    return plain


def square_overlap(first: FloatArray, second: FloatArray) -> float:
    """Intersection over union of two boxes (4,) x0, y0, x1, y1."""
    common = float(np.clip(np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2]), 0.0, None).prod())
    areas = float(np.prod(first[2:] - first[:2]) + np.prod(second[2:] - second[:2]))
    return common / max(areas - common, 1e-12)

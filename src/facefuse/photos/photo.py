"""The photo value, and whether two photos are the same picture."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

THUMBNAIL = 64
"""Side of the grey thumbnail two photos are compared by."""

SAME_MEAN = 3.0
"""Two thumbnails of one picture, recompressed or resized, differ by less than this on average (of 255) …"""

SAME_MAX = 30.0
"""… and nowhere by more than this. Two photos taken one after the other differ by several times as much."""


@dataclass(frozen=True, eq=False)
class Photo:
    """One photo, upright.

    Attributes
    ----------
    pixels : (H, W, 3) uint8
        sRGB.
    path : str or None
        Where it came from; None for arrays.
    focal_px : float or None
        Focal length in pixels of ``pixels``, from EXIF where present.
    """

    pixels: npt.NDArray[np.uint8]
    path: str | None = None
    focal_px: float | None = None

    @property
    def height(self) -> int:
        """Pixels from top to bottom."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Pixels from left to right."""
        return int(self.pixels.shape[1])

    @cached_property
    def thumbnail(self) -> npt.NDArray[np.floating[Any]]:
        """The whole photo as (64, 64) grey values, 0-255, each the mean of the pixels it covers."""
        image = Image.fromarray(self.pixels)
        # reducing_gap first takes cheap integer-factor means: 100 megapixels would take seconds otherwise
        small = image.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX, reducing_gap=3.0)
        return np.asarray(small.convert("L"), dtype=np.float64)


def same_photo(a: Photo, b: Photo) -> bool:
    """Whether two photos are the same picture, be it copied, recompressed or resized.

    Parameters
    ----------
    a, b : Photo

    Returns
    -------
    bool
        True for equal pixels, and for equal shape (aspect ratio within 2 %) with thumbnails that differ no more than
        recompression and resizing make them. Mirrored, rotated and cropped copies are other pictures.
    """
    if a.pixels.shape == b.pixels.shape and np.array_equal(a.pixels, b.pixels):
        return True
    if abs(np.log(a.width * b.height / (a.height * b.width))) > 0.02:
        return False
    difference = np.abs(a.thumbnail - b.thumbnail)
    return bool(difference.mean() < SAME_MEAN and difference.max() < SAME_MAX)

"""Photos: reading any image safely into RGB, upright."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
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

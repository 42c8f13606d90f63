"""Lamps for pictures of a head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class StudioLight:
    """Three soft lamps and an even surround, fixed to the camera.

    Attributes
    ----------
    directions : (L, 3) float
        Unit vectors towards each lamp, camera axes (x right, y down, z forward).
    colours : (L, 3) float
        Linear RGB of each lamp.
    wrap : float
        How far a lamp reaches around the terminator, 0 (hard) to 1.
    ambient : (3,) float
        Linear RGB of the surround, from above; half of it comes from below.
    """

    directions: FloatArray
    colours: FloatArray
    wrap: float
    ambient: FloatArray

    def shade(self, normals: FloatArray) -> FloatArray:
        """Return the factor that multiplies linear albedo: unit normals (..., 3), camera axes, to (..., 3)."""
        cosine = normals @ self.directions.T
        lit = np.clip((cosine + self.wrap) / (1 + self.wrap), 0, None)
        sky = 0.75 - 0.25 * normals[..., 1:2]
        factor: FloatArray = (lit * lit) @ self.colours + sky * self.ambient
        return factor


def _studio() -> StudioLight:
    lamps = np.array([[-0.55, -0.55, -0.75], [0.85, -0.1, -0.6], [0.35, -0.75, 0.55]])
    return StudioLight(
        lamps / np.linalg.norm(lamps, axis=1, keepdims=True),
        np.array([[0.92, 0.90, 0.87], [0.16, 0.175, 0.20], [0.34, 0.36, 0.38]]),
        0.25,
        np.array([0.21, 0.215, 0.23]),
    )


STUDIO = _studio()
EVEN = StudioLight(np.array([[0.0, 0.0, -1.0]]), np.full((1, 3), 0.25), 1.0, np.full(3, 1.0))
"""Nearly even light: shows a texture as it is."""

"""The part of a picture that holds the head."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from facefuse.geometry.cameras import Camera
from facefuse.rendering.rasterize import Fragments, is_perspective, rasterize

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]
Window = tuple[int, int, int, int]
"""Left, top, right, bottom (exclusive), whole pixels."""


def window_of(screen: FloatArray, camera: Camera, width: int, height: int) -> Window:
    """Whole pixels of a picture that hold all screen vertices (V, 3) before the camera; may be empty."""
    nearest = 0.0 if is_perspective(camera) else -np.inf
    x, y, depth = screen.T
    good = np.isfinite(x + y + depth) & (depth > nearest)
    if not good.any():
        return 0, 0, 0, 0
    (left, right), (top, bottom) = (
        (np.clip(np.floor(v.min()) - 1, 0, size), np.clip(np.ceil(v.max()) + 2, 0, size))
        for v, size in ((x[good], width), (y[good], height))
    )
    return int(left), int(top), int(right), int(bottom)


def rasterize_window(
    screen: FloatArray, triangles: IntArray, camera: Camera, window: Window, factor: float = 1
) -> Fragments:
    """Rasterise a window of the picture at ``factor`` samples per pixel and axis.

    The sample (x, y) of the result lies at the picture's ``(x + 0.5) / factor - 0.5 + left``, and so for y and top.
    """
    left, top, right, bottom = window
    moved = np.array(screen)
    moved[:, :2] = (moved[:, :2] - (left, top) + 0.5) * factor - 0.5
    width, height = (max(1, round(side * factor)) for side in (right - left, bottom - top))
    return rasterize(moved, triangles, width, height, perspective=is_perspective(camera))

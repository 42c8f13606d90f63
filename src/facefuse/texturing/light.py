"""The light in a photo, from the fitted head and its albedo."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from facefuse.geometry.cameras import PinholeCamera
from facefuse.morphable.model import FaceModel
from facefuse.rendering.rasterize import screen_vertices
from facefuse.rendering.shading import SH_CONSTANT, estimate_light, srgb_to_linear
from facefuse.rendering.window import rasterize_window, window_of

FloatArray = npt.NDArray[np.floating[Any]]

SAMPLES = 72
"""The head is looked at through a grid of this many samples along its longer side."""
LEAST_SAMPLES, MOST_SAMPLES = 50, 700
"""With fewer samples of the face the light is not estimated; more would cost time and tell no more."""
CLIPPED = 253
"""From this code on a channel may be overexposed, and the pixel is not used."""
GRAZING, FACING = 0.1, 0.5
"""Cosine of the viewing angle where a sample begins to count, and where it counts fully."""


def light_of_photo(
    model: FaceModel,
    vertices: FloatArray,
    camera: PinholeCamera,
    pixels: npt.NDArray[np.uint8],
    albedo: FloatArray | None = None,
) -> FloatArray:
    """Estimate the light on a face: second-order spherical harmonics, robust to shadows, hair and highlights.

    Only the product of albedo and light can be seen, so brightness and tint of the light are relative to the albedo.

    Parameters
    ----------
    model : FaceModel
    vertices : (V, 3) float
        The head with the photo's expression, mm, model frame.
    camera : PinholeCamera
        Projects it into the photo.
    pixels : (H, W, 3) uint8
        sRGB.
    albedo : (V, 3) float, optional
        Linear RGB; the model's mean by default.

    Returns
    -------
    (9, 3) float
        For :func:`facefuse.rendering.shading.sh_shade` with normals in the model frame; linear RGB. Even white light
        where too little of the face is seen.
    """
    height, width = pixels.shape[:2]
    screen = screen_vertices(vertices, camera)
    left, top, right, bottom = window = window_of(screen, camera, width, height)
    factor = SAMPLES / max(right - left, bottom - top, 1)
    triangle = rasterize_window(screen, model.triangles, camera, window, factor).triangle
    row, column = np.nonzero(triangle >= 0)
    corners = np.asarray(model.triangles)[triangle[row, column]]
    y, x = (np.rint((place + 0.5) / factor - 0.5).astype(int) for place in (row, column))
    codes = pixels[np.clip(y + top, 0, height - 1), np.clip(x + left, 0, width - 1)]
    a, b, c = np.asarray(model.face_mask)[corners.T]
    red, green, blue = codes.T < CLIPPED
    good = np.flatnonzero(a & b & c & red & green & blue)
    good = good[:: -(-len(good) // MOST_SAMPLES) or 1]
    corners, codes = corners[good], codes[good]

    points = np.asarray(vertices)[corners]
    normals = np.cross(points[:, 1] - points[:, 0], points[:, 2] - points[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    sight = points.mean(axis=1) - camera.position()
    cosine = -(normals * sight).sum(axis=1) / np.linalg.norm(sight, axis=1)
    weights = np.clip((cosine - GRAZING) / (FACING - GRAZING), 0, 1)

    if (weights > 0).sum() < LEAST_SAMPLES:
        even = np.zeros((9, 3))
        even[0] = 1 / SH_CONSTANT
        return even
    known = np.asarray(model.albedo if albedo is None else albedo)[corners].mean(axis=1)
    light: FloatArray = estimate_light(srgb_to_linear(codes / 255.0), known, normals, weights)
    return light

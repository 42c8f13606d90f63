"""Pictures that go with a head: the fitted mesh over each photo, and a still portrait."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from facefuse.detection.parts import FaceParts
from facefuse.geometry.cameras import PinholeCamera
from facefuse.reconstruction import PhotoResult, Reconstruction
from facefuse.rendering.draw import draw_head, draw_overlay, portrait_camera

FloatArray = npt.NDArray[np.floating[Any]]
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class PhotoView:
    """A part of a photo at another scale, with everything that was found in it.

    Attributes
    ----------
    pixels : (h, w, 3) uint8
        sRGB.
    camera : PinholeCamera
        Projects model millimetres to these pixels.
    landmarks : (68, 2) float
        The detected landmarks in these pixels.
    parts : FaceParts or None
        What a face parser sees in them.
    """

    pixels: Pixels
    camera: PinholeCamera
    landmarks: FloatArray
    parts: FaceParts | None = None


def whole_photo(result: PhotoResult, longest: int) -> PhotoView:
    """Return a photo, scaled down where a side is longer than ``longest`` pixels."""
    return _view(result, (0, 0, result.photo.width, result.photo.height), longest)


def around_face(result: PhotoResult, longest: int, room: float = 2.2) -> PhotoView:
    """Return a 5:6 cut about the face, ``room`` times its box wide where the photo reaches that far."""
    x0, y0, x1, y1 = (float(edge) for edge in result.face.box)
    half = max(x1 - x0, y1 - y0, 1.0) * room / 2
    # landmarks end at the brows: the middle of the head lies higher than the middle of the box
    x, y = (x0 + x1) / 2, (y0 + y1) / 2 - 0.12 * half
    width, height = result.photo.width, result.photo.height
    left, right = int(np.clip(x - half, 0, width - 1)), int(np.clip(x + half, 1, width))
    top, bottom = int(np.clip(y - 1.2 * half, 0, height - 1)), int(np.clip(y + 1.2 * half, 1, height))
    return _view(result, (left, top, max(right, left + 1), max(bottom, top + 1)), longest)


def overlay(reconstruction: Reconstruction, index: int, view: PhotoView) -> Pixels:
    """Draw the head with the expression of one photo, and its detected landmarks, over a view of that photo."""
    mesh = reconstruction.posed_mesh(index)
    return draw_overlay(view.pixels, mesh.vertices, mesh.triangles, view.camera, landmarks=view.landmarks, opacity=0.6)


def still(reconstruction: Reconstruction, size: int) -> Pixels:
    """Draw the textured neutral head from the front: (size, size, 3) uint8."""
    model, mesh = reconstruction.model, reconstruction.mesh
    camera = portrait_camera(mesh.vertices, size)
    return draw_head(
        mesh.vertices,
        mesh.triangles,
        camera,
        (size, size),
        texture=reconstruction.texture,
        uv=model.uv,
        uv_triangles=model.uv_triangles,
        background=(0.8, 0.8),  # as the report's stage, so that the picture has no edge
    )


def _view(result: PhotoResult, region: tuple[int, int, int, int], longest: int) -> PhotoView:
    left, top, right, bottom = region
    scale = min(1.0, longest / max(right - left, bottom - top))
    size = (max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale)))
    image = Image.fromarray(result.photo.pixels[top:bottom, left:right])
    if scale < 1:
        image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    corner = np.array([left, top])
    # pixel centres are whole numbers, so the corner of the region lies half a pixel before its first centre
    camera = result.camera
    seen = PinholeCamera(
        camera.focal * scale,
        (np.asarray(camera.centre) + 0.5 - corner) * scale - 0.5,
        camera.rotation,
        camera.translation,
    )
    landmarks = (np.asarray(result.landmarks.points68) + 0.5 - corner) * scale - 0.5
    parts = None if result.parts is None else result.parts.viewed((left, top), scale)
    return PhotoView(np.asarray(image), seen, landmarks, parts)

"""MediaPipe's face landmarker as a landmark detector."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefuse.detection.types import FaceLandmarks, FloatArray
from facefuse.errors import AssetError, NoFaceFound

MESH_TO_68: tuple[int, ...] = (
    *(127, 234, 93, 58, 172, 136, 150, 176, 152, 400, 379, 365, 397, 288, 323, 454, 356),
    *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300),
    *(168, 197, 5, 4, 98, 97, 2, 326, 327),
    *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),
    *(61, 39, 37, 0, 267, 269, 291, 321, 314, 17, 84, 91),
    *(78, 82, 13, 312, 308, 317, 14, 87),
)
"""Vertex of MediaPipe's mesh nearest to each of the 68 iBUG points of a frontal face."""
MESH_SIZE = 478
CROP_FACTOR = 1.6
"""The landmarker is given a square of this many sides about the face's box."""
SIGMA_INNER, SIGMA_JAW = 0.02, 0.04
"""MediaPipe states no uncertainty. These shares of the box's side are about how far its points are from others' labels
on the AFLW crops; the jaw is worse because the mesh follows the visible outline."""


class MediaPipeLandmarks:
    """Landmark detector running MediaPipe's face landmarker (Apache-2.0) from a `.task` file that the user provides.

    Parameters
    ----------
    model : the file, for example `face_landmarker.task`.

    Raises
    ------
    AssetError
        The package `mediapipe` is not installed, or the file is missing or not a face landmarker.
    """

    def __init__(self, model: Path) -> None:
        self._mediapipe, vision, base = _import_mediapipe()
        if not Path(model).is_file():
            raise AssetError(f"MediaPipe task file {model} does not exist; check the path")
        options = vision.FaceLandmarkerOptions(
            base_options=base.BaseOptions(model_asset_buffer=Path(model).read_bytes()),
            running_mode=vision.RunningMode.IMAGE,
            num_faces=1,
        )
        try:
            self._landmarker = vision.FaceLandmarker.create_from_options(options)
        except (RuntimeError, ValueError) as error:
            raise AssetError(f"{model} cannot be opened as a MediaPipe face landmarker: {error}") from error

    def landmarks(self, pixels: NDArray[np.uint8], box: FloatArray) -> FaceLandmarks:
        """Landmarks of the face in a box (4,) of a photo (H, W, 3) sRGB.

        Raises
        ------
        NoFaceFound
            MediaPipe sees no face there.
        """
        crop, corner = _square_crop(pixels, box)
        image = self._mediapipe.Image(image_format=self._mediapipe.ImageFormat.SRGB, data=crop)
        found = self._landmarker.detect(image).face_landmarks
        if not found:
            raise NoFaceFound("MediaPipe found no face in the given box; use the built-in landmark network instead")
        size = crop.shape[0]
        mesh = np.array([[p.x, p.y] for p in found[0]]) * size - 0.5 + corner
        if len(mesh) != MESH_SIZE:
            raise AssetError(f"the task file gives {len(mesh)} mesh points, expected {MESH_SIZE}; use a newer one")
        return from_mesh(mesh, float(box[2] - box[0]))


def from_mesh(mesh: FloatArray, side: float) -> FaceLandmarks:
    """Landmarks of a MediaPipe mesh.

    Parameters
    ----------
    mesh : (478, 2) in pixels of the photo.
    side : side of the face's box in pixels, which the uncertainties are relative to.
    """
    sigma68 = np.full(68, SIGMA_INNER * side)
    sigma68[:17] = SIGMA_JAW * side
    return FaceLandmarks(
        points68=mesh[list(MESH_TO_68)],
        sigma68=sigma68,
        mesh=mesh,
        mesh_sigma=np.full(len(mesh), SIGMA_INNER * side),
        mesh_indices=np.arange(len(mesh)),
        score=1.0,
    )


def _square_crop(pixels: NDArray[np.uint8], box: FloatArray) -> tuple[NDArray[np.uint8], FloatArray]:
    """A square about the box, black beyond the photo, and the photo's coordinates of its first pixel (2,)."""
    centre = (np.asarray(box[:2]) + np.asarray(box[2:])) / 2
    half = max(8, round(CROP_FACTOR * float(box[2] - box[0]) / 2))
    corner = np.round(centre).astype(int) - half
    crop = np.zeros((2 * half, 2 * half, 3), np.uint8)
    low = np.maximum(corner, 0)
    high = np.minimum(corner + 2 * half, [pixels.shape[1], pixels.shape[0]])
    if (high > low).all():
        x0, y0 = low - corner
        x1, y1 = high - corner
        crop[y0:y1, x0:x1] = pixels[low[1] : high[1], low[0] : high[0]]
    return crop, corner.astype(np.float64)


def _import_mediapipe() -> tuple[Any, Any, Any]:
    try:
        import mediapipe
        from mediapipe.tasks import python as base
        from mediapipe.tasks.python import vision
    except ImportError as error:
        raise AssetError(
            "the MediaPipe landmarks need the package mediapipe, which is not installed; run: "
            'pip install "facefuse[mediapipe]"'
        ) from error
    return mediapipe, vision, base

"""The built-in landmark network: a square crop in, 68 points, mesh points, their uncertainty and a face score out."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facefuse.detection.crop import Square, cut_square
from facefuse.detection.onnx_sessions import open_session
from facefuse.detection.types import FaceLandmarks
from facefuse.errors import AssetError, UsageError

FloatArray = NDArray[np.floating]

_POINTS = 68
_OUTPUTS = ("points", "log_sigma", "score")
CROP_RATIO = math.sqrt(2.0)
"""Side of the crop over that of the face's box: the published rule (3DDFA) circumscribes the box by a circle."""


class LandmarkNetwork:
    """Landmark detector that needs nothing but the shipped network.

    Parameters
    ----------
    model
        ONNX file; the shipped one if not given.
    passes
        1, or 2 to cut the face out again by the landmarks of the first pass, upright: slower, and better where the
        box is rough or the head is tilted.
    threads
        Threads of the ONNX Runtime; 0 leaves the choice to it.

    Raises
    ------
    AssetError
        The file is missing or is not a landmark network.
    """

    def __init__(self, model: Path | None = None, passes: int = 1, threads: int = 0) -> None:
        if passes not in (1, 2):
            raise UsageError(f"passes is {passes}; the landmark network takes one or two")
        self._session = open_session(model, "landmarks.onnx", threads, inputs=("crops",), outputs=_OUTPUTS)
        self._passes = passes
        facts = self._session.get_modelmeta().custom_metadata_map
        try:
            self.mesh_indices: NDArray[np.integer] = np.array(json.loads(facts["mesh_indices"]), dtype=np.int32)
            self.crop_size = int(facts["crop_size"])
        except (KeyError, ValueError) as error:
            raise AssetError(
                "the landmark network does not state its crop size and mesh points; export it with "
                "python -m facefuse.learning.landmarks"
            ) from error

    def landmarks(self, pixels: NDArray[np.uint8], box: FloatArray) -> FaceLandmarks:
        """Landmarks of one face.

        Parameters
        ----------
        pixels
            (H, W, 3) sRGB photo of any size.
        box
            (4,) x0, y0, x1, y1 in photo pixels: the face's box, square about the 68 points. Of another rectangle the
            square of the same centre and longer side is taken.

        Raises
        ------
        UsageError
            If the box is not finite or has no extent.
        """
        square = crop_square(np.asarray(box, dtype=float))
        found = self._look(pixels, square)
        if self._passes == 2:
            found = self._look(pixels, upright_square(found.points68))
        return found

    def _look(self, pixels: NDArray[np.uint8], square: Square) -> FaceLandmarks:
        crop = cut_square(pixels, square, self.crop_size)
        points, log_sigma, score = self._session.run(list(_OUTPUTS), {"crops": crop[None]})
        placed = square.to_photo(points[0].astype(np.float64), self.crop_size)
        sigma = np.exp(log_sigma[0].astype(np.float64)) * (square.side / self.crop_size)
        return FaceLandmarks(
            points68=placed[:_POINTS],
            sigma68=sigma[:_POINTS],
            mesh=placed[_POINTS:],
            mesh_sigma=sigma[_POINTS:],
            mesh_indices=self.mesh_indices,
            score=float(score[0]),
        )


def crop_square(box: FloatArray) -> Square:
    """What is cut out for a face's box (4,): the box's centre, its longer side times `CROP_RATIO`."""
    low, high = box[:2], box[2:]
    return Square((low + high) / 2.0, float((high - low).max()) * CROP_RATIO)


def upright_square(points68: FloatArray) -> Square:
    """The crop for known landmarks (68, 2), turned so that the mouth is below the eyes."""
    down = points68[48:68].mean(axis=0) - points68[36:48].mean(axis=0)
    roll = math.atan2(-down[0], down[1])
    turn = Square(np.zeros(2), 1.0, roll)
    turned = turn.to_crop(points68, 1)
    low, high = turned.min(axis=0), turned.max(axis=0)
    return Square(turn.to_photo((low + high) / 2.0, 1), float((high - low).max()) * CROP_RATIO, roll)

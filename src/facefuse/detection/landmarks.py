"""The built-in landmark network: a square crop in, 68 points, mesh points, their uncertainty and a face score out."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facefuse.detection.crop import Square, cut_square, square_overlap
from facefuse.detection.onnx_sessions import open_session
from facefuse.detection.types import FaceLandmarks
from facefuse.errors import AssetError, UsageError

FloatArray = NDArray[np.floating]

_POINTS = 68
_OUTPUTS = ("points", "log_sigma", "score")
CROP_RATIO = math.sqrt(2.0)
"""Side of the crop over that of the face's box: the published rule (3DDFA) circumscribes the box by a circle."""
DOUBTFUL_SPREAD = 0.025
"""Landmarks less certain than this (`FaceLandmarks.spread`) are looked for again. On held-out AFLW faces found by the
detector in composed scenes one in ten is, mostly profiles."""
WIDER = 1.5
"""The box is also tried so many times as wide: a detected box may be too small for a large face."""
TURNED_SPREAD = 0.04
"""Landmarks that are still less certain are looked for in the box turned by a quarter, a half and three quarters: the
face may lie on its side or hang head down. Of held-out AFLW faces turned so, 1.1 % instead of 2.7 % end above 10 %."""
HOPELESS_SPREAD = 0.2
"""Landmarks less certain than this after two passes are not looked for again: of 250 AFLW faces, at each of four
quarter turns, 0.4, 0.4, 2 and 1.2 % are, and most of what is no face."""
MUST_FALL = 0.7
"""What is found in a turned box must be more certain by this factor."""
LEAST_OVERLAP = 0.2
"""What is found again counts as the same face from this intersection over union of its square with the box."""


class LandmarkNetwork:
    """Landmark detector that needs nothing but the shipped network.

    Parameters
    ----------
    model
        ONNX file; the shipped one if not given.
    passes
        1, or 2 to cut the face out again by the landmarks of the first pass, upright: slower, and better where the
        box is rough or the head is tilted. Doubtful landmarks are then looked for once more, in a third pass, in a
        wider box, and at last in turned ones, and the most certain ones are kept.
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
        if self._passes == 1:
            return found
        found = self._look(pixels, upright_square(found.points68))
        if not DOUBTFUL_SPREAD < found.spread < HOPELESS_SPREAD:
            return found
        wide = self._look(pixels, Square(square.centre, square.side * WIDER))
        again = [self._look(pixels, upright_square(one.points68)) for one in (found, wide)]
        found = most_certain([found, *again], box)
        if found.spread <= TURNED_SPREAD:
            return found
        turns = [Square(square.centre, square.side, quarter * math.pi / 2.0) for quarter in (1, 2, 3)]
        turned = min((self._look(pixels, turn) for turn in turns), key=lambda one: one.spread)
        best = most_certain([found, self._look(pixels, upright_square(turned.points68))], box)
        return best if best.spread < MUST_FALL * found.spread else found

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


def most_certain(found: list[FaceLandmarks], box: FloatArray) -> FaceLandmarks:
    """The landmarks of least spread among the first and those that show the face in this box (4,)."""
    square = np.asarray(box, dtype=float)
    same = [one for one in found[1:] if square_overlap(one.square, square) >= LEAST_OVERLAP]
    return min([found[0], *same], key=lambda one: one.spread)


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

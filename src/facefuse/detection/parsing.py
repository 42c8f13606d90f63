"""The built-in face parser: a photo and its landmarks in, the part of the face that each pixel shows out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facefuse.detection.crop import cut_square
from facefuse.detection.landmarks import upright_square
from facefuse.detection.onnx_sessions import open_session
from facefuse.detection.parts import PARTS, FaceParts, FloatArray
from facefuse.errors import AssetError

_ASSET = "face_parser.onnx"
_OUTPUT = "probability"


class ParserNetwork:
    """Face parser that needs nothing but the shipped network.

    Parameters
    ----------
    model
        ONNX file; the shipped one if not given.
    threads
        Threads of the ONNX Runtime; 0 leaves the choice to it.

    Raises
    ------
    AssetError
        The file is missing or is not a face parser.
    """

    def __init__(self, model: Path | None = None, threads: int = 0) -> None:
        self._session = open_session(model, _ASSET, threads, inputs=("crops",), outputs=(_OUTPUT,))
        facts = self._session.get_modelmeta().custom_metadata_map
        try:
            self.crop_size = int(facts["crop_size"])
            parts = tuple(facts["parts"].split(","))
        except (KeyError, ValueError) as error:
            raise AssetError(
                "the face parser does not state its crop size and parts; export it with "
                "python -m facefuse.learning.parsing"
            ) from error
        if parts != PARTS:
            raise AssetError(f"the face parser knows the parts {', '.join(parts)}; expected {', '.join(PARTS)}")

    def parse(self, pixels: NDArray[np.uint8], points68: FloatArray) -> FaceParts:
        """Parts of one face.

        Parameters
        ----------
        pixels
            (H, W, 3) sRGB photo of any size.
        points68
            (68, 2) its landmarks, photo pixels. The crop is the landmark network's, turned upright.

        Raises
        ------
        UsageError
            If the landmarks are not finite or have no extent.
        """
        square = upright_square(np.asarray(points68, dtype=float))
        crop = cut_square(pixels, square, self.crop_size)
        (probability,) = self._session.run([_OUTPUT], {"crops": crop[None]})
        return FaceParts(probability[0], square)

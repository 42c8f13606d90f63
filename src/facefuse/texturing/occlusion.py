"""What hides the face in a photo, as a face parser sees it, so that it is not taken for the face."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from facefuse.morphable.model import FaceModel
from facefuse.texturing.skin import smoothstep

FloatArray = npt.NDArray[np.floating[Any]]

DOUBTED, DENIED = 0.45, 0.75
"""Probabilities of not showing the face's skin from which a pixel counts less, and from which it does not count."""

_FACIAL = (
    "face",
    "forehead",
    "nose",
    "eyelid_left",
    "eyelid_right",
    "brow_left",
    "brow_right",
    "upper_lip",
    "lower_lip",
)


@dataclass(frozen=True)
class ShownSkin:
    """Where a photo shows the skin of the face.

    Attributes
    ----------
    probability : (S, S) float32
        That a pixel of a crop shows the face's outer skin, brows and lips among it: not the eyes, not what is between
        the lips, nothing beside or in front of the face.
    to_crop : (2, 3) float
        From photo pixels to pixels of the crop.
    """

    probability: npt.NDArray[np.float32]
    to_crop: FloatArray

    def without(self, corner: FloatArray) -> ShownSkin:
        """The same for the picture without what is left of and above a corner (2,)."""
        moved = self.to_crop.copy()
        moved[:, 2] += moved[:, :2] @ corner
        return replace(self, to_crop=moved)

    def trust(
        self, facial: npt.NDArray[np.bool_], maybe_hair: FloatArray, corner: FloatArray, map_scale: float
    ) -> npt.NDArray[np.float32]:
        """Trust in the pixels of a map of the photo.

        Parameters
        ----------
        facial : (h, w) bool
            Where the fitted head shows the face: elsewhere the parser says nothing.
        maybe_hair : (h, w) float
            Where hair belongs to the head.
        corner : (2,)
            Photo pixel at the map's upper left.
        map_scale : float
            Map pixels per photo pixel.

        Returns
        -------
        (h, w) float32
            0-1; 1 outside the crop.
        """
        linear = self.to_crop[:, :2] / map_scale
        # Pillow counts from the corner of the first pixel, we from its centre
        offset = self.to_crop[:, :2] @ (np.asarray(corner) - 0.5) + self.to_crop[:, 2] + 0.5
        rows = np.column_stack((linear, offset)).ravel()
        size = facial.shape[1], facial.shape[0]
        hidden = Image.fromarray(1 - self.probability)  # what is outside becomes 0, not hidden
        on_map = np.asarray(hidden.transform(size, Image.Transform.AFFINE, tuple(rows), Image.Resampling.BILINEAR))
        denied = smoothstep(DOUBTED, DENIED, on_map) * facial * (1 - maybe_hair)
        return np.asarray(1 - denied, np.float32)


def facial_triangles(model: FaceModel) -> npt.NDArray[np.bool_]:
    """Which triangles a face parser labels as outer skin of the face, (F,); none if the model does not name them."""
    named = [name for name in _FACIAL if name in model.region_names]
    return np.asarray(model.region_mask(*named)) if named else np.zeros(len(model.triangles), bool)

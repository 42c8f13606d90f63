"""Face parsing: which part of the face each pixel shows, and where something hides the face."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

from facefuse.detection.crop import Square

FloatArray = NDArray[np.floating]

PARTS = (
    "background",
    "skin",
    "brow_right",
    "brow_left",
    "eye_right",
    "eye_left",
    "nose",
    "mouth",
    "upper_lip",
    "lower_lip",
    "occluder",
)
"""The classes by label; right and left are the subject's, "mouth" is what is seen between the lips. Hair, ears and neck
are background; "occluder" is whatever hides a part of the face: hair over the forehead, glasses, hands, hats."""

BACKGROUND, OCCLUDER = 0, len(PARTS) - 1

_OUTER = ("skin", "brow_right", "brow_left", "nose", "upper_lip", "lower_lip")


@dataclass(frozen=True)
class FaceParts:
    """The parts of one face.

    Attributes
    ----------
    probability
        (C, S, S) float32, the probability of each of `PARTS` at every pixel of a crop; sums to one.
    square
        Where the crop lies in the photo. Nothing is known outside.
    """

    probability: NDArray[np.float32]
    square: Square

    @property
    def labels(self) -> NDArray[np.uint8]:
        """The most probable part of each pixel of the crop, (S, S)."""
        labels: NDArray[np.uint8] = self.probability.argmax(axis=0).astype(np.uint8)
        return labels

    @property
    def face(self) -> NDArray[np.float32]:
        """Probability that a pixel of the crop shows the face itself and nothing in front of it, (S, S)."""
        face: NDArray[np.float32] = self.probability[BACKGROUND + 1 : OCCLUDER].sum(axis=0)
        return face

    @property
    def skin(self) -> NDArray[np.float32]:
        """Probability that a pixel of the crop shows the face's outer skin, brows and lips among it, (S, S).

        At most that of no occluder at it or beside it: the rims of glasses are thinner than a pixel.
        """
        outer = self.probability[[PARTS.index(name) for name in _OUTER]].sum(axis=0)
        skin: NDArray[np.float32] = np.minimum(outer, 1 - maximum_filter(self.probability[OCCLUDER], 3))
        return skin

    @property
    def to_crop(self) -> FloatArray:
        """(2, 3) map from photo pixels to pixels of the crop."""
        size = self.probability.shape[-1]
        origin, right, down = self.square.to_crop(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), size)
        return np.stack([right - origin, down - origin, origin], axis=-1)

    def viewed(self, corner: tuple[float, float], scale: float) -> FaceParts:
        """The same for a view of the photo: what lies right of and below a corner x, y, so many times as large."""
        centre = (self.square.centre + 0.5 - np.asarray(corner)) * scale - 0.5
        return FaceParts(self.probability, Square(centre, self.square.side * scale, self.square.roll))

    def labels_in(self, height: int, width: int) -> NDArray[np.uint8]:
        """The most probable part of each pixel of the photo, (H, W); background outside the crop.

        Probabilities are interpolated, so that outlines are as smooth as the photo is fine.
        """
        labels = np.zeros((height, width), np.uint8)
        size = self.probability.shape[-1]
        corners = self.square.to_photo(np.array([[0, 0], [0, 1], [1, 0], [1, 1]]) * float(size) - 0.5, size)
        low = np.clip(np.floor(corners.min(axis=0)), 0, (width, height)).astype(int)
        high = np.clip(np.ceil(corners.max(axis=0)) + 1, 0, (width, height)).astype(int)
        columns = np.arange(low[0], high[0])
        for row in range(low[1], high[1]):
            points = np.stack([columns, np.full(len(columns), row)], axis=-1)
            at = self.square.to_crop(points.astype(float), size)
            inside = ((at >= -0.5) & (at <= size - 0.5)).all(axis=-1)
            labels[row, columns[inside]] = self._sampled(at[inside]).argmax(axis=0)
        return labels

    def _sampled(self, at: FloatArray) -> NDArray[np.float32]:
        """Probabilities (C, N) at crop points (N, 2), interpolated."""
        size = self.probability.shape[-1]
        at = np.clip(at, 0, size - 1)
        low = np.minimum(at.astype(int), size - 2)
        u, v = (at - low).astype(np.float32).T
        x, y = low.T
        p = self.probability
        top = p[:, y, x] * (1 - u) + p[:, y, x + 1] * u
        bottom = p[:, y + 1, x] * (1 - u) + p[:, y + 1, x + 1] * u
        mixed: NDArray[np.float32] = top * (1 - v) + bottom * v
        return mixed


class FaceParser(Protocol):
    """Finds the parts of one face whose landmarks are known."""

    def parse(self, pixels: NDArray[np.uint8], points68: FloatArray) -> FaceParts:
        """Parts of the face with these landmarks, (68, 2) pixels, in an (H, W, 3) sRGB photo."""
        ...

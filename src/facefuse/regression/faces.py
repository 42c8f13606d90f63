"""What a regression says about one face."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from facefuse.geometry.cameras import ScaledOrthographicCamera
from facefuse.morphable.model import FaceModel

FloatArray = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class RegressedFace:
    """What a network says about one face.

    Attributes
    ----------
    identity : (K,) float
        Coefficients of all the model's modes, N(0, 1); zero for those the network does not know.
    expression : (E,) float
        Weights in [0, 1].
    camera : ScaledOrthographicCamera
        Model millimetres to pixels of the full photo.
    """

    identity: FloatArray
    expression: FloatArray
    camera: ScaledOrthographicCamera

    def landmarks(self, model: FaceModel) -> FloatArray:
        """The model's 68 landmarks (68, 3), model frame, with the face's expression."""
        return np.asarray(model.landmarks(model.vertices(self.identity, self.expression)), dtype=float)

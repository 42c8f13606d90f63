"""What becomes of coefficients when a face is mirrored."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from facefuse.morphable.model import FaceModel

FloatArray = npt.NDArray[np.floating[Any]]


def mode_parity(model: FaceModel) -> FloatArray:
    """+1 for each identity mode (K,) that is mirror symmetric, -1 for each that changes sign."""
    modes = np.asarray(model.identity)
    mirrored = modes[:, np.asarray(model.symmetric)] * np.array([-1.0, 1.0, 1.0])
    parity: FloatArray = np.sign((modes * mirrored).sum(axis=(1, 2)))
    return parity


def mirrored_names(names: tuple[str, ...]) -> npt.NDArray[np.intp]:
    """Index of each expression's mirror image (``…Left`` and ``…Right`` trade places)."""
    swapped = [
        name[:-4] + "Right" if name.endswith("Left") else name[:-5] + "Left" if name.endswith("Right") else name
        for name in names
    ]
    return np.array([names.index(name) for name in swapped], dtype=np.intp)

"""Eyes that are shut: the 68 landmarks of training labels stay open, the mesh points of the same faces do not.

Over the frontal AFLW faces the opening of the 68 points does not depend on the blink score (correlation -0.09), that of
MediaPipe's mesh points does (-0.81); networks learn either habit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]

OPEN = 0.25
"""Opening of the mesh's lids over the eye's width from which on an eye counts as open; most such have 0.3 to 0.4."""

SHUT = 0.1
"""Share of its opening that a wholly shut eye keeps."""

UPPER_LIDS = (37, 38, 43, 44)
"""The 68 landmarks that say nothing of whether an eye is shut."""

# upper and lower lid of the 68, upper and lower lid of the mesh, its corners; right eye, left eye
_EYES = (
    ((37, 38), (41, 40), (160, 158), (144, 153), (33, 133)),
    ((43, 44), (47, 46), (385, 387), (380, 373), (362, 263)),
)


def closed_lids(points68: FloatArray, mesh: FloatArray, mesh_indices: npt.NDArray[np.integer[Any]]) -> FloatArray:
    """Move upper lids down to the lower ones as far as the mesh says; eyes that are open stay as they are.

    Parameters
    ----------
    points68 : (..., 68, 2) float
    mesh : (..., M, 2) float
        Mesh points in the same frame; NaN where there are none.
    mesh_indices : (M,) int
        Which of MediaPipe's mesh points they are; without those of the lids nothing is moved.

    Returns
    -------
    (..., 68, 2) float
        A copy.
    """
    place = {int(index): k for k, index in enumerate(mesh_indices)}
    out = np.array(points68)
    for upper, lower, *wanted in _EYES:
        if not all(index in place for group in wanted for index in group):
            continue
        above, below, corners = (mesh[..., [place[index] for index in group], :] for group in wanted)
        gap = np.linalg.norm(above.mean(-2) - below.mean(-2), axis=-1)
        width = np.linalg.norm(corners[..., 0, :] - corners[..., 1, :], axis=-1)
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.nan_to_num(np.clip(gap / (OPEN * width), SHUT, 1.0), nan=1.0)[..., None, None]
        rest, lid = out[..., lower, :], out[..., upper, :]
        out[..., upper, :] = np.where(share < 1.0, rest + share * (lid - rest), lid)
    return out

"""How far two reconstructions of the same person differ: meshes of one topology after similarity alignment."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from facefuse.evaluation.scan import DistanceSummary
from facefuse.geometry.alignment import similarity_from_points

FloatArray = npt.NDArray[np.floating[Any]]


def mesh_agreement(
    first: FloatArray, second: FloatArray, mask: npt.NDArray[np.bool_] | None = None, with_scale: bool = True
) -> DistanceSummary:
    """Distance between corresponding vertices of two heads after the best similarity.

    Parameters
    ----------
    first, second : (V, 3) float
        Vertices of the same mesh, mm.
    mask : (V,) bool, optional
        The vertices that are aligned and measured, such as `FaceModel.face_mask`; all if absent.
    with_scale : bool
        Whether scale is free (photos without a known distance do not tell it).

    Returns
    -------
    DistanceSummary
        In the unit of ``second``.

    Raises
    ------
    ValueError
        If the meshes differ in their number of vertices.
    """
    chosen = slice(None) if mask is None else np.asarray(mask, dtype=bool)
    a, b = np.asarray(first, dtype=float)[chosen], np.asarray(second, dtype=float)[chosen]
    moved = similarity_from_points(a, b, with_scale=with_scale).apply(a)
    return DistanceSummary.of(np.linalg.norm(moved - b, axis=1))

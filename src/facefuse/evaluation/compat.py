"""The metric in which DF-MVR's released code states its figures (Zhao et al., arXiv 2204.03842), for comparison only.

It is a trimmed NoW evaluation with three differences: the fifth landmark is the tip of the nose and not the subnasale,
which shifts and widens the region measured; scale is always free; and what is published as RMSE is the mean of the
unsigned distances. `facefuse.evaluation.scan` holds the protocol to prefer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from facefuse.errors import UnusableInput
from facefuse.evaluation.scan import ScanResult, scan_to_mesh
from facefuse.evaluation.surface import TriangleSurface
from facefuse.geometry.mesh import Mesh

FloatArray = npt.NDArray[np.floating[Any]]

COMPAT_LANDMARKS = (36, 39, 42, 45, 30, 48, 54)
"""The seven points among the 68 iBUG ones: as NoW's, but with the tip of the nose."""

REGION_SCALE = 1.4
"""The region's radius over the mean of the eyes' width and the nose's length."""

_NOSE_REACH, _NOSE_HALF_WIDTH = 0.45, 0.12
"""Where the tip of the nose is looked for about the subnasale, in widths between the outer eye corners."""


def nose_tip(vertices: FloatArray, landmarks: FloatArray) -> FloatArray:
    """Find the tip of the nose on a scan: the most protruding vertex near the midline above the upper lip.

    Parameters
    ----------
    vertices : (S, 3) float
        Of the scan.
    landmarks : (7, 3) float
        Of the scan, in the order of `NOW_LANDMARKS`.

    Returns
    -------
    (3,) float

    Raises
    ------
    UnusableInput
        If the scan has no vertex there.
    """
    right, forward, width = _face_axes(landmarks)
    offset = np.asarray(vertices, dtype=float) - landmarks[4]
    along = offset @ right
    near = (np.abs(along) < _NOSE_HALF_WIDTH * width) & (np.linalg.norm(offset, axis=1) < _NOSE_REACH * width)
    if not near.any():
        raise UnusableInput("the scan has no vertex at the nose; do its landmarks belong to it, in the same unit?")
    candidates = np.flatnonzero(near)
    tip: FloatArray = np.asarray(vertices, dtype=float)[candidates[np.argmax(offset[candidates] @ forward)]]
    return tip


def compat_region(vertices: FloatArray, landmarks: FloatArray) -> npt.NDArray[np.bool_]:
    """Choose the scan vertices that are measured.

    A ball about ``n + 0.3 (b - n)``, where n is the fifth landmark and b lies midway between the inner eye corners; its
    radius is 1.4 times the mean of ``|b - n|`` and the distance between the outer eye corners.

    Parameters
    ----------
    vertices : (S, 3) float
    landmarks : (7, 3) float
        In the order of `COMPAT_LANDMARKS`.

    Returns
    -------
    (S,) bool
    """
    nose, bridge = landmarks[4], (landmarks[1] + landmarks[2]) / 2
    length, width = np.linalg.norm(bridge - nose), np.linalg.norm(landmarks[3] - landmarks[0])
    distance = np.linalg.norm(np.asarray(vertices, dtype=float) - (nose + 0.3 * (bridge - nose)), axis=1)
    inside: npt.NDArray[np.bool_] = distance <= REGION_SCALE * (length + width) / 2
    return inside


def compat_distance(
    prediction: Mesh,
    prediction_landmarks: FloatArray,
    scan_vertices: FloatArray,
    scan_landmarks: FloatArray,
    surface: TriangleSurface | None = None,
) -> ScanResult:
    """Measure a prediction in DF-MVR's way; its published figure is the mean of ``summary``.

    Parameters
    ----------
    prediction : Mesh
        Any unit.
    prediction_landmarks : (7, 3) float
        In the order of `COMPAT_LANDMARKS`.
    scan_vertices : (S, 3) float
        Millimetres.
    scan_landmarks : (7, 3) float
        In the order of `NOW_LANDMARKS`, as landmark files have them; the tip of the nose is found on the scan.
    surface : TriangleSurface, optional
        The prediction's, where it is measured more than once.

    Returns
    -------
    ScanResult
        Over the vertices of `compat_region`; every one of them takes part in the refinement.

    Raises
    ------
    UnusableInput
        If the scan has no vertex at the nose.
    """
    landmarks = np.array(scan_landmarks, dtype=float)
    landmarks[4] = nose_tip(scan_vertices, scan_landmarks)
    inside = compat_region(scan_vertices, landmarks)
    points = np.asarray(scan_vertices)[inside]
    return scan_to_mesh(prediction, points, prediction_landmarks, landmarks, keep=1.0, surface=surface)


def _face_axes(landmarks: FloatArray) -> tuple[FloatArray, FloatArray, float]:
    """Unit vectors to the subject's left and out of the face, and the width between the outer eye corners."""
    across = landmarks[3] - landmarks[0]
    up = landmarks[:4].mean(axis=0) - landmarks[5:].mean(axis=0)
    width = float(np.linalg.norm(across))
    left = across / width
    forward = np.cross(left, up)
    return left, forward / np.linalg.norm(forward), width

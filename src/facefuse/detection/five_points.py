"""The crop of Deep3DFaceRecon (Deng et al., CVPRW 2019), which DF-MVR shares, from five points of the face.

Five template points are brought to the image by weak perspective; the crop is centred on where their origin falls, and
its side follows the scale: one decimetre of the face spans 102 of 224 pixels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facefuse.detection.crop import Square
from facefuse.errors import UnusableInput

FloatArray = NDArray[np.floating]

CROP_SIZE = 224
PIXELS_PER_DECIMETRE = 102.0

TEMPLATE = np.array(
    [
        [-0.3115, 0.2904, 0.1338],
        [0.3098, 0.2897, 0.1318],
        [0.0033, -0.0462, 0.5524],
        [-0.2522, -0.3813, 0.2241],
        [0.2485, -0.3813, 0.2224],
    ]
)
"""Centres of the eyes (image left, image right), nose tip, mouth corners (left, right); decimetres, y up, z out."""


def five_points(points68: FloatArray) -> FloatArray:
    """Five points of (..., 68, D) landmarks, in the order of `TEMPLATE`: (..., 5, D).

    The centre of an eye is midway between its corners.
    """
    p = np.asarray(points68, dtype=float)
    right, left = (p[..., 36, :] + p[..., 39, :]) / 2, (p[..., 42, :] + p[..., 45, :]) / 2
    return np.stack([right, left, p[..., 30, :], p[..., 48, :], p[..., 54, :]], axis=-2)


def aligned_square(points5: FloatArray) -> Square:
    """Place the crop of a face.

    Parameters
    ----------
    points5 : (5, 2) float
        Pixels of the photo, in the order of `TEMPLATE` (as `DetectedFace.points5`).

    Returns
    -------
    Square
        Upright; `cut_square` with `CROP_SIZE` cuts it, and its methods convert points between crop and photo.

    Raises
    ------
    UnusableInput
        If the points are not finite or fall together.

    Notes
    -----
    Weak perspective by least squares over eight unknowns, two rows ``r`` and two offsets; the scale is the mean length
    of the rows. Upstream cuts at whole pixels of the resized image; here the place is exact.
    """
    points = np.asarray(points5, dtype=float)
    if points.shape != (5, 2) or not np.isfinite(points).all():
        raise UnusableInput(f"expected five finite points of a face, found an array of shape {points.shape}")
    up = points * np.array([1.0, -1.0])
    system = np.concatenate([TEMPLATE, np.ones((5, 1))], axis=1)
    solution = np.linalg.lstsq(system, up, rcond=None)[0]
    scale = float(np.linalg.norm(solution[:3], axis=0).mean())
    if not scale > 0:
        raise UnusableInput("the five points of the face fall together; give points of one face in pixels")
    return Square(solution[3] * np.array([1.0, -1.0]), scale * CROP_SIZE / PIXELS_PER_DECIMETRE)

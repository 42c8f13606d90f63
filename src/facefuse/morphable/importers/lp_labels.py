"""Labels of 300W-LP and AFLW2000-3D (``.mat``) as parameters of 3DDFA and 2DASL, and back.

``Pose_Para`` is (pitch, yaw, roll, t_x, t_y, t_z, f), radians and pixels. With R = R_x R_y R_z made of the transposed
elementary matrices, a landmark of the shape S (micrometres) lies at ``V = f R S + t`` with y upwards, that is at image
x ``V_x`` and image y ``H + 1 - V_y`` in MATLAB's pixels (top-left (1, 1); H is the height of the photo).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from facefuse.morphable.importers.bfm_3ddfa import FLIP_Y

FloatArray = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class CropMap:
    """Where a pixel of the photo lies in a crop: ``crop = scale · photo + offset``, photo in MATLAB's pixels.

    Attributes
    ----------
    scale : float
        Crop pixels per photo pixel.
    offset : (2,) float
        x, y.
    """

    scale: float
    offset: FloatArray


def published_map(box: FloatArray, size: int = 120) -> CropMap:
    """The map of the authors for a square box (sx, sy, ex, ey): ``(x - sx) · size / (ex - sx)``."""
    scale = size / float(box[2] - box[0])
    return CropMap(scale, -scale * np.asarray(box[:2], dtype=float))


def exact_map(box: FloatArray, size: int = 120) -> CropMap:
    """The map from geometry for a square of inclusive first and last pixels (x0, y0, x1, y1).

    Crop coordinates count from the centre of the top-left crop pixel, which covers ``1 / scale`` photo pixels.
    """
    scale = size / float(box[2] - box[0] + 1)
    return CropMap(scale, scale * (0.5 - np.asarray(box[:2], dtype=float)) - 0.5)


def euler_matrix(pitch: float, yaw: float, roll: float) -> FloatArray:
    """R_x(pitch) R_y(yaw) R_z(roll) of MATLAB's transposed elementary matrices, radians: (3, 3)."""
    cx, sx, cy, sy, cz, sz = (f(a) for a in (pitch, yaw, roll) for f in (math.cos, math.sin))
    about_x = np.array([[1, 0, 0], [0, cx, sx], [0, -sx, cx]])
    about_y = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
    about_z = np.array([[cz, sz, 0], [-sz, cz, 0], [0, 0, 1]])
    return np.asarray(about_x @ about_y @ about_z)


def matrix_angles(matrix: FloatArray) -> FloatArray:
    """Pitch, yaw and roll (radians) of a scaled rotation matrix (3, 3), inverse of `euler_matrix`; |yaw| up to 90°."""
    first = matrix[0] / np.linalg.norm(matrix[0])
    second = matrix[1] / np.linalg.norm(matrix[1])
    third = np.cross(first, second)
    yaw = -math.asin(float(np.clip(first[2], -1.0, 1.0)))
    return np.array([math.atan2(second[2], third[2]), yaw, math.atan2(first[1], first[0])])


def pose_to_label(pose: FloatArray, height: int, crop: CropMap) -> FloatArray:
    """The 12 pose parameters, row-major ``[P | t]``, of ``Pose_Para`` (7,) in a crop.

    Parameters
    ----------
    pose : (7,) float
    height : int
        Of the photo in pixels.
    crop : CropMap

    Returns
    -------
    (12,) float
    """
    matrix = crop.scale * pose[6] * euler_matrix(pose[0], pose[1], pose[2])
    x = crop.scale * pose[3] + crop.offset[0]
    y = crop.scale * (height + 1 - pose[4]) + crop.offset[1]
    shift = np.array([x, FLIP_Y - y, crop.scale * pose[5]])
    return np.concatenate([matrix, shift[:, None]], axis=1).reshape(12)


def label_to_pose(label: FloatArray, height: int, crop: CropMap) -> FloatArray:
    """``Pose_Para`` (7,) of 12 pose parameters: inverse of `pose_to_label` for |yaw| up to 90°."""
    rows = np.asarray(label, dtype=float).reshape(3, 4)
    scale = np.linalg.norm(rows[:2, :3], axis=1).mean()
    x = (rows[0, 3] - crop.offset[0]) / crop.scale
    y = height + 1 - (FLIP_Y - rows[1, 3] - crop.offset[1]) / crop.scale
    return np.array([*matrix_angles(rows[:, :3]), x, y, rows[2, 3] / crop.scale, scale / crop.scale])

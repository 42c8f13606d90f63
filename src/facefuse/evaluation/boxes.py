"""Face boxes: the square about landmarks, and overlap."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]


def square_box(points: FloatArray) -> FloatArray:
    """Return the square (4,) x0, y0, x1, y1 about (P, 2) landmarks: centre and longer side of their tight box."""
    low, high = points.min(axis=0), points.max(axis=0)
    centre, half = (low + high) / 2, (high - low).max() / 2
    return np.concatenate([centre - half, centre + half])


def box_iou(box: FloatArray, others: FloatArray) -> FloatArray:
    """Intersection over union of a box (4,) with (M, 4) others: (M,)."""
    others = np.asarray(others, dtype=float).reshape(-1, 4)
    common = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    intersection = np.clip(common, 0, None).prod(axis=1)
    area = np.prod(box[2:] - box[:2]) + np.prod(others[:, 2:] - others[:, :2], axis=1) - intersection
    overlap: FloatArray = np.divide(intersection, area, out=np.zeros_like(intersection), where=area > 0)
    return overlap

"""Similarity alignment of point sets (Umeyama, PAMI 1991)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Similarity:
    """``y = scale * rotation @ x + translation``.

    Attributes
    ----------
    scale : float
    rotation : (3, 3) or (2, 2) float
    translation : (3,) or (2,) float
    """

    scale: float
    rotation: FloatArray
    translation: FloatArray

    def apply(self, points: FloatArray) -> FloatArray:
        """Transform (..., D) points."""
        return np.asarray(self.scale * points @ self.rotation.T + self.translation)

    def inverse(self) -> Similarity:
        """Return the inverse transform."""
        rotation = self.rotation.T
        return Similarity(1 / self.scale, rotation, -(rotation @ self.translation) / self.scale)

    def compose(self, first: Similarity) -> Similarity:
        """Return the transform that applies ``first``, then this one."""
        return Similarity(self.scale * first.scale, self.rotation @ first.rotation, self.apply(first.translation))


def similarity_from_points(
    source: FloatArray, target: FloatArray, weights: FloatArray | None = None, with_scale: bool = True
) -> Similarity:
    """Least-squares similarity that takes ``source`` to ``target``; never a reflection.

    Parameters
    ----------
    source, target : (N, D) float
        Corresponding points, N ≥ D.
    weights : (N,) float, optional
        Non-negative weights.
    with_scale : bool
        Whether scale is free; otherwise it is one.

    Returns
    -------
    Similarity

    Raises
    ------
    ValueError
        If the shapes differ or there are fewer points than dimensions.
    """
    if source.shape != target.shape or source.ndim != 2 or len(source) < source.shape[1]:
        raise ValueError(f"expected two (N, D) arrays with N >= D, found {source.shape} and {target.shape}")
    w = np.ones(len(source)) if weights is None else np.asarray(weights, dtype=float)
    w = w / w.sum()
    source_mean, target_mean = w @ source, w @ target
    a, b = source - source_mean, target - target_mean
    u, s, vt = np.linalg.svd((b * w[:, None]).T @ a)
    sign = np.ones(len(s))
    if np.linalg.det(u) * np.linalg.det(vt) < 0:
        sign[-1] = -1
    rotation = (u * sign) @ vt
    scale = float((s * sign).sum() / (w @ (a * a).sum(1))) if with_scale else 1.0
    return Similarity(scale, rotation, target_mean - scale * rotation @ source_mean)

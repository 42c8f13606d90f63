"""Smoothing and filling colours over the head's surface, across the seams of the texture."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.linalg import splu

from facefuse.morphable.model import FaceModel

FloatArray = npt.NDArray[np.floating[Any]]


class SurfaceFilter:
    """Screened Poisson smoothing on the mean head: ``(M + length² L) x = M f``.

    M holds the vertices' areas, L is the cotangent Laplacian with negative weights clamped, so that every result is
    a weighted mean of the data and never overshoots. The factorisations are kept.

    Parameters
    ----------
    model : FaceModel
    """

    def __init__(self, model: FaceModel) -> None:
        vertices, triangles = np.asarray(model.mean, np.float64), np.asarray(model.triangles)
        count = len(vertices)
        rows, columns, values = [], [], []
        area = np.zeros(count)
        for k in range(3):
            i, j, o = triangles[:, k], triangles[:, (k + 1) % 3], triangles[:, (k + 2) % 3]
            a, b = vertices[i] - vertices[o], vertices[j] - vertices[o]
            double = np.linalg.norm(np.cross(a, b), axis=1)
            cotangent = np.clip((a * b).sum(1) / np.maximum(double, 1e-9), 0.02, 20.0) / 2
            rows += [i, j]
            columns += [j, i]
            values += [cotangent, cotangent]
            area += np.bincount(i, double / 6, minlength=count)
        adjacency = sparse.coo_matrix(
            (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), (count, count)
        ).tocsr()
        self._laplacian = sparse.diags(np.asarray(adjacency.sum(1)).ravel()) - adjacency
        self.area = np.maximum(area, 1e-6)
        self._factors: dict[float, Any] = {}

    def smooth(self, values: FloatArray, length: float) -> FloatArray:
        """Smooth (V, C) values over about ``length`` mm, areas as weights."""
        factor = self._factors.get(length)
        if factor is None:
            system = (sparse.diags(self.area) + length**2 * self._laplacian).tocsc()
            factor = splu(system, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
            self._factors[length] = factor
        out: FloatArray = factor.solve(values * self.area[:, None])
        return out

    def fill(self, values: FloatArray, weights: FloatArray, length: float, anchor: float = 0.0) -> FloatArray:
        """Weighted mean of the data around each vertex (normalised convolution).

        Parameters
        ----------
        values : (V, C) float
        weights : (V,) float
            Trust in each value, 0 where there is none.
        length : float
            Reach in mm.
        anchor : float
            Weight of zero everywhere: far from all data the result tends to zero.

        Returns
        -------
        (V, C) float
        """
        both = self.smooth(np.column_stack((values * weights[:, None], weights)), length)
        out: FloatArray = both[:, :-1] / (np.maximum(both[:, -1:], 0) + max(anchor, 1e-12))
        return out


_CACHE: OrderedDict[int, tuple[FaceModel, SurfaceFilter]] = OrderedDict()


def surface_filter_of(model: FaceModel) -> SurfaceFilter:
    """Return the filter of a model, kept for the last two models."""
    kept = _CACHE.get(id(model))
    if kept is None or kept[0] is not model:
        kept = (model, SurfaceFilter(model))
        _CACHE[id(model)] = kept
        while len(_CACHE) > 2:
            _CACHE.popitem(last=False)
    return kept[1]

"""Smoothing and filling colours over the head's surface, across the seams of the texture."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from facefuse.morphable.model import FaceModel
from facefuse.texturing import elimination

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]

NEAR_MM, SKIN_MM, FAR_MM = 5.0, 20.0, 35.0
"""Reach of details and photo matching, of skin and hairline, and of hair and the balance of the sides."""


class SurfaceFilter:
    """Screened Poisson smoothing on the mean head: ``(M + length² L) x = M f``.

    M holds the vertices' areas, L is the cotangent Laplacian with negative weights clamped, so that every result is
    a weighted mean of the data and never overshoots. The factorisations of the three usual lengths are made at once.

    Parameters
    ----------
    model : FaceModel
    """

    def __init__(self, model: FaceModel) -> None:
        vertices, triangles = np.asarray(model.mean, np.float64), np.asarray(model.triangles)
        count = len(vertices)
        codes, cotangents = [], []
        area = np.zeros(count)
        for k in range(3):
            i, j, o = triangles[:, k], triangles[:, (k + 1) % 3], triangles[:, (k + 2) % 3]
            a, b = (vertices[i] - vertices[o]).T, (vertices[j] - vertices[o]).T
            cross = a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]
            double = np.sqrt(cross[0] ** 2 + cross[1] ** 2 + cross[2] ** 2)
            cotangents.append(np.clip((a * b).sum(0) / np.maximum(double, 1e-9), 0.02, 20.0) / 2)
            codes.append(np.minimum(i, j) * count + np.maximum(i, j))
            area += np.bincount(i, double / 6, minlength=count)
        self.area = np.maximum(area, 1e-6)
        # the two triangles at an edge add up
        code, edge = np.unique(np.concatenate(codes), return_inverse=True)
        weight = np.bincount(edge, np.concatenate(cotangents))
        edges = np.stack((code // count, code % count), axis=1)
        self._order = elimination.dissection(vertices, edges)
        place = np.empty(count, np.int64)
        place[self._order] = np.arange(count)
        one, other = place[edges].T
        code = np.concatenate((one * count + other, other * count + one))
        by_row = np.argsort(code)
        self._column = (code[by_row] % count).astype(np.int32)
        self._start = np.searchsorted(code[by_row], np.arange(count + 1) * count).astype(np.int32)
        self._weight = np.tile(weight, 2)[by_row]
        self._parent, self._first = np.empty(count, np.int32), np.empty(count + 1, np.int32)
        elimination.count_entries(self._start, self._column, self._parent, self._first)
        self._factors: dict[float, _Factor] = {}
        self._prepare((NEAR_MM, SKIN_MM, FAR_MM))

    def smooth(self, values: FloatArray, length: float) -> FloatArray:
        """Smooth (V, C) values over about ``length`` mm, areas as weights."""
        if length not in self._factors:
            self._prepare((length, length, length))
        factor = self._factors[length]
        inner = np.ascontiguousarray((values * self.area[:, None])[self._order], np.float64)
        elimination.solve(self._first, factor.row, factor.lower, factor.diagonal, factor.kind, inner)
        out = np.empty_like(inner)
        out[self._order] = inner
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

    def _prepare(self, lengths: tuple[float, float, float]) -> None:
        count, entries = len(self.area), int(self._first[-1])
        row, lower, diagonal = np.empty(entries, np.int32), np.empty((entries, 3)), np.empty((count, 3))
        elimination.factorize(
            self._start, self._column, self._weight, self.area[self._order], np.square(lengths),
            self._parent, self._first, row, lower, diagonal,
        )  # fmt: skip
        self._factors |= {length: _Factor(row, lower, diagonal, kind) for kind, length in enumerate(lengths)}


@dataclass(frozen=True)
class _Factor:
    """One of the factorisations that were made together: see :func:`facefuse.texturing.elimination.factorize`."""

    row: IntArray
    lower: FloatArray
    diagonal: FloatArray
    kind: int


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

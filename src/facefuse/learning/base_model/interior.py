"""Mouth interior: gums with tongue, and teeth, remeshed coarsely from ICT's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from facefuse.learning.base_model.curves import boundary_edges, trace_curves
from facefuse.learning.base_model.ict import TOOTH_STARTS, IctModel
from facefuse.learning.base_model.remesh import remesh
from facefuse.learning.base_model.skin import Part, cut_by_plane, half_of, local_edge_length, mirror_part
from facefuse.learning.base_model.surface import Surface, limit_gradient

Floats = NDArray[np.float64]

UPPER, LOWER = 0, 1
CROWN_HEIGHT = {UPPER: 12.0, LOWER: 11.0}
"""Teeth are cut this far (mm) from their biting end; the rest is inside the gums."""
INCISOR_EDGE, MOLAR_EDGE = 2.6, 4.6
"""Edge lengths (mm) of front teeth and molars."""


def build_gums(ict: IctModel, target: int = 480) -> Part:
    """Remesh gums and tongue with about ``target`` vertices."""
    triangles, label = half_of(ict, {"gums": 0})
    used, flat = np.unique(triangles, return_inverse=True)
    pick = _selection(used, len(ict.mean))
    triangles = flat.reshape(-1, 3)
    surface = Surface.build(pick @ ict.mean, triangles, label)
    size = limit_gradient(np.clip(1.5 * local_edge_length(surface), 2.0, 6.0), surface.graph(), 0.3)
    on_triangle = size[surface.triangles].mean(1)
    expected = 2 * (surface.areas() / (np.sqrt(3) / 2 * on_triangle**2)).sum()
    curves = trace_curves(surface.points, boundary_edges(triangles), set())
    half = remesh(surface, curves, on_triangle * np.sqrt(expected / target))
    return mirror_part(half, pick, surface, ict)


def build_teeth(ict: IctModel) -> Part:
    """Remesh the crowns of 28 teeth (no wisdom teeth); labels tell upper from lower."""
    parts = []
    everything = ict.triangles("teeth")
    for jaw, first in ((UPPER, 0), (LOWER, 16)):
        for k in range(1, 8):  # third molar left out
            start, end = TOOTH_STARTS[first + k], TOOTH_STARTS[first + k + 1]
            triangles = everything[((everything >= start) & (everything < end)).all(1)]
            parts.append(_tooth(ict, triangles, jaw, molar=k <= 2))
    return join_parts(parts)


def _tooth(ict: IctModel, triangles: NDArray[np.int64], jaw: int, molar: bool) -> Part:
    sign = -1.0 if jaw == UPPER else 1.0  # direction of the biting end along y
    end = (sign * ict.mean[triangles.ravel(), 1]).max()
    point = np.array([0.0, sign * (end - CROWN_HEIGHT[jaw]), 0.0])
    label = np.full(len(triangles), jaw)
    transfer, triangles, label = cut_by_plane(ict.mean, triangles, label, point, np.array([0.0, sign, 0.0]))
    surface = Surface.build(transfer @ ict.mean, triangles, label)
    curves = trace_curves(surface.points, boundary_edges(triangles), set())
    size = np.full(len(triangles), MOLAR_EDGE if molar else INCISOR_EDGE)
    return mirror_part(remesh(surface, curves, size, iterations=10), transfer, surface, ict)


def join_parts(parts: list[Part]) -> Part:
    """Put parts one after the other."""
    offsets = np.cumsum([0, *(part.transfer.shape[0] for part in parts)])
    return Part(
        sparse.vstack([part.transfer for part in parts]).tocsr(),
        np.concatenate([part.triangles + o for part, o in zip(parts, offsets, strict=False)]),
        np.concatenate([part.label for part in parts]),
        np.concatenate([part.mirror + o for part, o in zip(parts, offsets, strict=False)]),
        np.concatenate([part.rim for part in parts]),
    )


def _selection(used: NDArray[np.int64], count: int) -> sparse.csr_matrix:
    return sparse.csr_matrix((np.ones(len(used)), (np.arange(len(used)), used)), shape=(len(used), count))

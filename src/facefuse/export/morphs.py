"""Morph targets: where each expression moves the surface, and how its normals turn."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from facefuse.export import kernels
from facefuse.export.parts import Part, split_parts
from facefuse.morphable.model import FaceModel

FloatArray = npt.NDArray[np.floating[Any]]
Float32Array = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.integer[Any]]

STILL_MM = 0.01
"""Displacements below this many millimetres are left out of files."""
STILL_NORMAL = 0.01
"""Normals that turn by less than this (about half a degree) on the mean head are left out of files."""


@dataclass(frozen=True)
class Target:
    """One expression on one part: what does not depend on whose head it is.

    Attributes
    ----------
    moved : (n,) int
        Split vertices of the part that the expression moves, ascending.
    displacement : (n, 3) float32
        Their displacement at weight one, millimetres.
    turned : (m,) int
        Split vertices whose normals it turns, ascending.
    rows : (m,) int
        Their rows in :meth:`Morphs.normal_changes`.
    """

    moved: IntArray
    displacement: Float32Array
    turned: IntArray
    rows: IntArray


@dataclass(frozen=True)
class _Listed:
    """What the expressions move, listed expression by expression: see :func:`facefuse.export.kernels.turn_normals`."""

    triangles: IntArray
    expressions: Float32Array
    moving: npt.NDArray[np.bool_]
    face: IntArray
    face_start: IntArray
    vertex: IntArray
    vertex_start: IntArray

    def normal_changes(self, vertices: FloatArray) -> Float32Array:
        changes = np.empty((len(self.vertex), 3), np.float32)
        kernels.turn_normals(
            np.ascontiguousarray(vertices, np.float32),
            self.triangles,
            self.expressions,
            self.moving,
            self.face,
            self.face_start,
            self.vertex,
            self.vertex_start,
            changes,
        )
        return changes


@dataclass(frozen=True)
class Morphs:
    """The expressions of a model as sparse morph targets.

    Attributes
    ----------
    parts : tuple of Part
    targets : tuple of tuple of Target
        By part, then by expression.
    """

    parts: tuple[Part, ...]
    targets: tuple[tuple[Target, ...], ...]
    _listed: _Listed

    def normal_changes(self, vertices: FloatArray) -> Float32Array:
        """Return the changes of unit normals at weight one on a neutral head: (V, 3) mm to (N, 3)."""
        return self._listed.normal_changes(vertices)


_KEPT: OrderedDict[int, tuple[FaceModel, Morphs]] = OrderedDict()


def morphs_of(model: FaceModel) -> Morphs:
    """Return the morph targets of a model, kept for the last two models."""
    kept = _KEPT.get(id(model))
    if kept is None or kept[0] is not model:
        kept = _KEPT[id(model)] = (model, build_morphs(model))
        while len(_KEPT) > 2:
            _KEPT.popitem(last=False)
    return kept[1]


def build_morphs(model: FaceModel) -> Morphs:
    """Find what each expression moves and turns, and where that is among the split vertices of each part."""
    listed = _list_moved(model)
    changes = listed.normal_changes(model.mean)
    turning = np.square(changes[:, 0]) + np.square(changes[:, 1]) + np.square(changes[:, 2]) > STILL_NORMAL**2
    parts = split_parts(model)
    by_part: list[list[Target]] = [[] for _ in parts]
    row = np.empty(model.vertex_count, np.intp)
    for displacement, moving, first, end in zip(
        listed.expressions, listed.moving, listed.vertex_start[:-1], listed.vertex_start[1:], strict=True
    ):
        row[:] = -1
        turned = first + np.flatnonzero(turning[first:end])
        row[listed.vertex[turned]] = turned
        for part, targets in zip(parts, by_part, strict=True):
            moved = np.flatnonzero(moving.take(part.vertex))
            part_row = row.take(part.vertex)
            part_turned = np.flatnonzero(part_row >= 0)
            moved_by = displacement.take(part.vertex.take(moved), axis=0)
            targets.append(Target(moved, moved_by, part_turned, part_row.take(part_turned)))
    return Morphs(parts, tuple(tuple(targets) for targets in by_part), listed)


def _list_moved(model: FaceModel) -> _Listed:
    triangles = np.ascontiguousarray(model.triangles, np.int32)
    expressions = np.ascontiguousarray(model.expression, np.float32)
    moving = np.zeros(expressions.shape[:2], bool)
    for axis in range(3):
        moving |= np.abs(expressions[:, :, axis]) > STILL_MM
    touched = moving.take(triangles[:, 0], axis=1)
    for k in (1, 2):
        touched |= moving.take(triangles[:, k], axis=1)
    of_face, face = np.nonzero(touched)
    about = np.zeros_like(moving)
    for k in range(3):
        about[of_face, triangles[face, k]] = True
    of_vertex, vertex = np.nonzero(about)
    numbers = np.arange(len(expressions) + 1)
    starts = np.searchsorted(of_face, numbers), np.searchsorted(of_vertex, numbers)
    return _Listed(triangles, expressions, moving, face, starts[0], vertex, starts[1])

"""Morph targets: where each expression moves the surface, and how its normals turn."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

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
class _Copies:
    """For each expression its own copies of the triangles about what it moves, all in one: normals in one go.

    Attributes
    ----------
    vertex : (T,) int
        The vertex of the model behind each copied vertex.
    displacement : (3, T) float32
        How far its expression moves it, millimetres.
    face : (G,) int
        The triangle of the model behind each copied triangle.
    corners : (3, G) int
        Its copied vertices.
    first : (E + 1,) int
        Where the copied vertices of each expression begin.
    """

    vertex: IntArray
    displacement: Float32Array
    face: IntArray
    corners: IntArray
    first: IntArray

    def normal_changes(self, vertices: FloatArray, triangles: IntArray) -> Float32Array:
        """Return how the unit normal of each copied vertex changes at weight one: (V, 3), (F, 3) to (3, T)."""
        base = np.ascontiguousarray(np.asarray(vertices, dtype=np.float32).T)
        all_corners = np.ascontiguousarray(triangles.T)
        face_normals = _cross(base, all_corners)
        sums = _scatter(face_normals, all_corners, base.shape[1])
        turned = _cross(base.take(self.vertex, axis=1) + self.displacement, self.corners)
        change = _scatter(turned - face_normals.take(self.face, axis=1), self.corners, len(self.vertex))
        return _unit(sums.take(self.vertex, axis=1) + change) - _unit(sums).take(self.vertex, axis=1)


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
    _triangles: IntArray
    _copies: _Copies
    _turning: IntArray

    def normal_changes(self, vertices: FloatArray) -> Float32Array:
        """Return the changes of unit normals at weight one on a neutral head: (V, 3) mm to (N, 3)."""
        changes = self._copies.normal_changes(vertices, self._triangles)
        return np.ascontiguousarray(changes.take(self._turning, axis=1).T)


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
    triangles = np.asarray(model.triangles)
    copies = _copies(model, triangles)
    changes = copies.normal_changes(np.asarray(model.mean), triangles)
    turning = np.flatnonzero(np.square(changes).sum(0) > STILL_NORMAL**2)
    moving = np.flatnonzero((np.abs(copies.displacement) > STILL_MM).any(0))
    parts = split_parts(model)
    by_part: list[list[Target]] = [[] for _ in parts]
    for first, end in zip(copies.first[:-1], copies.first[1:], strict=True):
        low, high = np.searchsorted(turning, (first, end))
        turned = _positions(copies.vertex[turning[low:high]], model.vertex_count)
        here = moving[slice(*np.searchsorted(moving, (first, end)))]
        moved = _positions(copies.vertex[here], model.vertex_count)
        for part, targets in zip(parts, by_part, strict=True):
            row = moved.take(part.vertex)
            index = np.flatnonzero(row >= 0)
            displacement = np.ascontiguousarray(copies.displacement.take(here.take(row.take(index)), axis=1).T)
            row = turned.take(part.vertex)
            turned_index = np.flatnonzero(row >= 0)
            targets.append(Target(index, displacement, turned_index, low + row.take(turned_index)))
    fewer, still_turning = _only_about(copies, turning)
    return Morphs(parts, tuple(tuple(targets) for targets in by_part), triangles, fewer, still_turning)


def _copies(model: FaceModel, triangles: IntArray) -> _Copies:
    corners = np.ascontiguousarray(triangles.T)
    vertices, displacements, faces, copied, first = [], [], [], [], [0]
    for displacement in np.asarray(model.expression):
        move = np.ascontiguousarray(displacement.T, dtype=np.float32)
        moves = (np.abs(move) > STILL_MM).any(0)
        move *= moves
        face = np.flatnonzero(moves.take(corners).any(0))
        about = np.zeros(model.vertex_count, dtype=bool)
        about[corners.take(face, axis=1)] = True
        vertex = np.flatnonzero(about)
        vertices.append(vertex)
        displacements.append(move.take(vertex, axis=1))
        faces.append(face)
        copied.append(_positions(vertex, model.vertex_count).take(corners.take(face, axis=1)) + first[-1])
        first.append(first[-1] + len(vertex))
    if not vertices:
        nothing = np.zeros(0, dtype=np.intp)
        return _Copies(nothing, np.zeros((3, 0), np.float32), nothing, np.zeros((3, 0), np.intp), np.zeros(1, np.intp))
    return _Copies(
        np.concatenate(vertices),
        np.concatenate(displacements, axis=1),
        np.concatenate(faces),
        np.concatenate(copied, axis=1),
        np.array(first),
    )


def _only_about(copies: _Copies, wanted: IntArray) -> tuple[_Copies, IntArray]:
    """Drop the triangles that none of the wanted copied vertices needs; return where those vertices are then."""
    needs = np.zeros(len(copies.vertex), dtype=bool)
    needs[wanted] = True
    keep = np.flatnonzero(needs.take(copies.corners).any(0))
    corners = copies.corners.take(keep, axis=1)
    needs[corners] = True
    kept = np.flatnonzero(needs)
    position = _positions(kept, len(copies.vertex))
    fewer = _Copies(
        copies.vertex.take(kept),
        copies.displacement.take(kept, axis=1),
        copies.face.take(keep),
        position.take(corners),
        np.searchsorted(kept, copies.first),
    )
    return fewer, position.take(wanted)


def _positions(index: IntArray, count: int) -> IntArray:
    """Return where each of ``count`` numbers stands in ``index``; -1 where it does not."""
    out = np.full(count, -1, dtype=np.intp)
    out[index] = np.arange(len(index))
    return out


# Below, vectors are columns: NumPy is several times faster on three long rows than on many short ones.


def _cross(vertices: Float32Array, corners: IntArray) -> Float32Array:
    """Area-weighted normals of triangles: (3, V), (3, F) to (3, F)."""
    a, b, c = (vertices.take(corner, axis=1) for corner in corners)
    u, v = b - a, c - a
    return np.stack([u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]])


def _scatter(values: Float32Array, corners: IntArray, count: int) -> Float32Array:
    """Add the values of triangles up at their vertices: (3, F), (3, F) to (3, count)."""
    flat = corners.ravel()
    rows = [np.bincount(flat, np.concatenate([row, row, row]), minlength=count) for row in values]
    return np.stack(rows).astype(np.float32)


def _unit(vectors: Float32Array) -> Float32Array:
    """Unit vectors; +Z where there is no length: (3, N) to (3, N)."""
    length = np.sqrt(np.square(vectors).sum(0))
    flat = length == 0
    unit = vectors / np.where(flat, 1, length).astype(np.float32)
    unit[:, flat] = [[0], [0], [1]]
    return np.asarray(unit)

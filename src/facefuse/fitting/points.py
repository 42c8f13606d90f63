"""The few points of a face model that photos show: their rows of the mean and of the modes, cut out once."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from facefuse.geometry.mesh import vertex_normals
from facefuse.morphable.model import FaceModel

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class ModelPoints:
    """Rows of a face model at its landmarks, some mesh points and the contour candidates.

    ``T = 68 + M + candidates`` rows, ``K`` identity modes, ``E`` expressions; rows 0-67 are the iBUG landmarks and
    rows 68 to 68 + M - 1 mesh points.

    Attributes
    ----------
    mean : (T, 3) float
        Millimetres, model frame.
    modes : (T, 3, K + E) float
        Displacement per unit of each identity mode, then of each expression.
    modes32 : (T, 3, K + E) float32
        The same in single precision.
    normals : (T, 3) float
        Unit normals of the mean face's surface.
    mesh : (M,) int
        Which of MediaPipe's mesh points they are, ascending.
    identity_count : int
        ``K``, at most :data:`MOST_IDENTITY_MODES`.
    jaw : (17, 1 + C) int
        Rows each jaw landmark may slide to; the first is the landmark itself, which also pads.
    jaw_offset : (17, 1 + C) float
        Distance of each candidate from the landmark on the mean face, mm.
    """

    mean: FloatArray
    modes: FloatArray
    modes32: FloatArray
    normals: FloatArray
    mesh: IntArray
    identity_count: int
    jaw: IntArray
    jaw_offset: FloatArray

    def positions(self, shape: FloatArray, rows: IntArray) -> FloatArray:
        """Place points on faces.

        Parameters
        ----------
        shape : (N, K + E) float
            Identity coefficients and expression weights of each photo.
        rows : (N, L) int
            Which row each point of each photo is.

        Returns
        -------
        (N, L, 3) float
            Millimetres, model frame.
        """
        moved = self.modes[rows].reshape(len(shape), -1, shape.shape[1]) @ shape[..., None]
        return np.asarray(self.mean[rows] + moved.reshape(*rows.shape, 3))


MOST_IDENTITY_MODES = 64
"""Identity modes that are fitted, the strongest: what lies beyond moves a face by less than landmarks can tell."""

_CACHE: dict[int, tuple[weakref.ref[FaceModel], dict[bytes, ModelPoints]]] = {}


def model_points(model: FaceModel, mesh: IntArray) -> ModelPoints:
    """Cut the rows the fit needs out of a model; kept as long as the model lives.

    Parameters
    ----------
    model : FaceModel
    mesh : (M,) int
        MediaPipe's mesh points wanted, ascending; those the model does not have are left out.

    Returns
    -------
    ModelPoints
    """
    key = id(model)
    known = _CACHE.get(key)
    if known is None or known[0]() is not model:
        known = _CACHE[key] = (weakref.ref(model, lambda _: _CACHE.pop(key, None)), {})
    mesh = np.asarray(mesh, dtype=np.int64)
    name = mesh.tobytes()
    if name not in known[1]:
        known[1][name] = _cut(model, mesh[mesh < len(model.mesh_points)])
    return known[1][name]


def _cut(model: FaceModel, mesh: IntArray) -> ModelPoints:
    corners = np.concatenate([np.asarray(model.landmarks68), np.asarray(model.mesh_points).reshape(-1, 3)[mesh]])
    weights = np.concatenate(
        [np.asarray(model.landmarks68_weights), np.asarray(model.mesh_points_weights).reshape(-1, 3)[mesh]]
    ).astype(np.float64)
    contours = np.asarray(model.contours)
    vertices, place = np.unique(contours[contours >= 0], return_inverse=True)
    jaw = np.tile(np.arange(17)[:, None], (1, 1 + contours.shape[1]))
    jaw[:, 1:][contours >= 0] = len(corners) + place

    mean = np.asarray(model.mean, dtype=np.float64)
    identity = np.asarray(model.identity)[:MOST_IDENTITY_MODES]
    modes = [identity, np.asarray(model.expression)]
    at_corners = np.concatenate([np.einsum("mpcx,pc->pxm", part[:, corners], weights) for part in modes], axis=2)
    at_vertices = np.concatenate([part[:, vertices].transpose(1, 2, 0) for part in modes], axis=2)
    mean_rows = np.concatenate([np.einsum("pcx,pc->px", mean[corners], weights), mean[vertices]])
    normal = np.asarray(vertex_normals(mean, np.asarray(model.triangles)), dtype=np.float64)
    normal_rows = np.concatenate([np.einsum("pcx,pc->px", normal[corners], weights), normal[vertices]])
    mode_rows = np.ascontiguousarray(np.concatenate([at_corners, at_vertices]), dtype=np.float64)
    return ModelPoints(
        mean=mean_rows,
        modes=mode_rows,
        modes32=mode_rows.astype(np.float32),
        normals=normal_rows / np.maximum(np.linalg.norm(normal_rows, axis=1, keepdims=True), 1e-9),
        mesh=mesh,
        identity_count=len(identity),
        jaw=jaw,
        jaw_offset=np.linalg.norm(mean_rows[jaw] - mean_rows[:17, None], axis=-1),
    )

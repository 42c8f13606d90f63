"""The Basel Face Model 2009 in the packing of 3DDFA and 2DASL: 40 shape and 10 expression modes, 62 parameters.

Two layouts are read: the ``configs`` folder of 3DDFA and 2DASL (``u_shp.npy``, ``w_shp_sim.npy``, …,
``param_whitening.pkl``), and that of 3DDFA_V2 (``bfm_noneck_v3.pkl``, ``param_mean_std_62d_120x120.pkl``). The files
are not free: their owner takes them from the authors under the BFM's licence (research only).

The 62 parameters are a row-major 3×4 matrix ``[P | t]`` with the scale folded into P, 40 shape and 10 expression
coefficients; networks predict them whitened, ``p = z σ + μ``. A vertex lies at ``P S + t`` in a 120×120 crop, y
upwards: image x is ``V_x``, image y is ``121 - V_y``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from facefuse.errors import AssetError
from facefuse.morphable.importers.bare_mesh import cylindrical_uv, mirror_partners
from facefuse.morphable.importers.pickled_arrays import read_pickled_arrays
from facefuse.morphable.model import FaceModel

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]

SHAPE_MODES, EXPRESSION_MODES, PARAMETERS = 40, 10, 62
CROP_SIZE = 120
FLIP_Y = CROP_SIZE + 1
"""Image y of a point is this minus its y."""
MICROMETRES = 0.001
"""Millimetres per unit of the files."""
MAX_BYTES = 500_000_000

_SCALARS = 12  # entries of [P | t]


@dataclass(frozen=True)
class Bfm3ddfa:
    """The packing as it is: micrometres, its own coefficients.

    Attributes
    ----------
    mean : (V, 3) float32
        u_shp + u_exp.
    shape_basis : (40, V, 3) float32
    expression_basis : (10, V, 3) float32
    keypoints : (68,) int64
        Vertices of the iBUG landmarks.
    triangles : (F, 3) int64
        Counter-clockwise seen from outside; F is 0 where the folder has none.
    parameter_mean, parameter_std : (62,) float32
        The whitening.
    """

    mean: npt.NDArray[np.float32]
    shape_basis: npt.NDArray[np.float32]
    expression_basis: npt.NDArray[np.float32]
    keypoints: npt.NDArray[np.int64]
    triangles: npt.NDArray[np.int64]
    parameter_mean: npt.NDArray[np.float32]
    parameter_std: npt.NDArray[np.float32]

    def vertices(self, parameters: FloatArray) -> FloatArray:
        """Vertices (N, V, 3) of parameters (N, 62) in the model frame, micrometres."""
        shape = parameters[:, _SCALARS : _SCALARS + SHAPE_MODES]
        expression = parameters[:, _SCALARS + SHAPE_MODES :]
        moved = np.tensordot(shape, self.shape_basis, 1) + np.tensordot(expression, self.expression_basis, 1)
        vertices: FloatArray = self.mean + moved
        return vertices

    def project(self, parameters: FloatArray, vertices: FloatArray | None = None) -> FloatArray:
        """Image points (N, V, 3) in the crop: x right, y down as published (`FLIP_Y`), z towards the viewer."""
        pose = parameters[:, :_SCALARS].reshape(-1, 3, 4)
        placed = (self.vertices(parameters) if vertices is None else vertices) @ pose[:, :, :3].transpose(0, 2, 1)
        placed = placed + pose[:, None, :, 3]
        return np.stack([placed[..., 0], FLIP_Y - placed[..., 1], placed[..., 2]], axis=-1)

    def whiten(self, parameters: FloatArray) -> FloatArray:
        """Parameters (..., 62) to whitened ones."""
        return (parameters - self.parameter_mean) / self.parameter_std

    def unwhiten(self, whitened: FloatArray) -> FloatArray:
        """Whitened parameters (..., 62) to parameters."""
        return whitened * self.parameter_std + self.parameter_mean

    def to_face_model(self) -> FaceModel:
        """The model in millimetres with N(0, 1) coefficients: whitened shape and expression.

        Raises
        ------
        AssetError
            If the folder has no triangles.
        """
        if not len(self.triangles):
            raise AssetError("this folder has no triangles (tri.mat or bfm_noneck_v3.pkl), so it makes no mesh")
        mean, std = self.parameter_mean[_SCALARS:], self.parameter_std[_SCALARS:]
        basis = np.concatenate([self.shape_basis, self.expression_basis])
        centre = (self.mean + np.tensordot(mean, basis, 1)) * MICROMETRES
        modes = (basis * std[:, None, None] * MICROMETRES).astype(np.float32)
        centred = (centre - centre.mean(axis=0)).astype(np.float32)
        corners = np.repeat(self.keypoints[:, None], 3, axis=1)
        return FaceModel(
            name="bfm09-3ddfa",
            mean=centred,
            identity=modes[:SHAPE_MODES],
            expression=modes[SHAPE_MODES:],
            expression_names=tuple(f"expression_{k:02}" for k in range(EXPRESSION_MODES)),
            blendshapes=False,
            albedo=np.full_like(centred, 0.4),
            triangles=self.triangles,
            uv=cylindrical_uv(centred).astype(np.float32),
            uv_triangles=self.triangles,
            region=np.zeros(len(self.triangles), np.int64),
            region_names=("face",),
            symmetric=mirror_partners(centred),
            face_mask=np.ones(len(centred), bool),
            landmarks68=corners,
            landmarks68_weights=np.tile(np.array([1.0, 0.0, 0.0], np.float32), (68, 1)),
            contours=corners[:17, :1],
            mesh_points=np.zeros((0, 3), np.int64),
            mesh_points_weights=np.zeros((0, 3), np.float32),
            licence="Basel Face Model licence, University of Basel: research only, no redistribution",
            credit="Paysan et al., AVSS 2009 (shape); Cao et al., TVCG 2014, via Zhu et al. (expression)",
        )


def read_bfm_3ddfa(folder: str | Path) -> Bfm3ddfa:
    """Read the ``configs`` folder of 3DDFA, 2DASL or 3DDFA_V2.

    Raises
    ------
    AssetError
        If files are missing or damaged, or do not fit together.
    """
    folder = Path(folder)
    if (folder / "bfm_noneck_v3.pkl").is_file():
        raw = read_pickled_arrays(folder / "bfm_noneck_v3.pkl")
        statistics = read_pickled_arrays(folder / "param_mean_std_62d_120x120.pkl")
        names, whitening = {"mean": ("u",), "shape": "w_shp", "expression": "w_exp"}, ("mean", "std")
    else:
        files = ("u_shp", "u_exp", "w_shp_sim", "w_exp_sim", "keypoints_sim")
        raw = {name: _npy(folder / f"{name}.npy") for name in files}
        raw |= {"keypoints": raw["keypoints_sim"], "tri": _triangles(folder)}
        statistics = read_pickled_arrays(folder / "param_whitening.pkl")
        names, whitening = (
            {"mean": ("u_shp", "u_exp"), "shape": "w_shp_sim", "expression": "w_exp_sim"},
            (
                "param_mean",
                "param_std",
            ),
        )
    try:
        mean = sum(np.asarray(raw[name], dtype=np.float64).reshape(-1, 3) for name in names["mean"])
        shape, expression = (np.asarray(raw[names[part]]) for part in ("shape", "expression"))  # type: ignore[index]
        keypoints = np.asarray(raw["keypoints"]).reshape(-1)
        triangles = np.asarray(raw.get("tri", np.zeros((0, 3)))).astype(np.int64)
        statistic = [np.asarray(statistics[name], dtype=np.float32).reshape(-1) for name in whitening]
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise AssetError(f"{folder}: lacks {error}; expected the configs folder of 3DDFA, 2DASL or 3DDFA_V2") from error
    return _checked(folder, mean, shape, expression, keypoints, triangles, statistic)  # type: ignore[arg-type]


def _checked(
    folder: Path,
    mean: FloatArray,
    shape: FloatArray,
    expression: FloatArray,
    keypoints: IntArray,
    triangles: IntArray,
    statistics: list[npt.NDArray[np.float32]],
) -> Bfm3ddfa:
    count = len(mean)
    if shape.shape != (3 * count, SHAPE_MODES) or expression.shape != (3 * count, EXPRESSION_MODES):
        raise AssetError(
            f"{folder}: bases of shape {shape.shape} and {expression.shape}; expected {3 * count} rows, {SHAPE_MODES} "
            f"and {EXPRESSION_MODES} columns"
        )
    vertices = keypoints.reshape(-1, 3) if keypoints.size == 204 else np.zeros((0, 3), int)
    if len(vertices) != 68 or (vertices % 3 != np.arange(3)).any() or vertices.min() < 0 or vertices.max() >= 3 * count:
        raise AssetError(f"{folder}: the key points are not 68 triplets of coordinates of {count} vertices")
    if any(len(s) != PARAMETERS for s in statistics) or (statistics[1] <= 0).any():
        raise AssetError(f"{folder}: the whitening is not a mean and a positive spread of {PARAMETERS} parameters")
    if len(triangles) and (triangles.ndim != 2 or triangles.shape[1] != 3 or triangles.max() >= count):
        raise AssetError(f"{folder}: the triangles do not belong to {count} vertices")
    if not all(np.isfinite(a).all() for a in (mean, shape, expression, *statistics)):
        raise AssetError(f"{folder}: there are numbers that are not finite")
    return Bfm3ddfa(
        mean=mean.astype(np.float32),
        shape_basis=np.ascontiguousarray(shape.T.reshape(SHAPE_MODES, count, 3), dtype=np.float32),
        expression_basis=np.ascontiguousarray(expression.T.reshape(EXPRESSION_MODES, count, 3), dtype=np.float32),
        keypoints=(vertices[:, 0] // 3).astype(np.int64),
        triangles=_outward(mean, triangles),
        parameter_mean=statistics[0],
        parameter_std=statistics[1],
    )


def _outward(mean: FloatArray, triangles: IntArray) -> npt.NDArray[np.int64]:
    """Turn all triangles so that most of the face looks along +z."""
    if not len(triangles):
        return np.zeros((0, 3), np.int64)
    corners = mean[triangles]
    facing = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, 2].sum()
    return np.ascontiguousarray(triangles if facing > 0 else triangles[:, ::-1], dtype=np.int64)


def _npy(path: Path) -> FloatArray:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise AssetError(f"{path}: more than the {MAX_BYTES} bytes that are read")
        array: FloatArray = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise AssetError(f"{path}: not a readable NumPy file ({error})") from error
    return array


def _triangles(folder: Path) -> IntArray:
    """Triangles of ``tri.mat`` in the folder or in ``../visualize``, counted from zero; (0, 3) where there is none."""
    from scipy.io import loadmat  # late: takes a while to import

    for path in (folder / "tri.mat", folder.parent / "visualize" / "tri.mat"):
        if path.is_file():
            try:
                found: IntArray = np.asarray(loadmat(path, variable_names=("tri",))["tri"]).astype(np.int64)
            except Exception as error:  # the reader raises whatever a damaged file provokes
                raise AssetError(f"{path}: not a readable MATLAB file with tri ({error})") from error
            return (found.T if found.shape[0] == 3 and found.shape[1] != 3 else found) - 1
    return np.zeros((0, 3), np.int64)

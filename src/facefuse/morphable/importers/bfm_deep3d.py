"""The Basel Face Model 2009 in the packing of Deep3DFaceRecon, ``BFM_model_front.mat``, which DF-MVR uses too.

It is the front of the face (35,709 vertices) with 80 shape and 80 texture modes of the BFM and 64 expression modes
from FaceWarehouse, each scaled to one standard deviation; decimetres; indices count from one. The file is not free:
its owner makes it from the BFM (licence of the University of Basel, research only).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from facefuse.errors import AssetError
from facefuse.morphable.importers.bare_mesh import cylindrical_uv, mirror_partners
from facefuse.morphable.model import FaceModel

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.int64]

MILLIMETRES = 100.0
"""Per decimetre, the unit of the file."""

MAX_BYTES = 1_000_000_000
_NEEDED = (
    *("meanshape", "idBase", "exBase", "meantex", "texBase"),
    *("tri", "point_buf", "keypoints", "skinmask", "frontmask2_idx"),
)
_EYES_MM = (60.0, 130.0)
"""Between which the outer eye corners of a mean adult face lie apart, with room."""


@dataclass(frozen=True)
class Deep3dModel:
    """The content of the file: the face model, and what only this packing has.

    Attributes
    ----------
    model : FaceModel
        Millimetres, model frame, origin at the centroid of the mean; coefficients N(0, 1), expressions too.
    texture_mean : (V, 3) float32
        sRGB, 0-255.
    texture_modes : (T, V, 3) float32
        Displacement of each mode at one standard deviation, same scale.
    point_buf : (V, 8) int64
        Triangles about each vertex; the number of triangles stands for none.
    skin : (V,) bool
        Where skin has one colour: without brows, eyes and lips.
    front : (V,) bool
        The part that upstream compares with photos.
    """

    model: FaceModel
    texture_mean: npt.NDArray[np.float32]
    texture_modes: npt.NDArray[np.float32]
    point_buf: IntArray
    skin: npt.NDArray[np.bool_]
    front: npt.NDArray[np.bool_]


def read_deep3d(path: str | Path) -> Deep3dModel:
    """Read ``BFM_model_front.mat``.

    Raises
    ------
    AssetError
        If it is missing, damaged or another kind of file, or its arrays do not fit together.
    """
    raw = _load(Path(path))
    mean = _columns(raw, "meanshape", path)[0] * MILLIMETRES
    count = len(mean)
    modes = {name: _columns(raw, name, path, count) for name in ("idBase", "exBase", "texBase")}
    texture = _columns(raw, "meantex", path, count)[0]
    triangles = _indices(raw, "tri", path, count, width=3)
    point_buf = _indices(raw, "point_buf", path, len(triangles) + 1, width=8)
    keypoints = _indices(raw, "keypoints", path, count)
    if len(keypoints) != 68 or len(point_buf) != count:
        raise AssetError(
            f"{path}: {len(keypoints)} keypoints and {len(point_buf)} rows of point_buf; expected 68 and {count}"
        )
    _check_point_buf(triangles, point_buf, path)
    _check_unit(mean[keypoints], path)
    skin = np.ravel(raw["skinmask"]) > 0
    if len(skin) != count:
        raise AssetError(f"{path}: skinmask has {len(skin)} entries; expected {count}")
    front = np.zeros(count, dtype=bool)
    front[_indices(raw, "frontmask2_idx", path, count)] = True
    centred = (mean - mean.mean(axis=0)).astype(np.float32)
    corners = np.repeat(keypoints[:, None], 3, axis=1)
    model = FaceModel(
        name="bfm09-deep3d",
        mean=centred,
        identity=(modes["idBase"] * MILLIMETRES).astype(np.float32),
        expression=(modes["exBase"] * MILLIMETRES).astype(np.float32),
        expression_names=tuple(f"expression_{k:02}" for k in range(len(modes["exBase"]))),
        blendshapes=False,
        albedo=_linear(texture / 255.0).astype(np.float32),
        triangles=triangles,
        uv=cylindrical_uv(centred).astype(np.float32),
        uv_triangles=triangles,
        region=(~skin[triangles].all(axis=1)).astype(np.int64),
        region_names=("face", "features"),
        symmetric=mirror_partners(centred),
        face_mask=front,
        landmarks68=corners,
        landmarks68_weights=np.tile(np.array([1.0, 0.0, 0.0], np.float32), (68, 1)),
        contours=corners[:17, :1],
        mesh_points=np.zeros((0, 3), np.int64),
        mesh_points_weights=np.zeros((0, 3), np.float32),
        licence="Basel Face Model licence, University of Basel: research only, no redistribution",
        credit="Paysan et al., AVSS 2009 (shape, texture); Cao et al., TVCG 2014, via Guo et al. (expression)",
    )
    return Deep3dModel(model, texture.astype(np.float32), modes["texBase"].astype(np.float32), point_buf, skin, front)


def _load(path: Path) -> dict[str, Any]:
    from scipy.io import loadmat  # late: takes a while to import

    if not path.is_file():
        raise AssetError(f"{path}: no such file; give the BFM_model_front.mat that Deep3DFaceRecon's scripts make")
    if path.stat().st_size > MAX_BYTES:
        raise AssetError(f"{path}: {path.stat().st_size} bytes, more than the {MAX_BYTES} that are read")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of names that occur twice in damaged files
            raw: dict[str, Any] = loadmat(path, variable_names=_NEEDED)
    except Exception as error:  # the reader raises whatever a damaged file provokes
        raise AssetError(f"{path}: not a readable MATLAB file ({error}); make or download it again") from error
    missing = [name for name in _NEEDED if name not in raw]
    if missing:
        raise AssetError(f"{path} lacks {', '.join(missing)}; expected the BFM_model_front.mat of Deep3DFaceRecon")
    wrong = [name for name in _NEEDED if np.asarray(raw[name]).dtype.kind not in "uif"]
    if wrong:
        raise AssetError(f"{path}: {', '.join(wrong)} hold no numbers; expected the BFM_model_front.mat")
    return raw


def _columns(raw: dict[str, Any], name: str, path: str | Path, count: int | None = None) -> FloatArray:
    """Vectors of x, y, z after each other, as the columns (or the one row) of an array: (3V, K) to (K, V, 3)."""
    array = np.asarray(raw[name], dtype=np.float64)
    if array.ndim == 2 and array.shape[0] == 1:
        array = array.T
    rows = array.shape[0] if array.ndim == 2 else 0
    if rows == 0 or rows % 3 or (count is not None and rows != 3 * count) or not np.isfinite(array).all():
        expected = "three numbers per vertex" if count is None else f"{3 * count} rows"
        raise AssetError(f"{path}: {name} has shape {np.shape(raw[name])}; expected finite numbers, {expected}")
    vectors: FloatArray = array.T.reshape(array.shape[1], -1, 3)
    return vectors


def _indices(raw: dict[str, Any], name: str, path: str | Path, limit: int, width: int = 0) -> IntArray:
    """Indices that count from one, as ours; (N, width), or (N,) without a width."""
    array = np.asarray(raw[name])
    if width and (array.ndim != 2 or array.shape[1] != width):
        raise AssetError(f"{path}: {name} has shape {array.shape}; expected rows of {width}")
    found = (array if width else np.ravel(array)).astype(np.int64) - 1
    if found.size == 0 or found.min() < 0 or found.max() >= limit:
        raise AssetError(f"{path}: {name} does not hold indices from 1 to {limit}")
    return found


def _check_point_buf(triangles: IntArray, point_buf: IntArray, path: str | Path) -> None:
    """Every triangle listed for a vertex must have it as a corner: this tells wrong counting and wrong order."""
    corners = np.concatenate([triangles, np.full((1, 3), -1)])[point_buf]
    if not ((corners == np.arange(len(point_buf))[:, None, None]).any(axis=2) | (corners[..., 0] < 0)).all():
        raise AssetError(f"{path}: point_buf lists triangles away from their vertex; it belongs to another mesh")


def _check_unit(keypoints: FloatArray, path: str | Path) -> None:
    low, high = _EYES_MM
    apart = float(np.linalg.norm(keypoints[45] - keypoints[36]))
    if not low < apart < high or keypoints[45, 0] < keypoints[36, 0]:
        raise AssetError(
            f"{path}: the outer eye corners are {apart:.0f} mm apart if the file is in decimetres; expected {low:.0f} "
            f"to {high:.0f}, the subject's left at larger x"
        )


def _linear(colour: FloatArray) -> FloatArray:
    """sRGB, 0-1, to linear."""
    colour = np.clip(colour, 0.0, 1.0)
    linear: FloatArray = np.where(colour > 0.04045, ((colour + 0.055) / 1.055) ** 2.4, colour / 12.92)
    return linear

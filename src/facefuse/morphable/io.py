"""Reading and writing face models as safetensors, with strict checks; nothing is ever unpickled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from facefuse.errors import AssetError
from facefuse.morphable.model import FaceModel

FORMAT = "facefuse face model 1"

_INTEGERS = (*("triangles", "uv_triangles", "region", "symmetric", "landmarks68", "contours", "mesh_points"),)
_FLOATS = ("mean", "albedo", "uv", "landmarks68_weights", "mesh_points_weights")
_TEXTS = ("name", "licence", "credit")
_REFLECT = np.array([-1.0, 1.0, 1.0], dtype=np.float32)


def write_model(model: FaceModel, path: str | Path) -> None:
    """Write a model; equal models give equal bytes.

    Bases are stored in half precision, expressions only where they move anything. Where every identity mode is its
    own mirror image up to sign, half of it is stored. Albedo modes have a file of their own: see
    `facefuse.morphable.appearance`.

    Parameters
    ----------
    model : FaceModel
        With NumPy arrays.
    path : str or Path
        A ``.safetensors`` file.
    """
    Path(path).write_bytes(model_to_bytes(model))


def model_to_bytes(model: FaceModel) -> bytes:
    """Return the bytes that ``write_model`` writes."""
    arrays: dict[str, NDArray[Any]] = {name: np.asarray(getattr(model, name), dtype=np.float32) for name in _FLOATS}
    for name in _INTEGERS:
        arrays[name] = _narrow(np.asarray(getattr(model, name)))
    arrays["face_mask"] = np.asarray(model.face_mask, dtype=np.uint8)

    identity = np.asarray(model.identity, dtype=np.float32)
    symmetric = np.asarray(model.symmetric)
    parity = _parity(identity, symmetric)
    if parity is None:
        arrays["identity"] = identity.astype(np.float16)
    else:
        arrays["identity"] = identity[:, symmetric >= np.arange(len(symmetric))].astype(np.float16)
        arrays["identity_parity"] = parity

    rows, columns, values = [], [], []
    for index, shape in enumerate(np.asarray(model.expression, dtype=np.float32)):
        moving = np.flatnonzero(np.abs(shape.astype(np.float16)).max(axis=1) > 0)
        rows.append(np.full(len(moving), index))
        columns.append(moving)
        values.append(shape[moving].astype(np.float16))
    if rows:
        arrays["expression_counts"] = _narrow(np.array([len(row) for row in rows]))
        arrays["expression_vertices"] = _narrow(np.concatenate(columns))
        arrays["expression_values"] = np.concatenate(values)
    facts = {name: str(getattr(model, name)) for name in _TEXTS}
    header = {
        "format": FORMAT,
        "facts": json.dumps(
            {
                **facts,
                "blendshapes": bool(model.blendshapes),
                "unit_to_metre": float(model.unit_to_metre),
                "expression_names": list(model.expression_names),
                "region_names": list(model.region_names),
            },
            sort_keys=True,
        ),
    }
    return _with_sorted_header(
        save({name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)}, metadata=header)
    )


def read_model(path: str | Path) -> FaceModel:
    """Read a model written by ``write_model``.

    Raises
    ------
    AssetError
        If the file is missing, damaged, of another format, or its arrays do not fit together.
    """
    try:
        with safe_open(str(path), framework="numpy") as file:
            header = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (OSError, SafetensorError) as error:
        raise AssetError(f"{path} cannot be read as a face model: {error}; expected a .safetensors file") from error
    if header.get("format") != FORMAT:
        raise AssetError(f"{path} is {header.get('format', 'an unknown format')!r}; expected {FORMAT!r}")
    facts = json.loads(header["facts"])
    needed = {*_INTEGERS, *_FLOATS, "face_mask", "identity", "expression_vertices", "expression_values"}
    missing = needed - set(arrays)
    if missing:
        raise AssetError(f"{path} lacks {', '.join(sorted(missing))}; reinstall facefuse or rebuild the model")

    floats = {name: arrays[name].astype(np.float32) for name in _FLOATS}
    integers = {name: arrays[name].astype(np.int64) for name in _INTEGERS}
    vertices = len(floats["mean"])
    identity = arrays["identity"].astype(np.float32)
    if "identity_parity" in arrays:
        identity = _unfold(identity, arrays["identity_parity"], integers["symmetric"], path)
    names = tuple(facts["expression_names"])
    expression = np.zeros((len(names), vertices, 3), dtype=np.float32)
    owner = np.repeat(np.arange(len(arrays["expression_counts"])), arrays["expression_counts"])
    where = arrays["expression_vertices"].astype(np.int64)
    if len(arrays["expression_counts"]) != len(names) or len(owner) != len(where) or where.max(initial=0) >= vertices:
        raise AssetError(f"{path}: the expressions do not fit the mesh; reinstall facefuse or rebuild the model")
    expression[owner, where] = arrays["expression_values"]
    model = FaceModel(
        identity=identity,
        expression=expression,
        expression_names=names,
        region_names=tuple(facts["region_names"]),
        face_mask=arrays["face_mask"].astype(bool),
        blendshapes=bool(facts["blendshapes"]),
        unit_to_metre=float(facts["unit_to_metre"]),
        **{name: facts[name] for name in _TEXTS},
        **floats,
        **integers,
    )
    check_model(model, str(path))
    return model


def check_model(model: FaceModel, where: str = "the model") -> None:
    """Check that a model's arrays fit together.

    Raises
    ------
    AssetError
        Naming the first array that is wrong, what it is and what it should be.
    """
    v, f = len(model.mean), len(model.triangles)
    k, e, m = len(model.identity), len(model.expression_names), len(model.mesh_points)
    shapes = {
        "mean": (v, 3),
        "identity": (k, v, 3),
        "expression": (e, v, 3),
        "albedo": (v, 3),
        "triangles": (f, 3),
        "uv": (len(model.uv), 2),
        "uv_triangles": (f, 3),
        "region": (f,),
        "symmetric": (v,),
        "face_mask": (v,),
        "landmarks68": (68, 3),
        "landmarks68_weights": (68, 3),
        "contours": (17, model.contours.shape[-1]),
        "mesh_points": (m, 3),
        "mesh_points_weights": (m, 3),
    }
    for name, shape in shapes.items():
        array = np.asarray(getattr(model, name))
        if array.shape != shape:
            raise AssetError(f"{where}: {name} has shape {array.shape}; expected {shape}")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise AssetError(f"{where}: {name} holds values that are not finite")
    limits = {
        "triangles": (0, v),
        "uv_triangles": (0, len(model.uv)),
        "region": (0, len(model.region_names)),
        "symmetric": (0, v),
        "landmarks68": (0, v),
        "contours": (-1, v),
        "mesh_points": (0, v),
    }
    for name, (low, high) in limits.items():
        array = np.asarray(getattr(model, name))
        if array.size and (array.min() < low or array.max() >= high):
            raise AssetError(f"{where}: {name} holds {array.min()}…{array.max()}; expected {low}…{high - 1}")
    partner = np.asarray(model.symmetric)
    if not (partner[partner] == np.arange(v)).all():
        raise AssetError(f"{where}: symmetric is not a pairing; expected symmetric[symmetric[v]] == v")


def _narrow(array: NDArray[Any]) -> NDArray[Any]:
    """Return integers in the smallest type that safetensors and NumPy share."""
    low, high = int(array.min(initial=0)), int(array.max(initial=0))
    for kind in (np.uint8, np.uint16, np.int16, np.int32):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return array.astype(kind)
    return array.astype(np.int64)


def _parity(identity: NDArray[np.float32], symmetric: NDArray[Any]) -> NDArray[np.int8] | None:
    """Return +1 or -1 per mode if each equals its mirror image up to that sign, else None."""
    mirrored = identity[:, symmetric] * _REFLECT
    even = np.abs(identity - mirrored).max(axis=(1, 2), initial=0)
    odd = np.abs(identity + mirrored).max(axis=(1, 2), initial=0)
    if np.minimum(even, odd).max(initial=0) > 1e-6 or len(identity) == 0:
        return None
    return np.where(even <= odd, 1, -1).astype(np.int8)


def _unfold(
    half: NDArray[np.float32], parity: NDArray[Any], symmetric: NDArray[Any], path: str | Path
) -> NDArray[np.float32]:
    """Rebuild whole modes from their stored half."""
    kept = np.flatnonzero(symmetric >= np.arange(len(symmetric)))
    if half.shape != (len(parity), len(kept), 3) or not np.isin(parity, (-1, 1)).all():
        raise AssetError(f"{path}: identity has shape {half.shape}; expected ({len(parity)}, {len(kept)}, 3)")
    whole = np.empty((len(parity), len(symmetric), 3), dtype=np.float32)
    whole[:, symmetric[kept]] = half * _REFLECT * parity[:, None, None].astype(np.float32)
    whole[:, kept] = half
    return whole


def _with_sorted_header(data: bytes) -> bytes:
    """Rewrite the JSON header with sorted keys: the library's order of metadata varies from run to run."""
    size = int.from_bytes(data[:8], "little")
    text = json.dumps(json.loads(data[8 : 8 + size]), sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data[8 + size :]

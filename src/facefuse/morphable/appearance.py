"""The file of albedo statistics: a mean and modes that go with one face model."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from facefuse.errors import AssetError
from facefuse.morphable.model import FaceModel

FORMAT = "facefuse albedo 1"


@dataclass(frozen=True)
class Appearance:
    """Statistics of albedo on a model's vertices.

    Attributes
    ----------
    mean : (V, 3) float
        Linear RGB, 0-1, at coefficients zero.
    modes : (A, V, 3) float
        Change of the log odds of linear RGB at one standard deviation; coefficients are N(0, 1). Each mode is its own
        mirror image, or the negative of it.
    """

    mean: NDArray[Any]
    modes: NDArray[Any]


def appearance_to_bytes(appearance: Appearance, model: FaceModel) -> bytes:
    """Return the bytes of a file: half precision, and only one side of each mode; equal input gives equal bytes.

    Raises
    ------
    ValueError
        If a mode is neither symmetric nor antisymmetric.
    """
    partner = np.asarray(model.symmetric)
    modes = np.asarray(appearance.modes, np.float32)
    even = np.abs(modes - modes[:, partner]).max(axis=(1, 2), initial=0)
    odd = np.abs(modes + modes[:, partner]).max(axis=(1, 2), initial=0)
    if np.minimum(even, odd).max(initial=0) > 1e-6:
        raise ValueError("every mode must equal its mirror image or the negative of it")
    half = partner >= np.arange(len(partner))
    arrays: dict[str, NDArray[Any]] = {
        "mean": np.ascontiguousarray(appearance.mean, np.float32),
        "modes": np.ascontiguousarray(modes[:, half], np.float16),
        "parity": np.where(even <= odd, 1, -1).astype(np.int8),
        "topology": _topology(model),
    }
    return save(arrays, metadata={"format": FORMAT})


def read_appearance(path: str | Path, model: FaceModel) -> Appearance:
    """Read a file written from ``appearance_to_bytes`` for a model.

    Raises
    ------
    AssetError
        If the file is missing, damaged, of another format, or made for another model.
    """
    try:
        with safe_open(str(path), framework="numpy") as file:
            found = (file.metadata() or {}).get("format")
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (OSError, SafetensorError) as error:
        raise AssetError(f"{path} cannot be read as albedo statistics: {error}; reinstall facefuse") from error
    if found != FORMAT:
        raise AssetError(f"{path} is {found or 'an unknown format'!r}; expected {FORMAT!r}")
    missing = {"mean", "modes", "parity", "topology"} - set(arrays)
    if missing:
        raise AssetError(f"{path} lacks {', '.join(sorted(missing))}; reinstall facefuse or rebuild the statistics")
    if not np.array_equal(arrays["topology"], _topology(model)):
        raise AssetError(f"{path} was made for another mesh than that of {model.name!r}; rebuild the statistics")
    partner = np.asarray(model.symmetric)
    half = np.flatnonzero(partner >= np.arange(len(partner)))
    stored, parity = arrays["modes"].astype(np.float32), arrays["parity"].astype(np.float32)
    wanted = (len(parity), len(half), 3)
    if stored.shape != wanted or arrays["mean"].shape != (len(partner), 3):
        raise AssetError(f"{path}: modes have shape {stored.shape}; expected {wanted}")
    if not (np.isfinite(stored).all() and np.isfinite(arrays["mean"]).all()):
        raise AssetError(f"{path} holds values that are not finite; reinstall facefuse or rebuild the statistics")
    modes = np.empty((len(parity), len(partner), 3), np.float32)
    modes[:, partner[half]] = stored * parity[:, None, None]
    modes[:, half] = stored
    return Appearance(arrays["mean"], modes)


def with_appearance(model: FaceModel, appearance: Appearance) -> FaceModel:
    """Return the model with its albedo replaced by the statistics."""
    return replace(model, albedo=appearance.mean, albedo_modes=appearance.modes, _flat={})


def _topology(model: FaceModel) -> NDArray[np.uint8]:
    """Digest of the mesh's connectivity and symmetry, (32,) bytes: the statistics hold for no other."""
    digest = hashlib.sha256()
    for array in (model.triangles, model.symmetric):
        digest.update(np.ascontiguousarray(array, dtype="<i8").tobytes())
    out: NDArray[np.uint8] = np.frombuffer(digest.digest(), np.uint8).copy()
    return out

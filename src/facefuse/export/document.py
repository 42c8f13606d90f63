"""reconstruction.json: everything a program may want to know about a head. See docs/reconstruction-json.md."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from facefuse.geometry.rotations import rotmat_to_euler
from facefuse.reconstruction import PhotoResult, Reconstruction
from facefuse.version import __version__

FORMAT = "facefuse.reconstruction"
FORMAT_VERSION = 1
"""Rises when a reader of the older format would misread the newer one; added keys alone do not raise it."""


def reconstruction_document(reconstruction: Reconstruction, maps: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """Return a reconstruction as plain Python values, as described by ``reconstruction.schema.json``.

    Parameters
    ----------
    reconstruction : Reconstruction
    maps : sequence of mapping
        The entries of the maps that were written, one per photo; empty if there are none.
    """
    model = reconstruction.model
    photos = [_photo(reconstruction, index) for index in range(len(reconstruction.photos))]
    if maps:
        photos = [{**photo, "maps": dict(entry)} for photo, entry in zip(photos, maps, strict=True)]
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "software": {"name": "facefuse", "version": __version__},
        "method": reconstruction.method,
        "model": {
            "name": model.name,
            "vertices": model.vertex_count,
            "identity_modes": model.identity_count,
            "expressions": list(model.expression_names),
            "blendshapes": bool(model.blendshapes),
            "regions": list(model.region_names),
        },
        "unit": "mm",
        "identity": _list(reconstruction.identity, 5),
        "landmarks68_mm": _list(model.landmarks(np.asarray(reconstruction.mesh.vertices)), 3),
        "texture": {"width": int(reconstruction.texture.shape[1]), "height": int(reconstruction.texture.shape[0])},
        "photos": photos,
        "skipped": [{"path": readable(photo.path), "reason": photo.reason} for photo in reconstruction.skipped],
        "warnings": list(reconstruction.warnings),
        "licences": [
            {"asset": f"face model {model.name}", "licence": model.licence, "credit": model.credit},
            {"asset": "facefuse and its networks", "licence": "Apache-2.0", "credit": "The facefuse authors"},
        ],
    }


def document_to_json(document: dict[str, Any]) -> bytes:
    """Write plain values as JSON in UTF-8: lists of numbers on one line, so that people can read it too."""
    return (_dump(document, "") + "\n").encode("utf-8")


def readable(path: str | None) -> str | None:
    """Return a path as text that every file can hold: bytes that are no UTF-8 become a replacement character."""
    return None if path is None else os.fsencode(path).decode("utf-8", "replace")


def _photo(reconstruction: Reconstruction, index: int) -> dict[str, Any]:
    result: PhotoResult = reconstruction.photos[index]
    model, camera = reconstruction.model, result.camera
    yaw, pitch, roll = (float(angle) for angle in rotmat_to_euler(np.asarray(camera.rotation)))
    weights = (round(float(weight), 5) for weight in result.expression)
    return {
        "path": readable(result.photo.path),
        "width": result.photo.width,
        "height": result.photo.height,
        "box": _list(result.face.box, 2),
        "score": round(float(result.face.score), 5),
        "landmarks68_px": _list(result.landmarks.points68, 3),
        "landmarks68_sigma_px": _list(result.landmarks.sigma68, 3),
        "camera": {
            "type": "pinhole",
            "K": _list(camera.matrix, 4),
            "R": _list(camera.rotation, 9),
            "t": _list(camera.translation, 4),
        },
        "yaw_deg": round(yaw, 3),
        "pitch_deg": round(pitch, 3),
        "roll_deg": round(roll, 3),
        "expression": dict(zip(model.expression_names, weights, strict=True)),
        "residual_percent": round(float(result.residual), 4),
        "weight": round(float(result.weight), 4),
        "light": _list(result.light, 4),
        "landmarks68_posed_mm": _list(model.landmarks(np.asarray(reconstruction.posed_mesh(index).vertices)), 3),
    }


def _list(values: npt.ArrayLike, digits: int) -> Any:
    array = np.asarray(values, dtype=float)
    rounded = np.round(array, digits) + 0.0  # no minus zeros
    rounded = rounded.astype(object)
    rounded[~np.isfinite(array)] = None
    return rounded.tolist()


def _dump(value: Any, indent: str) -> str:
    if isinstance(value, dict) and value:
        rows = (f"{indent} {json.dumps(key, ensure_ascii=False)}: {_dump(v, indent + ' ')}" for key, v in value.items())
        return "{\n" + ",\n".join(rows) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        return "[\n" + ",\n".join(f"{indent} {_dump(item, indent + ' ')}" for item in value) + f"\n{indent}]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)

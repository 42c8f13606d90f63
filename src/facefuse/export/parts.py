"""The parts of a head as files carry them: one material each, vertices split where the texture has a seam."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from facefuse.morphable.model import FaceModel

IntArray = npt.NDArray[np.integer[Any]]

_EYES = re.compile(r"eye_?balls?|iris|sclera|cornea|pupil|^eyes?(_left|_right)?$")
_MOUTH = re.compile(r"teeth|tooth|gum|tongue|mouth_?(interior|inside|socket|bag|cavity)|^mouth$")


@dataclass(frozen=True)
class Part:
    """Triangles that share a material, with their own vertices.

    Attributes
    ----------
    name : str
        ``skin``, ``eyes`` or ``mouth``.
    faces : (F,) int
        Which triangles of the model these are.
    vertex : (N,) int
        The vertex of the model behind each split vertex.
    uv : (N,) int
        Its texture coordinate in the model.
    triangles : (F, 3) int
        Indices into the split vertices.
    """

    name: str
    faces: IntArray
    vertex: IntArray
    uv: IntArray
    triangles: IntArray


def part_names(model: FaceModel) -> npt.NDArray[np.str_]:
    """Return for each region of the model the part it belongs to: ``skin``, ``eyes`` or ``mouth``."""
    names = []
    for region in model.region_names:
        low = region.lower()
        names.append("eyes" if _EYES.search(low) else "mouth" if _MOUTH.search(low) else "skin")
    return np.array(names or ["skin"])


def split_parts(model: FaceModel) -> tuple[Part, ...]:
    """Split a model into parts, and vertices where one has several texture coordinates.

    Parts without a triangle are left out; skin comes first.
    """
    part_of_face = part_names(model)[np.asarray(model.region)]
    parts = []
    for name in ("skin", "eyes", "mouth"):
        faces = np.flatnonzero(part_of_face == name)
        if len(faces) == 0:
            continue
        key = model.triangles[faces].astype(np.int64) * len(model.uv) + model.uv_triangles[faces]
        unique, inverse = np.unique(key, return_inverse=True)
        vertex, uv = np.divmod(unique, len(model.uv))
        parts.append(Part(name, faces, vertex, uv, inverse.reshape(-1, 3)))
    return tuple(parts)

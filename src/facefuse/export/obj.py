"""The head as Wavefront OBJ with its material library."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from facefuse.export.parts import part_names
from facefuse.geometry.mesh import vertex_normals
from facefuse.morphable.model import FaceModel
from facefuse.version import __version__

FloatArray = npt.NDArray[np.floating[Any]]


def mesh_to_obj(model: FaceModel, vertices: FloatArray, material_file: str, what: str) -> bytes:
    """Write a head as OBJ.

    The vertices are those of the model, in its order: every file of one model has the same topology.

    Parameters
    ----------
    model : FaceModel
    vertices : (V, 3) float
        Millimetres, model frame.
    material_file : str
        Name of the material library beside the file.
    what : str
        What the file shows, one line, for its header.
    """
    normals = vertex_normals(np.asarray(vertices), model.triangles)
    lines = [
        f"# facefuse {__version__}: {what}",
        "# Millimetres, model frame: +X to the subject's left, +Y up, +Z out of the face.",
        f"# Face model: {_one_line(model.name)}. Licence: {_one_line(model.licence)}. {_one_line(model.credit)}",
        f"mtllib {material_file}",
        "o head",
    ]
    blocks = [("\n".join(lines) + "\n").encode("utf-8")]
    blocks += [format_rows("v", vertices, 4), format_rows("vt", model.uv, 6), format_rows("vn", normals, 4)]
    part_of_face = part_names(model)[np.asarray(model.region)]
    for name in ("skin", "eyes", "mouth"):
        faces = np.flatnonzero(part_of_face == name)
        if len(faces) == 0:
            continue
        corner, texture = model.triangles[faces] + 1, model.uv_triangles[faces] + 1
        rows = np.stack([corner, texture, corner], axis=-1).reshape(len(faces), 9)
        blocks += [f"g {name}\nusemtl {name}\n".encode(), format_rows("f", rows, 0, " // // //")]
    return b"".join(blocks)


def material_library(texture_file: str) -> bytes:
    """Write the material library of :func:`mesh_to_obj`: skin, eyes and mouth, all with one texture."""
    shine = {"skin": (0.08, 20), "eyes": (0.5, 200), "mouth": (0.2, 60)}
    blocks = [f"# facefuse {__version__}\n"]
    for name, (specular, exponent) in shine.items():
        blocks.append(
            f"newmtl {name}\nKa 0 0 0\nKd 1 1 1\nKs {specular} {specular} {specular}\nNs {exponent}\nd 1\nillum 2\n"
            f"map_Kd {texture_file}\n"
        )
    return "\n".join(blocks).encode("utf-8")


def format_rows(key: str, values: npt.NDArray[Any], decimals: int, before: str = "") -> bytes:
    """Write rows of (N, C) numbers: the key, and each number after its own character of ``before``, or a space.

    Digit by digit for all rows at once: several times faster than formatting number by number.
    """
    columns = [np.full((len(values), len(key)), list(key.encode()), np.uint8)]
    for column, mark in zip(np.asarray(values).T, before or " " * values.shape[1], strict=True):
        columns += [np.full((len(values), 1), ord(mark), np.uint8), _digits(column, decimals)]
    columns.append(np.full((len(values), 1), ord("\n"), np.uint8))
    text = np.concatenate(columns, axis=1).ravel()
    return text[text > 0].tobytes()


def _digits(numbers: npt.NDArray[Any], decimals: int) -> npt.NDArray[np.uint8]:
    """Characters of (N,) numbers, (N, width): zero where a number needs none."""
    whole = np.rint(np.asarray(numbers, np.float64) * 10.0**decimals)
    largest = np.abs(whole).max(initial=0)
    rest = np.abs(whole).astype(np.int32 if largest < 2**31 else np.int64)  # the narrower are divided faster
    count = max(len(f"{largest:.0f}"), decimals + 1)
    out = np.zeros((len(numbers), 1 + count + (decimals > 0)), np.uint8)
    place = out.shape[1]
    for k in range(count):
        if k == decimals and k:
            place -= 1
            out[:, place] = ord(".")
        place -= 1
        higher = rest // 10
        out[:, place] = np.where((rest > 0) | (k <= decimals), ord("0") + rest - 10 * higher, 0)
        rest = higher
    out[:, 0] = np.where(whole < 0, ord("-"), 0)
    return out


def _one_line(text: str) -> str:
    return " ".join(text.split())

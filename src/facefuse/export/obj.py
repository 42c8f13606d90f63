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
    blocks = ["\n".join(lines) + "\n", _rows("v %.4f %.4f %.4f\n", vertices), _rows("vt %.6f %.6f\n", model.uv)]
    blocks.append(_rows("vn %.4f %.4f %.4f\n", normals))
    part_of_face = part_names(model)[np.asarray(model.region)]
    for name in ("skin", "eyes", "mouth"):
        faces = np.flatnonzero(part_of_face == name)
        if len(faces) == 0:
            continue
        corner, texture = model.triangles[faces] + 1, model.uv_triangles[faces] + 1
        rows = np.stack([corner, texture, corner], axis=-1).reshape(len(faces), 9)
        blocks.append(f"g {name}\nusemtl {name}\n" + _rows("f %d/%d/%d %d/%d/%d %d/%d/%d\n", rows))
    return "".join(blocks).encode("utf-8")


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


def _rows(template: str, values: npt.NDArray[Any]) -> str:
    # one formatting call for all rows: far faster than a loop or numpy.savetxt
    return template * len(values) % tuple(np.ravel(values).tolist())


def _one_line(text: str) -> str:
    return " ".join(text.split())

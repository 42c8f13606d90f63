"""The head as binary PLY: positions, normals and colours."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from facefuse.export.textures import vertex_colours
from facefuse.geometry.mesh import vertex_normals
from facefuse.morphable.model import FaceModel
from facefuse.version import __version__


def mesh_to_ply(
    model: FaceModel, vertices: npt.NDArray[np.floating[Any]], texture: npt.NDArray[np.uint8], what: str
) -> bytes:
    """Write a head as little-endian binary PLY.

    Parameters
    ----------
    model : FaceModel
    vertices : (V, 3) float
        Millimetres, model frame; the order of the model is kept.
    texture : (S, S, 3) uint8
        sRGB, row 0 at v = 1; gives the colours of the vertices.
    what : str
        What the file shows, one line, for its header.
    """
    position, normal, colour = ("<f4", (3,)), ("<f4", (3,)), ("u1", (3,))
    rows = np.empty(len(vertices), dtype=[("position", *position), ("normal", *normal), ("colour", *colour)])
    rows["position"] = vertices
    rows["normal"] = vertex_normals(np.asarray(vertices), model.triangles)
    rows["colour"] = vertex_colours(model, texture)
    faces = np.empty(len(model.triangles), dtype=[("count", "u1"), ("corner", "<i4", (3,))])
    faces["count"] = 3
    faces["corner"] = model.triangles
    header = [
        "ply",
        "format binary_little_endian 1.0",
        f"comment facefuse {__version__}: {what}",
        "comment millimetres, model frame: +X to the subject's left, +Y up, +Z out of the face",
        f"comment face model: {' '.join(model.name.split())}",
        f"comment licence: {' '.join(model.licence.split())}",
        f"element vertex {len(rows)}",
        *(f"property float {name}" for name in ("x", "y", "z", "nx", "ny", "nz")),
        *(f"property uchar {name}" for name in ("red", "green", "blue")),
        f"element face {len(faces)}",
        "property list uchar int vertex_indices",
        "end_header",
    ]
    # PLY headers are ASCII
    text = "\n".join(header).encode("ascii", "replace") + b"\n"
    return text + rows.tobytes() + faces.tobytes()

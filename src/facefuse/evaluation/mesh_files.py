"""Reading meshes and landmark files that people hand to the evaluation: bounded, with clear errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import trimesh

from facefuse.errors import UnusableInput
from facefuse.geometry.mesh import Mesh

FloatArray = npt.NDArray[np.floating[Any]]

MAX_MESH_BYTES = 500_000_000
MAX_TEXT_BYTES = 50_000_000

NOW_LANDMARKS = (36, 39, 42, 45, 33, 48, 54)
"""The seven landmarks of the NoW protocol among the 68 iBUG ones: right eye outer and inner corner, left eye inner
and outer corner, subnasale, right and left mouth corner (the subject's right first)."""


def read_mesh(path: str | Path) -> Mesh:
    """Read a PLY or OBJ file; vertices keep the file's number and order, polygons become triangles.

    Parameters
    ----------
    path : str or Path
        A ``.ply`` or ``.obj`` file of at most 500 MB.

    Returns
    -------
    Mesh
        In the unit of the file; triangles are (0, 3) for a point cloud.

    Raises
    ------
    UnusableInput
        If it is missing, too large, of another format, damaged or empty.
    """
    path = _checked(path, MAX_MESH_BYTES)
    suffix = path.suffix.lower()
    if suffix not in (".ply", ".obj"):
        raise UnusableInput(f"{path}: a mesh must be a .ply or .obj file, found {suffix or 'no suffix'}")
    try:
        vertices, triangles = _read_obj(path) if suffix == ".obj" else _read_ply(path)
    except Exception as error:  # the PLY reader raises whatever a damaged file provokes
        raise UnusableInput(f"{path}: not a readable {suffix[1:].upper()} mesh ({error}); export it again") from error
    if len(vertices) == 0 or not np.isfinite(vertices).all():
        raise UnusableInput(f"{path}: expected a mesh with finite vertices, found {len(vertices)} vertices")
    if len(triangles) and (triangles.min() < 0 or triangles.max() >= len(vertices)):
        raise UnusableInput(f"{path}: a face names a vertex that does not exist; export the mesh again")
    return Mesh(vertices, triangles)


def read_landmarks(path: str | Path) -> FloatArray:
    """Read 3D landmarks from a text file, one ``x y z`` per line, or from a ``reconstruction.json``.

    Parameters
    ----------
    path : str or Path
        Text with spaces or commas between the numbers and ``#`` comments, holding the seven landmarks in the order of
        `NOW_LANDMARKS` or all 68 iBUG landmarks; or the JSON that ``facefuse reconstruct`` writes.

    Returns
    -------
    (7, 3) float
        In the order of `NOW_LANDMARKS`.

    Raises
    ------
    UnusableInput
        If it is missing, unreadable or holds another number of points.
    """
    path = _checked(path, MAX_TEXT_BYTES)
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix.lower() == ".json":
            points = np.asarray(json.loads(text)["landmarks68_mm"], dtype=float)
        else:
            lines = (line.split("#")[0].replace(",", " ").split() for line in text.splitlines())
            points = np.array([[float(number) for number in line] for line in lines if line])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UnusableInput(f"{path}: not a file of 3D landmarks ({error!r}); expected lines of x y z") from error
    if points.shape not in ((7, 3), (68, 3)) or not np.isfinite(points).all():
        raise UnusableInput(f"{path}: expected 7 or 68 finite points of x y z, found an array of shape {points.shape}")
    return points if len(points) == 7 else points[list(NOW_LANDMARKS)]


def _checked(path: str | Path, limit: int) -> Path:
    path = Path(path)
    if not path.is_file():
        raise UnusableInput(f"{path}: no such file")
    if path.stat().st_size > limit:
        raise UnusableInput(f"{path}: {path.stat().st_size} bytes, more than the {limit} that are read; reduce it")
    return path


def _read_ply(path: Path) -> tuple[FloatArray, npt.NDArray[np.integer[Any]]]:
    loaded: Any = trimesh.load(path, file_type="ply", process=False)
    faces = getattr(loaded, "faces", np.zeros((0, 3)))
    return np.asarray(loaded.vertices, dtype=float), np.asarray(faces, dtype=np.int64)


def _read_obj(path: Path) -> tuple[FloatArray, npt.NDArray[np.integer[Any]]]:
    """Read positions and faces only: unlike a renderer's reader this does not split vertices at texture seams."""
    vertices: list[list[float]] = []
    triangles: list[tuple[int, int, int]] = []
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            kind, _, rest = line.partition(" ")
            if kind == "v":
                vertices.append([float(number) for number in rest.split()[:3]])
            elif kind == "f":
                numbers = [int(corner.split("/")[0]) for corner in rest.split()]
                corners = [number - 1 if number > 0 else len(vertices) + number for number in numbers]
                triangles += [(corners[0], corners[k], corners[k + 1]) for k in range(1, len(corners) - 1)]
    return np.array(vertices, dtype=float).reshape(-1, 3), np.array(triangles, dtype=np.int64).reshape(-1, 3)

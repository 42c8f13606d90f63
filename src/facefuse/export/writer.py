"""Writing everything about a head into a folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from facefuse.errors import UsageError
from facefuse.export.document import document_to_json, reconstruction_document
from facefuse.export.folder import check_folder, write_files
from facefuse.export.glb import head_to_glb
from facefuse.export.maps import map_files
from facefuse.export.obj import material_library, mesh_to_obj
from facefuse.export.pictures import overlay, whole_photo
from facefuse.export.ply import mesh_to_ply
from facefuse.export.png import write_png
from facefuse.export.report import report_html
from facefuse.reconstruction import Reconstruction, check_maps

FORMATS = ("glb", "obj", "ply")
"""Mesh formats that can be written."""
OVERLAY_SIZE = 1280
"""Longest side of ``overlay_NN.png`` in pixels."""
THREADS = 2


def save(
    reconstruction: Reconstruction,
    out_dir: str | os.PathLike[str],
    formats: Sequence[str] = FORMATS,
    posed: bool = False,
    report: bool = True,
    opening_photo: int | None = None,
    maps: Sequence[str] = (),
) -> list[Path]:
    """Write a head into a folder: all files or, after an error, none.

    Writes ``reconstruction.json``, ``overlay_NN.png`` per photo and, as asked, ``head.glb``; ``head.obj`` with
    ``head.mtl`` and ``head_texture.png``; ``head.ply``; ``report.html``; ``head_posed_NN.*`` and maps
    (``depth_NN.png``, …) per photo. Photos count from 01. Other files in the folder stay as they are.

    Parameters
    ----------
    reconstruction : Reconstruction
    out_dir : path
        Made where missing.
    formats : sequence of {"glb", "obj", "ply"}
        Mesh formats.
    posed : bool
        Whether to write one mesh per photo with its expression too.
    report : bool
        Whether to write ``report.html``.
    opening_photo : int, optional
        Index of the photo whose expression ``head.glb`` has when opened; neutral if absent.
    maps : sequence of str
        Which of `facefuse.reconstruction.ALL_MAPS` to write for every photo.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    UsageError
        If ``out_dir`` is a file, a format or map is unknown or there is no such photo.
    UnusableInput
        If the folder cannot be written.
    """
    folder = Path(out_dir)
    check_folder(folder)
    unknown = [name for name in formats if name not in FORMATS]
    if unknown:
        raise UsageError(f"unknown format {unknown[0]!r}; choose from {', '.join(FORMATS)}")
    check_maps(maps)
    count = len(reconstruction.photos)
    if opening_photo is not None and not 0 <= opening_photo < count:
        raise UsageError(f"there is no photo {opening_photo}; the reconstruction has photos 0 to {count - 1}")
    opening = None if opening_photo is None else reconstruction.photos[opening_photo].expression

    def interactive() -> dict[str, bytes]:
        """The GLB, and the report that shows it."""
        if "glb" not in formats and not report:
            return {}
        glb = head_to_glb(reconstruction, opening)
        page = {"report.html": report_html(reconstruction, glb, maps)} if report else {}
        return page | ({"head.glb": glb} if "glb" in formats else {})

    def drawn_over(index: int) -> dict[str, bytes]:
        view = whole_photo(reconstruction.photos[index], OVERLAY_SIZE)
        return {f"overlay_{index + 1:02d}.png": write_png(overlay(reconstruction, index, view))}

    jobs: list[Callable[[], dict[str, bytes]]] = [interactive, *(partial(drawn_over, index) for index in range(count))]
    if "obj" in formats:
        jobs.append(lambda: {"head_texture.png": write_png(reconstruction.texture)})
    jobs.append(partial(_meshes, reconstruction, formats, posed))
    contents: dict[str, bytes] = {}
    with ThreadPoolExecutor(THREADS) as pool:  # encoding and drawing do without the interpreter
        for done in pool.map(lambda job: job(), jobs):
            contents |= done
        mapped = list(pool.map(lambda index: map_files(reconstruction, index, maps), range(count))) if maps else []
    for one in mapped:
        contents |= one.contents
    document = reconstruction_document(reconstruction, [one.entry for one in mapped])
    contents["reconstruction.json"] = document_to_json(document)
    return write_files(folder, contents)


def _meshes(reconstruction: Reconstruction, formats: Sequence[str], posed: bool) -> dict[str, bytes]:
    """Everything but ``head.glb``: the neutral head and, if asked, the posed ones."""
    model, texture = reconstruction.model, reconstruction.texture
    shapes = {"head": (reconstruction.mesh, "neutral head")}
    if posed:
        for index in range(len(reconstruction.photos)):
            what = f"head with the expression of photo {index + 1}"
            shapes[f"head_posed_{index + 1:02d}"] = (reconstruction.posed_mesh(index), what)
    contents = {"head.mtl": material_library("head_texture.png")} if "obj" in formats else {}
    for name, (mesh, what) in shapes.items():
        vertices = np.asarray(mesh.vertices)
        if "obj" in formats:
            contents[f"{name}.obj"] = mesh_to_obj(model, vertices, "head.mtl", what)
        if "ply" in formats:
            contents[f"{name}.ply"] = mesh_to_ply(model, vertices, texture, what)
    if posed and "glb" in formats:
        for index, result in enumerate(reconstruction.photos):
            contents[f"head_posed_{index + 1:02d}.glb"] = head_to_glb(reconstruction, result.expression)
    return contents

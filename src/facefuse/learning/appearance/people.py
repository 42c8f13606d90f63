"""The people of the Face Research Lab London Set, fitted by the package itself."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from facefuse.detection.find import find_faces
from facefuse.errors import UsageError
from facefuse.fitting.fit import fit_face
from facefuse.fitting.types import Observation
from facefuse.geometry.cameras import PinholeCamera
from facefuse.morphable.model import FaceModel
from facefuse.photos import read_photo

FloatArray = npt.NDArray[np.floating[Any]]

NEUTRAL, SMILING = "03", "08"
"""Ends of the photos' names."""


@dataclass(frozen=True)
class Person:
    """One photo of one person and the head fitted to it.

    Attributes
    ----------
    name : str
        The photo's name without its suffix.
    age : float
        In years; NaN where unknown.
    gender, group : str
        As the set's makers recorded them; the group is an ethnicity.
    pixels : (H, W, 3) uint8
        sRGB.
    vertices : (V, 3) float
        The head with its expression, mm, model frame.
    neutral : (V, 3) float
        The head without expression, mm, model frame.
    camera : PinholeCamera
        Projects the model frame into the photo.
    points189 : (189, 2) float or None
        Landmarks placed by hand, pixels.
    """

    name: str
    age: float
    gender: str
    group: str
    pixels: npt.NDArray[np.uint8]
    vertices: FloatArray
    neutral: FloatArray
    camera: PinholeCamera
    points189: FloatArray | None


def read_people(model: FaceModel, folder: Path, expression: str = NEUTRAL) -> Iterator[Person]:
    """Fit the model to every photo of one expression, in the order of their names; faces not found are left out.

    Parameters
    ----------
    model : FaceModel
    folder : Path
        Holds ``NNN_03.jpg`` (neutral), ``NNN_08.jpg`` (smiling), ``london_info.csv`` and ``landmarks189.npz``.
    expression : str
        ``NEUTRAL`` or ``SMILING``.

    Raises
    ------
    UsageError
        If the folder holds no such photos.
    """
    paths = sorted(folder.glob(f"*_{expression}.jpg"))
    if not paths:
        raise UsageError(f"no photos *_{expression}.jpg in {folder}; expected the Face Research Lab London Set")
    with (folder / "london_info.csv").open(newline="") as file:
        facts = {row["face_id"]: row for row in csv.DictReader(file)}
    with np.load(folder / "landmarks189.npz") as by_hand:
        manual = {str(name)[:6]: points for name, points in zip(by_hand["names"], by_hand["points"], strict=True)}
    for path in paths:
        photo = read_photo(path)
        faces = find_faces(photo)
        if not faces:
            continue
        marks = faces[0][1]
        fit = fit_face(
            model,
            [
                Observation(
                    marks.points68, marks.sigma68, marks.mesh, marks.mesh_sigma, marks.mesh_indices,
                    (photo.width, photo.height), photo.focal_px,
                )
            ],
        )  # fmt: skip
        own, row = fit.photos[0], facts[path.stem[:3]]
        yield Person(
            path.stem,
            float(row["face_age"]) if row["face_age"].replace(".", "").isdigit() else float("nan"),
            row["face_gender"],
            row["face_eth"],
            photo.pixels,
            np.asarray(model.vertices(fit.identity, own.expression)),
            np.asarray(model.vertices(fit.identity)),
            own.camera,
            manual.get(path.stem),
        )

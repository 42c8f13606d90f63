"""Folders of people: several photos each, and a scan where there is one."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from facefuse.detection.find import find_faces, no_face_reason
from facefuse.errors import NoFaceFound, UnusableInput
from facefuse.evaluation.files import PHOTO_SUFFIXES
from facefuse.evaluation.mesh_files import read_landmarks, read_mesh
from facefuse.geometry.mesh import Mesh
from facefuse.methods import SeenFace
from facefuse.photos import read_photo

FloatArray = npt.NDArray[np.floating[Any]]

SCAN_NAMES = ("scan.ply", "scan.obj")
LANDMARKS_NAME = "scan_landmarks7.txt"
_SEED = 20250321
_TRIES = 30


@dataclass(frozen=True)
class Scan:
    """The true surface of a face.

    Attributes
    ----------
    mesh : Mesh
        The part to measure, mm; without triangles for a point cloud.
    landmarks : (7, 3) float
        In the order of `NOW_LANDMARKS`.
    """

    mesh: Mesh
    landmarks: FloatArray


@dataclass(frozen=True)
class Person:
    """One person's files.

    Attributes
    ----------
    name : str
        The folder's name.
    photos : tuple of Path
        In the order of their names.
    scan, landmarks : Path or None
        Both or neither.
    """

    name: str
    photos: tuple[Path, ...]
    scan: Path | None = None
    landmarks: Path | None = None

    def read_scan(self) -> Scan | None:
        """Read the scan, or return None where there is none.

        Raises
        ------
        UnusableInput
            If a file cannot be used.
        """
        if self.scan is None or self.landmarks is None:
            return None
        return Scan(read_mesh(self.scan), read_landmarks(self.landmarks))


def find_people(data: str | Path) -> tuple[Person, ...]:
    """Find the people of a data set.

    Parameters
    ----------
    data : str or Path
        A folder with one folder per person, or one person's folder: ``photos/*`` (or the photos themselves), and
        optionally ``scan.ply`` or ``scan.obj`` with ``scan_landmarks7.txt``.

    Returns
    -------
    tuple of Person
        Those with a photo, sorted by name.

    Raises
    ------
    UnusableInput
        If there is nobody, or a scan lacks its landmarks.
    """
    folder = Path(data)
    if not folder.is_dir():
        raise UnusableInput(f"{folder}: no such folder; give a folder with one folder per person")
    here = _person(folder)
    people = (here,) if here else tuple(filter(None, map(_person, sorted(p for p in folder.iterdir() if p.is_dir()))))
    if not people:
        raise UnusableInput(
            f"{folder}: no photos found; expected PERSON/photos/*, PERSON/scan.ply and PERSON/{LANDMARKS_NAME}"
        )
    return people


def see_face(path: str | Path) -> SeenFace:
    """Read a photo and find its largest face.

    Raises
    ------
    ImageReadError, NoFaceFound
        If it cannot be read or shows no face.
    """
    photo = read_photo(path)
    faces = find_faces(photo)
    if not faces:
        raise NoFaceFound(f"{path}: {no_face_reason(photo)}")
    return SeenFace(str(path), photo, *faces[0])


def choose_subsets(count: int, size: int, limit: int) -> tuple[tuple[int, ...], ...]:
    """Choose which ``size`` of ``count`` photos are used together.

    Parameters
    ----------
    count, size : int
        0 < size ≤ count.
    limit : int
        The most subsets, at least one.

    Returns
    -------
    tuple of tuples of int
        The first ``size`` photos, then others drawn at random (the same ones every time); all of them where there
        are no more than ``limit``.
    """
    if math.comb(count, size) <= limit:
        return tuple(itertools.combinations(range(count), size))
    rng = np.random.default_rng(_SEED)
    chosen = {tuple(range(size))}
    while len(chosen) < limit:
        chosen.add(tuple(sorted(int(k) for k in rng.permutation(count)[:size])))
    return tuple(sorted(chosen))


def choose_halves(count: int, limit: int) -> tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]:
    """Choose at most ``limit`` pairs of disjoint subsets of ``count`` photos, ``count // 2`` photos each."""
    size = count // 2
    rng = np.random.default_rng(_SEED)
    chosen = set()
    for _ in range(_TRIES * limit):
        order = [int(k) for k in rng.permutation(count)]
        chosen.add(tuple(sorted((tuple(sorted(order[:size])), tuple(sorted(order[size : 2 * size]))))))
        if len(chosen) == limit:
            break
    return tuple((first, second) for first, second in sorted(chosen))


def _person(folder: Path) -> Person | None:
    inner = folder / "photos"
    photos = _photos_of(inner if inner.is_dir() else folder)
    scan = next((folder / name for name in SCAN_NAMES if (folder / name).is_file()), None)
    landmarks = folder / LANDMARKS_NAME
    if scan is not None and not landmarks.is_file():
        raise UnusableInput(f"{scan}: {LANDMARKS_NAME} is missing beside it; write seven lines of x y z")
    if not photos:
        return None
    return Person(folder.name, photos, scan, landmarks if scan is not None else None)


def _photos_of(folder: Path) -> tuple[Path, ...]:
    return tuple(sorted(p for p in folder.iterdir() if p.suffix.lower() in PHOTO_SUFFIXES and p.is_file()))

"""Set I out of any folder of photos with 68 landmarks each."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facefuse.detection.crop import Square, cut_square
from facefuse.errors import UnusableInput
from facefuse.learning.landmarks.augment import face_square
from facefuse.learning.landmarks.data import FaceSet
from facefuse.learning.landmarks.points import IBUG_POINTS
from facefuse.learning.two_dasl.data import Sample2D
from facefuse.photos import read_photo

LABELS = "landmarks.npz"
_SIDE = 160  # px of the stored crops
_ROOM = 1.3  # side of the stored crops over that of the published crop, for random crops to move in


def read_folder(
    folder: Path, mesh_indices: NDArray[np.integer], mirror: NDArray[np.intp], expressions: int
) -> Sample2D:
    """Read photos named in the folder's ``landmarks.npz``.

    The file holds ``names`` (N,) of photos, ``landmarks68`` (N, 68, 2) in their pixels (centre of the top-left one at
    (0, 0)), and, where known, ``weight68`` (N, 68), about 1 where a landmark is good, and ``yaw_deg`` (N,), by which
    poses are balanced.

    Parameters
    ----------
    folder
    mesh_indices, mirror
        Mesh points of the other photos of the run, which have no labels here, and mirror partners of all points.
    expressions
        Number of blendshape scores, which are not known here.

    Raises
    ------
    UnusableInput
        If the file is missing or of another layout.
    ImageReadError
        If a photo cannot be read.
    """
    try:
        with np.load(folder / LABELS, allow_pickle=False) as labels:
            names = [str(name) for name in labels["names"]]
            points = labels["landmarks68"].astype(float)
            weight = labels["weight68"] if "weight68" in labels.files else np.ones(points.shape[:2])
            yaw = labels["yaw_deg"] if "yaw_deg" in labels.files else np.zeros(len(points))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UnusableInput(f"{folder / LABELS}: no landmarks of photos ({error})") from error
    count = len(names)
    if points.shape != (count, IBUG_POINTS, 2) or weight.shape != points.shape[:2] or yaw.shape != (count,):
        raise UnusableInput(f"{folder / LABELS}: {count} names with landmarks of shape {points.shape}")
    centre, side = face_square(points, np.zeros(count))
    photos = np.empty((count, _SIDE, _SIDE, 3), np.uint8)
    placed = np.zeros((count, IBUG_POINTS + len(mesh_indices), 2), np.float32)
    for i, name in enumerate(names):
        square = Square(centre[i], float(side[i]) * _ROOM)
        photos[i] = cut_square(read_photo(folder / name).pixels, square, _SIDE)
        placed[i, :IBUG_POINTS] = square.to_crop(points[i], _SIDE)
    faces = FaceSet(
        photos=photos,
        points=placed,
        weight=np.concatenate([weight, np.zeros((count, len(mesh_indices)))], axis=1).astype(np.float32),
        yaw_deg=yaw.astype(np.float32),
        group=np.arange(count),
        mesh_indices=np.asarray(mesh_indices),
        mirror=mirror,
        row=np.arange(count),
    )
    return Sample2D(faces, np.full((count, expressions), np.nan, np.float32))

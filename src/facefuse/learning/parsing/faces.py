"""Photos with part labels to learn from, and batches of crops of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from facefuse.detection.crop import cut_square
from facefuse.detection.landmarks import upright_square
from facefuse.detection.parts import BACKGROUND, OCCLUDER
from facefuse.errors import UnusableInput
from facefuse.learning.df_mvr.data.wild import WildPhotos
from facefuse.learning.df_mvr.parts import SWAPPED, part_table
from facefuse.learning.df_mvr.rigs import UNKNOWN
from facefuse.learning.landmarks.augment import Placement, cut, random_placement
from facefuse.learning.landmarks.config import AugmentConfig
from facefuse.learning.synthesis.sample import OTHER_PARTS, SyntheticPhoto
from facefuse.morphable.model import FaceModel
from facefuse.rendering.maps import part_map
from facefuse.rendering.rasterize import rasterize, screen_vertices

MIRRORED = np.array([*SWAPPED, OCCLUDER, *range(OCCLUDER + 1, UNKNOWN + 1)], np.uint8)
"""The label of each label in the mirror image."""


@dataclass(frozen=True)
class LabelledFaces:
    """Photos of one size, one face in each.

    Attributes
    ----------
    photos : (N, S, S, 3) uint8
    points68 : (N, 68, 2) float32
        Pixels.
    labels : (N, S, S) uint8
        Of `detection.parts.PARTS`, or `UNKNOWN`.
    person : (N,) int64
    """

    photos: NDArray[np.uint8]
    points68: NDArray[np.float32]
    labels: NDArray[np.uint8]
    person: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.photos)

    def subset(self, chosen: NDArray[Any]) -> LabelledFaces:
        """The faces of the given indices or mask."""
        return LabelledFaces(**{one.name: getattr(self, one.name)[chosen] for one in fields(self)})

    def last_people(self, count: int) -> NDArray[np.bool_]:
        """Which faces are of the last ``count`` people, but never all, (N,)."""
        people = np.unique(self.person)
        return np.isin(self.person, people[max(len(people) - count, 1) :])

    def save(self, file: Path) -> None:
        """Write an ``.npz`` file."""
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("wb") as stream:
            np.savez(stream, **self.__dict__)


def read_labelled(file: Path) -> LabelledFaces:
    """Read what `LabelledFaces.save` wrote.

    Raises
    ------
    UnusableInput
        If it is no such file.
    """
    try:
        with np.load(file) as found:
            return LabelledFaces(**{one.name: found[one.name] for one in fields(LabelledFaces)})
    except (OSError, ValueError, KeyError) as error:
        raise UnusableInput(
            f"{file}: not labelled faces ({error}); write some with python -m facefuse.learning.parsing prepare"
        ) from error


def synthetic_labels(model: FaceModel, photo: SyntheticPhoto) -> NDArray[np.uint8]:
    """Labels of a synthetic photo: the part that is seen; the occluder where it hides a part of the bare face."""
    table = np.concatenate([[0], part_table(model.region_names), np.zeros(len(OTHER_PARTS), np.uint8)])
    height, width = photo.parts.shape
    screen = screen_vertices(np.asarray(photo.vertices, dtype=float), photo.camera)
    bare = table[part_map(rasterize(screen, model.triangles, width, height), model.region)]
    hidden = np.where(bare == BACKGROUND, BACKGROUND, OCCLUDER)
    return np.where(photo.occluder, hidden, table[photo.parts]).astype(np.uint8)


def synthetic_faces(model: FaceModel, photos: Iterable[SyntheticPhoto]) -> LabelledFaces:
    """Take from synthetic photos of one size what the parser learns from."""
    kept = [(one.pixels, one.landmarks68, synthetic_labels(model, one), one.seed[1]) for one in photos]
    if not kept:
        raise UnusableInput("no synthetic photos; make some with facefuse synthesize")
    pixels, points, labels, person = zip(*kept, strict=True)
    return LabelledFaces(np.stack(pixels), np.stack(points), np.stack(labels), np.array(person, np.int64))


def wild_faces(photos: WildPhotos) -> LabelledFaces:
    """Real photos labelled by fitted models."""
    return LabelledFaces(photos.photos, photos.points[:, :68], photos.parts, np.arange(len(photos)))


@dataclass(frozen=True)
class Batch:
    """Crops with labels.

    Attributes
    ----------
    crops : (N, S, S, 3) uint8
    labels : (N, S/2, S/2) uint8
    fitted : (N,) bool
        Whether the labels are a fitted model's, which does not know what hides the face.
    """

    crops: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    fitted: NDArray[np.bool_]


def draw(
    faces: LabelledFaces, count: int, size: int, augment: AugmentConfig, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Random crops (count, S, S, 3) and their labels (count, S, S)."""
    chosen = rng.integers(0, len(faces), count)
    placement = random_placement(faces.points68[chosen].astype(float), augment, rng)
    crops = cut(faces.photos, chosen, placement, faces.photos[:64], size, augment, rng)
    return crops, cut_labels(faces.labels, chosen, placement, size)


def plain(faces: LabelledFaces, size: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Every face as the runtime crops it, upright, and its labels."""
    squares = [upright_square(points.astype(float)) for points in faces.points68]
    placement = Placement(
        np.array([one.centre for one in squares]),
        np.array([one.side for one in squares]),
        np.array([one.roll for one in squares]),
        np.zeros(len(faces), bool),
    )
    crops = np.stack([cut_square(photo, one, size) for photo, one in zip(faces.photos, squares, strict=True)])
    return crops, cut_labels(faces.labels, np.arange(len(faces)), placement, size)


def cut_labels(
    labels: NDArray[np.uint8], chosen: NDArray[np.integer], placement: Placement, size: int
) -> NDArray[np.uint8]:
    """Labels (N, size, size) at the pixels of crops of ``labels[chosen]``; `UNKNOWN` outside the photos."""
    out = np.empty((len(chosen), size, size), np.uint8)
    _sample(labels, chosen.astype(np.int64), placement.matrices(size), out)
    return np.where(placement.flip[:, None, None], MIRRORED[out], out)


@njit(cache=True, nogil=True)
def _sample(labels, chosen, matrices, out):  # type: ignore[no-untyped-def]
    height, width = labels.shape[1], labels.shape[2]
    for n in range(out.shape[0]):
        m = matrices[n]
        for row in range(out.shape[1]):
            for column in range(out.shape[2]):
                x = int(np.rint(m[0, 0] * column + m[0, 1] * row + m[0, 2]))
                y = int(np.rint(m[1, 0] * column + m[1, 1] * row + m[1, 2]))
                inside = 0 <= x < width and 0 <= y < height
                out[n, row, column] = labels[chosen[n], y, x] if inside else UNKNOWN


def cover(
    crops: NDArray[np.uint8], labels: NDArray[np.uint8], donors: NDArray[np.integer], rng: np.random.Generator
) -> None:
    """Paste over some faces, in place, what hides another face of the batch, or a blob of its surroundings.

    Parameters
    ----------
    crops, labels : (N, S, S, 3) and (N, S, S) uint8
    donors : (N,) int
        Which face to take it from; the face itself for none.
    rng : Generator
    """
    size = crops.shape[1]
    pixels, parts = crops.copy(), labels.copy()
    for k, donor in enumerate(donors):
        if donor == k:
            continue
        mask, taken = parts[donor] == OCCLUDER, pixels[donor]
        if mask.mean() < 0.01 or rng.random() < 0.4:
            mask = _blob(size, rng)
            taken = np.roll(taken, rng.integers(0, size, 2), axis=(0, 1))
        crops[k][mask] = taken[mask]
        labels[k][mask & (labels[k] != BACKGROUND) & (labels[k] != UNKNOWN)] = OCCLUDER


def _blob(size: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """A wavy ellipse or a half-plane somewhere in a crop, (size, size)."""
    y, x = np.mgrid[:size, :size] / size - 0.5
    centre = rng.uniform(-0.4, 0.4, 2)
    angle = np.arctan2(y - centre[1], x - centre[0])
    turned = np.cos(angle * rng.integers(1, 5) + rng.uniform(0, 6.3))
    if rng.random() < 0.3:
        way = rng.uniform(0, 2 * np.pi)
        return np.asarray(np.cos(way) * x + np.sin(way) * y + 0.02 * turned > rng.uniform(0.12, 0.35))
    axes = rng.uniform(0.06, 0.25, 2)
    reach = np.hypot((x - centre[0]) / axes[0], (y - centre[1]) / axes[1])
    return np.asarray(reach < 1 + 0.2 * turned)

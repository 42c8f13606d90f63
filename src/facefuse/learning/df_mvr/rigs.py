"""Photos of people from several sides, and batches of crops of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from facefuse.detection.crop import Square, cut_square
from facefuse.detection.five_points import aligned_square, five_points
from facefuse.detection.landmarks import crop_square
from facefuse.errors import UnusableInput, UsageError
from facefuse.learning.df_mvr.config import DataConfig
from facefuse.learning.df_mvr.multiview_set import SEED, neutral_head
from facefuse.learning.df_mvr.parts import part_table
from facefuse.learning.synthesis.folder import read_photos
from facefuse.learning.synthesis.generator import Settings, Synthesizer
from facefuse.learning.synthesis.sample import OTHER_PARTS, SyntheticPhoto
from facefuse.morphable.model import FaceModel

FloatArray = npt.NDArray[np.floating[Any]]

UNKNOWN = 255
"""Label of a pixel where something hides the face."""
MADE_UP_PEOPLE = 6
_MADE_UP_SIDE = 128


@dataclass(frozen=True)
class View:
    """One photo as training sees it.

    Attributes
    ----------
    pixels : (H, W, 3) uint8
    points : (68 + M, 2) float32
        The 68 landmarks and the mesh points, pixels.
    known : (68 + M,) bool
        Which of them are seen.
    parts : (H, W) uint8
        Labels of `parts.PARTS`, or `UNKNOWN`.
    """

    pixels: npt.NDArray[np.uint8]
    points: npt.NDArray[np.float32]
    known: npt.NDArray[np.bool_]
    parts: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Rig:
    """One person: views, and the true neutral face, (N, 3) mm inside `FaceModel.face_mask`."""

    views: tuple[View, ...]
    face: npt.NDArray[np.float32]


@dataclass(frozen=True)
class RigBatch:
    """Crops of some people; missing views are black.

    Attributes
    ----------
    crops : (B, N, S, S, 3) uint8
    present : (B, N) bool
    points : (B, N, 68 + M, 2) float32
        Pixels of the crop.
    known : (B, N, 68 + M) float32
        1 for points that are seen, 0.3 for landmarks that are hidden, 0 for other hidden points and missing views.
    parts : (B, N, S, S) uint8
    face : (B, V, 3) float32
        True neutral faces, mm; used by the 3D loss and by validation only.
    """

    crops: npt.NDArray[np.uint8]
    present: npt.NDArray[np.bool_]
    points: npt.NDArray[np.float32]
    known: npt.NDArray[np.float32]
    parts: npt.NDArray[np.uint8]
    face: npt.NDArray[np.float32]

    @staticmethod
    def joined(parts: Iterable[RigBatch]) -> RigBatch:
        """Several batches as one."""
        listed = list(parts)
        return RigBatch(**{f.name: np.concatenate([getattr(p, f.name) for p in listed]) for f in fields(RigBatch)})


def view_of(model: FaceModel, photo: SyntheticPhoto) -> View:
    """Take from a synthetic photo what weak supervision may know: points and parts."""
    table = np.concatenate([[0], part_table(model.region_names), np.zeros(len(OTHER_PARTS), np.uint8)]).astype(np.uint8)
    return View(
        photo.pixels,
        np.concatenate([photo.landmarks68, photo.mesh]).astype(np.float32),
        np.concatenate([photo.visible68, photo.mesh_visible]),
        np.where(photo.occluder, UNKNOWN, table[photo.parts]).astype(np.uint8),
    )


def rig_of(model: FaceModel, photos: Iterable[SyntheticPhoto]) -> Rig:
    """One person's synthetic photos."""
    listed = list(photos)
    face = neutral_head(model, listed[0])[np.asarray(model.face_mask)]
    return Rig(tuple(view_of(model, photo) for photo in listed), face.astype(np.float32))


def read_rigs(folder: Path, model: FaceModel) -> list[Rig]:
    """Read what ``facefuse synthesize --views N`` wrote.

    Raises
    ------
    UnusableInput
        If it holds no photos.
    UsageError
        If they are of the series kept for testing.
    """
    rigs = []
    for (seed, _), photos in groupby(read_photos(folder), key=lambda photo: photo.seed[:2]):
        if seed == SEED:
            raise UsageError(f"{folder}: series {SEED} is kept for testing; make photos with another --seed")
        rigs.append(rig_of(model, photos))
    if not rigs:
        raise UnusableInput(
            f"{folder}: no synthetic photos; make some with facefuse synthesize --views 5 --out {folder}"
        )
    return rigs


def made_up_rigs(model: FaceModel, views: int, seed: int) -> list[Rig]:
    """Some small synthetic people, for runs without data."""
    synthesizer = Synthesizer(Settings(_MADE_UP_SIDE))
    return [rig_of(model, synthesizer.rig(seed, index, views)) for index in range(MADE_UP_PEOPLE)]


def draw(rigs: list[Rig], count: int, config: DataConfig, rng: np.random.Generator, aligned: bool = False) -> RigBatch:
    """Draw people, views and crops.

    Parameters
    ----------
    rigs : list of Rig
    count : int
        People.
    config : DataConfig
    rng : Generator
    aligned : bool
        Whether crops are those of `five_points` (as published), else about the box of the landmarks.
    """
    chosen = rng.choice(len(rigs), count, replace=len(rigs) < count)
    return RigBatch.joined([_person(rigs[int(k)], config, rng, aligned) for k in chosen])


def whole(rigs: list[Rig], views: int, config: DataConfig, aligned: bool = False) -> RigBatch:
    """The first views of every person, cropped without chance, for validation."""
    plain = DataConfig(views=views, drop=0.0, size=config.size, log_scale=0.0, shift=0.0, roll_deg=0.0)
    rng = np.random.default_rng(0)
    return RigBatch.joined([_person(rig, plain, rng, aligned, shuffled=False) for rig in rigs])


def _person(rig: Rig, config: DataConfig, rng: np.random.Generator, aligned: bool, shuffled: bool = True) -> RigBatch:
    order = rng.permutation(len(rig.views)) if shuffled and not aligned else np.arange(len(rig.views))
    count, size, points = config.views, config.size, len(rig.views[0].points)
    batch = RigBatch(
        np.zeros((1, count, size, size, 3), np.uint8),
        np.zeros((1, count), bool),
        np.zeros((1, count, points, 2), np.float32),
        np.zeros((1, count, points), np.float32),
        np.full((1, count, size, size), UNKNOWN, np.uint8),
        rig.face[None],
    )
    for k, index in enumerate(order[:count]):
        if k and rng.random() < config.drop:
            continue
        view = rig.views[int(index)]
        square = _square(view, config, rng, aligned)
        batch.crops[0, k] = cut_square(view.pixels, square, size)
        batch.points[0, k] = square.to_crop(view.points.astype(float), size)
        batch.known[0, k] = np.where(view.known, 1.0, np.where(np.arange(points) < 68, 0.3, 0.0))
        batch.parts[0, k] = cut_labels(view.parts, square, size)
        batch.present[0, k] = True
    return batch


def _square(view: View, config: DataConfig, rng: np.random.Generator, aligned: bool) -> Square:
    points = view.points[:68].astype(float)
    if aligned:
        square = aligned_square(five_points(points))
    else:
        square = crop_square(np.concatenate([points.min(axis=0), points.max(axis=0)]))
    scale, roll = np.exp(rng.normal(0, config.log_scale)), np.radians(rng.normal(0, config.roll_deg))
    centre = square.centre + rng.normal(0, config.shift, 2) * square.side
    return Square(centre, square.side * float(scale), square.roll + float(roll))


def cut_labels(labels: npt.NDArray[np.uint8], square: Square, size: int) -> npt.NDArray[np.uint8]:
    """Labels at the centres of a crop's pixels; `UNKNOWN` outside the photo."""
    y, x = np.mgrid[:size, :size]
    at = np.rint(square.to_photo(np.stack([x, y], axis=-1).astype(float), size)).astype(int)
    inside = (at >= 0).all(axis=-1) & (at[..., 0] < labels.shape[1]) & (at[..., 1] < labels.shape[0])
    at = np.where(inside[..., None], at, 0)
    return np.where(inside, labels[at[..., 1], at[..., 0]], UNKNOWN).astype(np.uint8)

"""Photos of people from several sides, and batches of crops of them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from facefuse.detection.crop import Square, cut_square
from facefuse.detection.five_points import aligned_square, five_points
from facefuse.detection.landmarks import crop_square
from facefuse.errors import UnusableInput, UsageError
from facefuse.learning.df_mvr.config import DataConfig
from facefuse.learning.df_mvr.multiview_set import SEED, neutral_head
from facefuse.learning.df_mvr.parts import SWAPPED, part_table
from facefuse.learning.landmarks.points import IBUG_MIRROR, mirror_partners
from facefuse.learning.synthesis.folder import read_photos
from facefuse.learning.synthesis.generator import Settings, Synthesizer
from facefuse.learning.synthesis.sample import OTHER_PARTS, SyntheticPhoto
from facefuse.morphable.model import FaceModel

FloatArray = npt.NDArray[np.floating[Any]]

UNKNOWN = 255
"""Label of a pixel where something hides the face."""
_MIRRORED = np.arange(256, dtype=np.uint8)
_MIRRORED[: len(SWAPPED)] = SWAPPED
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
    some : (B, N) bool
        Some of the views that are there, at least one; not all, where there are several.
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
    some: npt.NDArray[np.bool_]
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


def read_rigs(folder: Path, model: FaceModel, most: int | None = None) -> list[Rig]:
    """Read what ``facefuse synthesize --views N`` wrote; the first ``most`` people, or all.

    Raises
    ------
    UnusableInput
        If it holds no photos.
    UsageError
        If they are of the series kept for testing.
    """
    rigs = []
    for (seed, _), photos in islice(groupby(read_photos(folder), key=lambda photo: photo.seed[:2]), most):
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


@dataclass(frozen=True)
class Symmetry:
    """What mirroring exchanges: the partner of each of the 68 + M points, and of each vertex of `Rig.face`."""

    points: npt.NDArray[np.intp]
    face: npt.NDArray[np.intp]

    @staticmethod
    def of(model: FaceModel) -> Symmetry:
        """That of a face model.

        Raises
        ------
        ValueError
            If its mesh points are not symmetric.
        """
        mean = np.asarray(model.mean, dtype=float)
        mesh = mirror_partners(np.asarray(model.mesh_landmarks(mean))[:, :2])
        inside = np.flatnonzero(np.asarray(model.face_mask))
        place = np.zeros(model.vertex_count, np.intp)
        place[inside] = np.arange(len(inside))
        return Symmetry(np.concatenate([IBUG_MIRROR, mesh + 68]), place[np.asarray(model.symmetric)[inside]])

    def mirrored_view(self, view: View) -> View:
        """The mirrored photo."""
        points = view.points[self.points] * np.array([-1, 1], np.float32)
        points[:, 0] += view.pixels.shape[1] - 1
        return View(view.pixels[:, ::-1], points, view.known[self.points], _MIRRORED[view.parts[:, ::-1]])

    def mirrored_face(self, face: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """The mirrored face (N, 3)."""
        turned: npt.NDArray[np.float32] = face[self.face] * np.array([-1, 1, 1], np.float32)
        return turned


def draw(
    rigs: list[Rig],
    people: int,
    views: int,
    config: DataConfig,
    rng: np.random.Generator,
    *,
    aligned: bool = False,
    symmetry: Symmetry | None = None,
) -> RigBatch:
    """Draw people, views of them and crops.

    Parameters
    ----------
    rigs : list of Rig
    people, views : int
        How many; a person who has fewer views has the rest missing.
    config : DataConfig
    rng : Generator
    aligned : bool
        Whether crops are those of `five_points` (as published), else about the box of the landmarks.
    symmetry : Symmetry, optional
        Needed to mirror some of the people.
    """
    chosen = rng.choice(len(rigs), people, replace=len(rigs) < people)
    mirrors = [symmetry if rng.random() < config.mirror else None for _ in chosen]
    drawn = []
    for k, mirror in zip(chosen, mirrors, strict=True):
        rig = rigs[int(k)]
        chosen_views = spread(len(rig.views), views) if aligned else rng.permutation(len(rig.views))[:views]
        drawn.append(_person(rig, chosen_views, views, config, rng, aligned, mirror))
    return RigBatch.joined(drawn)


def whole(rigs: list[Rig], views: int, config: DataConfig, aligned: bool = False) -> RigBatch:
    """The first views of every person (if aligned, those of `spread`), cropped without chance, for validation."""
    plain = DataConfig(views=views, size=config.size, log_scale=0.0, shift=0.0, roll_deg=0.0)
    rng = np.random.default_rng(0)
    chosen = [spread(len(r.views), views) if aligned else np.arange(min(views, len(r.views))) for r in rigs]
    return RigBatch.joined(
        [_person(rig, some, views, plain, rng, aligned, None) for rig, some in zip(rigs, chosen, strict=True)]
    )


def spread(there: int, wanted: int) -> npt.NDArray[np.intp]:
    """Choose views, which go round from left to right, so that they are as far apart as they can be: of five, 0 2 4."""
    chosen: npt.NDArray[np.intp] = np.rint(np.linspace(0, there - 1, min(wanted, there))).astype(np.intp)
    return chosen


def _person(
    rig: Rig,
    chosen: npt.NDArray[np.intp],
    count: int,
    config: DataConfig,
    rng: np.random.Generator,
    aligned: bool,
    mirror: Symmetry | None,
) -> RigBatch:
    size, points = config.size, len(rig.views[0].points)
    batch = RigBatch(
        np.zeros((1, count, size, size, 3), np.uint8),
        np.zeros((1, count), bool),
        np.zeros((1, count), bool),
        np.zeros((1, count, points, 2), np.float32),
        np.zeros((1, count, points), np.float32),
        np.full((1, count, size, size), UNKNOWN, np.uint8),
        (rig.face if mirror is None else mirror.mirrored_face(rig.face))[None],
    )
    for k, index in enumerate(chosen):
        view = rig.views[int(index)]
        if mirror is not None:
            view = mirror.mirrored_view(view)
        square = _square(view, config, rng, aligned)
        batch.crops[0, k] = cut_square(view.pixels, square, size)
        batch.points[0, k] = square.to_crop(view.points.astype(float), size)
        batch.known[0, k] = np.where(view.known, 1.0, np.where(np.arange(points) < 68, 0.3, 0.0))
        batch.parts[0, k] = cut_labels(view.parts, square, size)
        batch.present[0, k] = True
    batch.some[0, : 1 if len(chosen) < 2 else int(rng.integers(1, len(chosen)))] = True
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
    cos, sin = math.cos(square.roll) * square.side / size, math.sin(square.roll) * square.side / size
    # Pillow maps edges: crop (x + 0.5) to photo (x + 0.5)
    start = square.centre + 0.5 - (size / 2.0) * np.array([cos - sin, sin + cos])
    affine = (cos, -sin, start[0], sin, cos, start[1])
    photo = Image.fromarray(np.ascontiguousarray(labels))
    cut = photo.transform((size, size), Image.Transform.AFFINE, affine, Image.Resampling.NEAREST, fillcolor=UNKNOWN)
    return np.asarray(cut)

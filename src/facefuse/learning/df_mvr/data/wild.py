"""Photos of people seen once, as several views of one person: the photo, its mirror image, and re-crops of both.

    python -m facefuse.learning.df_mvr.data.wild --aflw DIR --out wild.npz [--count 6000] [--parsed]

The face model is fitted to the landmarks of each photo of the AFLW folder; the parts of the face are those of the
fitted model, and a landmark counts as seen where the fitted head does not hide it. With a face parser, pixels where it
sees something in front of the face are `rigs.UNKNOWN`; without one such things (hands, hair, glasses) are labelled as
the face behind them.

The true neutral face is not known: `rigs.Rig.face` is NaN. A mirror image shows the mirrored face, so whatever learns
from both gets the symmetric part of the person's identity; the two sides of a face differ by about a millimetre.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from facefuse.detection.crop import Square, cut_square
from facefuse.detection.parsing import ParserNetwork
from facefuse.detection.parts import BACKGROUND, OCCLUDER, FaceParser
from facefuse.errors import UnusableInput
from facefuse.fitting.fit import LEAST_POINTS, fit_face
from facefuse.fitting.types import Observation
from facefuse.learning.df_mvr.parts import part_table
from facefuse.learning.df_mvr.rigs import UNKNOWN, Rig, Symmetry, View, cut_labels
from facefuse.learning.landmarks.batches import sampling_chances
from facefuse.learning.landmarks.data import FaceSet
from facefuse.learning.landmarks.points import IBUG_POINTS
from facefuse.learning.two_dasl.config import DataConfig
from facefuse.learning.two_dasl.data import read_aflw
from facefuse.morphable.model import FaceModel
from facefuse.morphable.registry import load_model
from facefuse.rendering.maps import part_map
from facefuse.rendering.rasterize import rasterize, screen_vertices

FloatArray = npt.NDArray[np.floating[Any]]
LABEL_SPREAD = 0.02
"""Standard deviation of a label of weight one, in sides of the face."""
WORST_RESIDUAL = 6.0
"""Photos whose fitted landmarks miss by more, in percent of the face's size, are left out."""
LEAST_WEIGHT = 0.4
"""Labels of less weight (one is the mean) count as not seen."""
BEHIND_MM = 4.0
"""A point this much behind the nearest surface is still seen."""
POSE_SHARES = (0.45, 0.27, 0.28)
"""Share of photos with a yaw below 30°, up to 60°, and beyond."""

RECROP_SCALE, RECROP_SIZE = (0.85, 1.3), (64, 120)
"""Sides of re-crops in sides of the photo, and in pixels: some are coarse."""
RECROP_SHIFT, RECROP_ROLL_DEG = 0.05, 12.0
"""Standard deviations of the place of re-crops, in sides of the photo, and of their turn."""


@dataclass(frozen=True)
class WildPhotos:
    """Photos, each of another person, labelled in 2D.

    Attributes
    ----------
    photos : (N, S, S, 3) uint8
    points : (N, 68 + M, 2) float32
        The 68 landmarks and the face model's M mesh points, pixels; zero where there is no label.
    known : (N, 68 + M) bool
        Which of them are seen.
    parts : (N, S, S) uint8
        Labels of `parts.PARTS`, or `rigs.UNKNOWN`.
    yaw_deg : (N,) float32
    """

    photos: npt.NDArray[np.uint8]
    points: npt.NDArray[np.float32]
    known: npt.NDArray[np.bool_]
    parts: npt.NDArray[np.uint8]
    yaw_deg: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.photos)

    def save(self, file: Path) -> None:
        """Write an ``.npz`` file."""
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("wb") as stream:
            np.savez(stream, **self.__dict__)


def read_wild(file: Path) -> WildPhotos:
    """Read what `WildPhotos.save` wrote.

    Raises
    ------
    UnusableInput
        If it is no such file.
    """
    try:
        with np.load(file) as found:
            return WildPhotos(**{one.name: found[one.name] for one in fields(WildPhotos)})
    except (OSError, ValueError, KeyError) as error:
        raise UnusableInput(
            f"{file}: not labelled photos ({error}); write some with python -m facefuse.learning.df_mvr.data.wild"
        ) from error


def wild_rigs(photos: WildPhotos, model: FaceModel, views: int = 4, seed: int = 0) -> list[Rig]:
    """Make a person of every photo: the photo, its mirror image, then re-crops of one or the other.

    Parameters
    ----------
    photos : WildPhotos
    model : FaceModel
    views : int
        Per person, at least 2.
    seed : int
        Of the re-crops.

    Returns
    -------
    list of Rig
        Their `Rig.face` is NaN.
    """
    nowhere = np.full((int(np.asarray(model.face_mask).sum()), 3), np.nan, np.float32)
    symmetry, rigs = Symmetry.of(model), []
    for k in range(len(photos)):
        rng = np.random.default_rng([seed, k])
        view = View(photos.photos[k], photos.points[k], photos.known[k], photos.parts[k])
        both = view, symmetry.mirrored_view(view)
        more = [recrop(both[int(rng.integers(2))], rng) for _ in range(views - 2)]
        rigs.append(Rig((*both, *more), nowhere))
    return rigs


def recrop(view: View, rng: np.random.Generator) -> View:
    """Another cut of a view: coarser or finer, moved and turned; the face may reach beyond it."""
    height, width = view.pixels.shape[:2]
    centre = np.array([width - 1, height - 1]) / 2 + rng.normal(0, RECROP_SHIFT, 2) * width
    square = Square(centre, width * rng.uniform(*RECROP_SCALE), np.radians(rng.normal(0, RECROP_ROLL_DEG)))
    size = int(rng.integers(RECROP_SIZE[0], RECROP_SIZE[1] + 1))
    points = square.to_crop(view.points.astype(float), size)
    inside = ((points >= -0.5) & (points <= size - 0.5)).all(axis=-1)
    return View(
        cut_square(view.pixels, square, size),
        points.astype(np.float32),
        view.known & inside,
        cut_labels(view.parts, square, size),
    )


def label_faces(
    faces: FaceSet,
    model: FaceModel,
    parser: FaceParser | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> WildPhotos:
    """Fit the face model to each photo's landmarks and take the parts from it.

    Photos that the model does not explain are left out.

    Parameters
    ----------
    faces : FaceSet
        Photos with landmark labels.
    model : FaceModel
    parser : FaceParser, optional
        Says where the photo does not show the face although the model is there.
    progress : callable
        Told the number of photos done.
    """
    table = np.concatenate([[0], part_table(model.region_names)]).astype(np.uint8)
    count = IBUG_POINTS + len(model.mesh_points)
    place = np.concatenate([np.arange(IBUG_POINTS), IBUG_POINTS + np.asarray(faces.mesh_indices)])
    kept, points, known, parts = [], [], [], []
    for k in range(len(faces)):
        progress(k)
        label, weight, photo = faces.points[k].astype(float), faces.weight[k], faces.photos[k]
        fitted = fitted_parts(model, label, weight, faces.mesh_indices, photo.shape[1], photo.shape[0])
        if fitted is None:
            continue
        regions, seen = fitted
        labels = table[regions]
        if parser is not None:
            found = parser.parse(photo, label[:IBUG_POINTS]).labels_in(*labels.shape)
            hidden = (found == OCCLUDER) | (found == BACKGROUND)
            labels[hidden & (labels != BACKGROUND)] = UNKNOWN
        every, visible = np.zeros((count, 2), np.float32), np.zeros(count, bool)
        there = weight > 0
        every[place[there]] = label[there]
        visible[place] = (weight >= LEAST_WEIGHT) & seen[place]
        kept.append(k)
        points.append(every)
        known.append(visible)
        parts.append(labels)
    side = faces.photos.shape[1:3]
    return WildPhotos(
        faces.photos[kept],
        np.array(points, np.float32).reshape(-1, count, 2),
        np.array(known, bool).reshape(-1, count),
        np.array(parts, np.uint8).reshape(-1, *side),
        faces.yaw_deg[kept].astype(np.float32),
    )


def fitted_parts(
    model: FaceModel,
    label: FloatArray,
    weight: FloatArray,
    mesh_indices: npt.NDArray[np.integer[Any]],
    width: int,
    height: int,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]] | None:
    """Fit the model to labelled points and look at it.

    Parameters
    ----------
    model : FaceModel
    label, weight : (68 + m, 2) and (68 + m,) float
        Labels in pixels, the 68 landmarks first; weight 0 where there is none.
    mesh_indices : (m,) int
        Which mesh points the others are.
    width, height : int
        Of the photo.

    Returns
    -------
    (H, W) uint8 and (68 + M,) bool, or None
        The region seen at each pixel plus one, 0 beside the head; and which of the 68 landmarks and of all mesh points
        the head does not hide. None if the model does not explain the labels.
    """
    there = np.asarray(weight) > 0
    if there[:IBUG_POINTS].sum() < LEAST_POINTS:
        return None
    side = float(np.ptp(label[:IBUG_POINTS][there[:IBUG_POINTS]], axis=0).max())
    sigma = np.where(there, LABEL_SPREAD * side / np.sqrt(np.where(there, weight, 1.0)), np.inf)
    at, dense = np.where(there[:, None], label, 0.0), there[IBUG_POINTS:]
    seen = Observation(
        at[:IBUG_POINTS],
        sigma[:IBUG_POINTS],
        at[IBUG_POINTS:][dense],
        sigma[IBUG_POINTS:][dense],
        np.asarray(mesh_indices)[dense],
        (width, height),
    )
    found = fit_face(model, [seen])
    fit = found.photos[0]
    if fit.residual > WORST_RESIDUAL:
        return None
    vertices = np.asarray(model.vertices(found.identity, fit.expression), dtype=float)
    fragments = rasterize(screen_vertices(vertices, fit.camera), model.triangles, width, height)
    both = np.concatenate([model.landmarks(vertices), model.mesh_landmarks(vertices)])
    screen = screen_vertices(both, fit.camera)
    column, row = np.clip(np.rint(screen[:, :2]), 0, (width - 1, height - 1)).astype(int).T
    visible = screen[:, 2] < fragments.depth[row, column] + BEHIND_MM
    return part_map(fragments, model.region), visible


def choose(faces: FaceSet, count: int, seed: int) -> FaceSet:
    """Draw ``count`` of the photos so that the poses have `POSE_SHARES`; all if there are fewer."""
    chance = sampling_chances(faces.yaw_deg, POSE_SHARES)
    count = min(count, int((chance > 0).sum()))
    chosen = np.random.default_rng(seed).choice(len(faces), count, replace=False, p=chance)
    return faces.subset(np.sort(chosen))


def main(words: list[str] | None = None) -> int:
    """Write labelled photos."""
    options = argparse.ArgumentParser(description="Label the photos of the AFLW folder by the fitted face model.")
    options.add_argument("--aflw", type=Path, required=True, help="folder with photos.zip and the label files")
    options.add_argument("--out", type=Path, required=True, help="file to write")
    options.add_argument("--count", type=int, default=6000, help="photos, balanced by pose")
    options.add_argument("--held-out", action="store_true", help="the photos kept apart, instead of those to train on")
    options.add_argument("--parsed", action="store_true", help="ask the face parser where something hides the face")
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args(words)
    data = DataConfig()
    parts = read_aflw(chosen.aflw, (), data.held_out, data.split_seed)
    faces = choose(parts[int(chosen.held_out)].faces, chosen.count, chosen.seed)

    def say(done: int) -> None:
        if done % 100 == 0:
            sys.stderr.write(f"\r{done} of {len(faces)}")
            sys.stderr.flush()

    found = label_faces(faces, load_model("base"), ParserNetwork(threads=1) if chosen.parsed else None, say)
    found.save(chosen.out)
    sys.stderr.write(f"\r{len(found)} of {len(faces)} photos labelled\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

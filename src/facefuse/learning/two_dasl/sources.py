"""Where a run's photos come from, and the photo sets made of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefuse.errors import UsageError
from facefuse.learning.landmarks.data import FaceSet, split
from facefuse.learning.landmarks.points import IBUG_MIRROR, IBUG_POINTS, mirror_partners
from facefuse.learning.synthesis.generator import Settings, Synthesizer
from facefuse.learning.two_dasl.config import TwoDaslConfig
from facefuse.learning.two_dasl.data import LandmarkPhotos, Sample2D, read_aflw, with_points
from facefuse.learning.two_dasl.folder_2d import LABELS, read_folder
from facefuse.learning.two_dasl.lp300w import LpPhotos
from facefuse.learning.two_dasl.space62 import WhitenedSpace
from facefuse.learning.two_dasl.synthetic import collect, joined, load_sample
from facefuse.learning.two_dasl.task import PhotoSet
from facefuse.learning.two_dasl.truth import Sample3D, TruthPhotos
from facefuse.morphable.importers.bfm_3ddfa import Bfm3ddfa, read_bfm_3ddfa
from facefuse.morphable.model import FaceModel
from facefuse.morphable.registry import load_model

MADE_UP_PHOTOS = 48
"""Synthetic photos of each set in a run without data."""

_MADE_UP_SIDE = 128


@dataclass(frozen=True)
class Sources:
    """What a run was given.

    Attributes
    ----------
    data
        Folder with ``aflw/`` or ``photos/`` (set I), ``synthetic/`` or ``300W_LP/`` (set J); None for made-up photos.
    landmark_run
        Checkpoint of a landmark network to start the light network from.
    face_model
        BFM files, for the published coefficients.
    """

    data: Path | None = None
    landmark_run: Path | None = None
    face_model: Path | None = None

    def to_plain(self) -> dict[str, str | None]:
        """As text for JSON, with full paths."""
        return {name: None if path is None else str(path.resolve()) for name, path in self.__dict__.items()}

    @staticmethod
    def from_plain(plain: dict[str, Any]) -> Sources:
        """From `to_plain`."""
        names = ("data", "landmark_run", "face_model")
        return Sources(**{name: None if plain[name] is None else Path(plain[name]) for name in names})


@dataclass(frozen=True)
class PhotoSets:
    """Photos of a run.

    Attributes
    ----------
    labelled_3d, labelled_2d
        The sets J and I; None where there are none.
    held_out
        Of set I, for validation.
    mesh_indices
        Mesh points that are learnt beside the 68 landmarks.
    bfm
        The face model of the published coefficients, where they are used.
    """

    labelled_3d: PhotoSet | None
    labelled_2d: PhotoSet | None
    held_out: Sample2D | None
    mesh_indices: NDArray[np.integer]
    bfm: Bfm3ddfa | None = None


def read_sets(config: TwoDaslConfig, sources: Sources) -> PhotoSets:
    """Read the photos that the settings ask for.

    Raises
    ------
    UsageError
        If photos or the face model that the settings need were not given.
    UnusableInput
        If they are damaged.
    """
    return _published_sets(config, sources) if config.space == "bfm62" else _base_sets(config, sources)


def _base_sets(config: TwoDaslConfig, sources: Sources) -> PhotoSets:
    model = load_model("base")
    names = model.expression_names
    wanted = config.data
    every: NDArray[np.integer] = np.arange(len(model.mesh_points))
    training: Sample2D | None = None
    held_out: Sample2D | None = None
    if sources.data is None:
        faces = _as_landmark_photos(_made_up(model, 2 * config.engine.seed + 1), names)
        training, held_out = _divided(faces, wanted.held_out, wanted.split_seed)
    elif (sources.data / "aflw").is_dir():
        training, held_out = read_aflw(sources.data / "aflw", names, wanted.held_out, wanted.split_seed)
    elif (sources.data / "photos" / LABELS).is_file():
        faces = read_folder(sources.data / "photos", every, _mirror(model, every), len(names))
        training, held_out = _divided(faces, wanted.held_out, wanted.split_seed)
    elif wanted.labelled_2d:
        raise UsageError(f"{sources.data}: neither aflw/ nor photos/{LABELS} is in it; data.labelled_2d is not 0")
    mesh: NDArray[np.integer] = every if training is None else training.faces.mesh_indices
    mirror = _mirror(model, mesh) if training is None else training.faces.mirror
    labelled_3d = None
    if wanted.labelled_3d:
        truth = with_mesh(_synthetic(sources, model, config.engine.seed), mesh)
        labelled_3d = TruthPhotos(truth, model, config.identity_modes, mirror, wanted)
    labelled_2d = None
    if training is not None and wanted.labelled_2d:
        labelled_2d = LandmarkPhotos(training, names, wanted)
    return PhotoSets(labelled_3d, labelled_2d, held_out, mesh)


def _published_sets(config: TwoDaslConfig, sources: Sources) -> PhotoSets:
    if sources.face_model is None or sources.data is None:
        raise UsageError("the published coefficients need --data with 300W_LP/, and --face-model with the BFM files")
    bfm = read_bfm_3ddfa(sources.face_model)
    names = WhitenedSpace.expression_names
    labelled_3d = LpPhotos(sources.data / "300W_LP", bfm, config.data) if config.data.labelled_3d else None
    labelled_2d: LandmarkPhotos | None = None
    held_out: Sample2D | None = None
    if config.data.labelled_2d:
        none = np.zeros(0, np.int64)
        if (sources.data / "aflw").is_dir():
            parts = read_aflw(sources.data / "aflw", (), config.data.held_out, config.data.split_seed)
            training, held_out = (_landmarks_only(part, len(names)) for part in parts)
        else:
            faces = read_folder(sources.data / "photos", none, IBUG_MIRROR, len(names))
            training, held_out = _divided(faces, config.data.held_out, config.data.split_seed)
        labelled_2d = LandmarkPhotos(training, names, config.data)
    return PhotoSets(labelled_3d, labelled_2d, held_out, np.zeros(0, np.int64), bfm)


def with_mesh(sample: Sample3D, mesh_indices: NDArray[np.integer]) -> Sample3D:
    """The same photos with some of the mesh points."""
    chosen = np.concatenate([np.arange(IBUG_POINTS), IBUG_POINTS + np.asarray(mesh_indices)])
    return replace(sample, points=sample.points[:, chosen], weight=sample.weight[:, chosen])


def _synthetic(sources: Sources, model: FaceModel, seed: int) -> Sample3D:
    if sources.data is None:
        return _made_up(model, 2 * seed)
    files = sorted((sources.data / "synthetic").glob("*.npz"))
    if not files:
        raise UsageError(
            f"{sources.data}: no synthetic/*.npz in it; draw them with python -m facefuse.learning.two_dasl, or set "
            "data.labelled_3d to 0"
        )
    return joined(load_sample(path) for path in files)


def _made_up(model: FaceModel, seed: int) -> Sample3D:
    synthesizer = Synthesizer(Settings(size=_MADE_UP_SIDE))
    photos = (synthesizer.photo(seed, index) for index in range(MADE_UP_PHOTOS))
    return collect(photos, model, np.arange(len(model.mesh_points)))


def _as_landmark_photos(sample: Sample3D, names: tuple[str, ...]) -> Sample2D:
    """Forget the 3D truth."""
    model = load_model("base")
    mesh = np.arange(len(model.mesh_points))
    count = len(sample)
    faces = FaceSet(
        sample.photos,
        sample.points,
        sample.weight,
        sample.yaw_deg,
        np.arange(count),
        mesh,
        _mirror(model, mesh),
        np.arange(count),
    )
    return Sample2D(faces, np.full((count, len(names)), np.nan, np.float32))


def _divided(sample: Sample2D, held_out: int, seed: int) -> tuple[Sample2D, Sample2D]:
    rows = replace(sample.faces, row=np.arange(len(sample)))
    return tuple(Sample2D(part, sample.scores[part.row]) for part in split(rows, held_out, seed))  # type: ignore[return-value]


def _landmarks_only(sample: Sample2D, expressions: int) -> Sample2D:
    faces = with_points(sample.faces, np.arange(sample.faces.points.shape[1]) < IBUG_POINTS)
    return Sample2D(faces, np.full((len(faces), expressions), np.nan, np.float32))


def _mirror(model: FaceModel, mesh_indices: NDArray[np.integer]) -> NDArray[np.intp]:
    """Mirror partners of the 68 landmarks and of the model's mesh points."""
    flat = np.asarray(model.mesh_landmarks(model.mean))[mesh_indices, :2].astype(float)
    flat[:, 0] -= flat[:, 0].mean()
    return np.concatenate([IBUG_MIRROR, IBUG_POINTS + mirror_partners(flat)])

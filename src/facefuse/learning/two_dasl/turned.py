"""Real photos turned further: the face of a photo in another pose, with its truth.

In-the-wild photos with trustworthy landmarks are mostly near frontal. Fitted with the face model, such a photo is a
textured head that can be seen from further aside ("face profiling", Zhu et al., *Face Alignment Across Large Poses: A
3D Solution*, CVPR 2016, section 5). Unlike there the whole head is drawn, not the depth image of the photo, and the
surroundings (hair, neck, background) are warped radially from the old outline of the head to the new one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress

from facefuse.errors import UnusableInput
from facefuse.geometry.rotations import euler_to_rotmat, rotmat_to_euler
from facefuse.learning.landmarks.data import FaceSet
from facefuse.learning.landmarks.points import IBUG_POINTS
from facefuse.learning.synthesis.backgrounds import Backgrounds
from facefuse.learning.two_dasl.config import DataConfig
from facefuse.learning.two_dasl.data import read_aflw
from facefuse.learning.two_dasl.synthetic import save_sample
from facefuse.learning.two_dasl.truth import Sample3D
from facefuse.learning.two_dasl.turned_view import FittedFace, PhotoTurner, TurnedPhoto, as_bytes
from facefuse.morphable.model import FaceModel
from facefuse.morphable.registry import load_model
from facefuse.rendering.shading import linear_to_srgb

Floats = NDArray[np.floating[Any]]

NEAREST_YAW, FURTHEST_YAW = 40.0, 95.0
"""Degrees of yaw, either way, of the turned faces."""

LEAST_TURN, MOST_TURN = 15.0, 50.0
"""Degrees by which a face is turned: less adds nothing new, more shows too much of what the photo does not."""

MOST_RESIDUAL = 3.0
"""Percent of the face's size that the fit may miss the labels by."""

_LEAST_TRUST = 0.9  # mean weight of the 68 labels
_START_YAW = (10.0, 45.0)  # |degrees|: from a frontal photo too much would have to be made up
_DARK_SHARE = 0.25


def turned_rotation(rotation: Floats, rng: np.random.Generator) -> Floats:
    """A pose further from frontal, within the limits of this module."""
    yaw, pitch, roll = (float(angle) for angle in rotmat_to_euler(rotation))
    low, high = max(NEAREST_YAW, abs(yaw) + LEAST_TURN), min(FURTHEST_YAW, abs(yaw) + MOST_TURN)
    side = np.sign(yaw) if abs(yaw) > 3.0 else rng.choice([-1.0, 1.0])
    new = side * rng.uniform(low, high)
    moved = np.clip(pitch + rng.normal(0.0, 6.0), -40.0, 40.0)
    return np.asarray(euler_to_rotmat(*(np.array(angle) for angle in (new, moved, roll + rng.normal(0.0, 4.0)))))


def usable(faces: FaceSet) -> NDArray[np.intp]:
    """Photos with a mesh, trustworthy labels and a yaw that leaves the face's side in view."""
    trusted = faces.weight[:, :IBUG_POINTS].mean(1) > _LEAST_TRUST
    meshed = (faces.weight[:, IBUG_POINTS:] > 0).all(1)
    yaw = np.abs(faces.yaw_deg)
    return np.flatnonzero(trusted & meshed & (yaw > _START_YAW[0]) & (yaw < _START_YAW[1]))


def collect_turned(
    faces: FaceSet,
    model: FaceModel,
    count: int,
    seed: int,
    backgrounds: Backgrounds,
    side: int,
    tell: Callable[[int], None] = lambda done: None,
) -> Sample3D:
    """Turn photos until there are ``count``; every photo is used once before any is used again.

    Beyond the photos' borders something else is seen: nothing, or part of a background photo.

    Raises
    ------
    UnusableInput
        If no photo is usable.
    """
    rng = np.random.default_rng(seed)
    turner = PhotoTurner(model, faces.mesh_indices)
    chosen = usable(faces)
    rows: list[tuple[Any, ...]] = []
    while len(rows) < count:
        before = len(rows)
        for i in rng.permutation(chosen):
            if len(rows) == count:
                break
            points = faces.points[i].astype(float)
            face = turner.fit(points, faces.weight[i].astype(float), faces.photos.shape[1])
            if face.residual > MOST_RESIDUAL:
                continue
            rotation = turned_rotation(face.camera.rotation, rng)
            dark = rng.random() < _DARK_SHARE
            beyond = linear_to_srgb(backgrounds.draw(side, rng) * (not dark))
            photo = turner.turn(faces.photos[i], points, face, rotation, as_bytes(255.0 * beyond))
            rows.append(_row(photo, face))
            tell(len(rows))
        if len(rows) == before:
            raise UnusableInput(f"none of {len(faces)} photos has labels good enough to be turned")
    pixels, *others = zip(*rows, strict=True)
    return Sample3D(np.stack(pixels), *(np.asarray(values, np.float32) for values in others))


def _row(photo: TurnedPhoto, face: FittedFace) -> tuple[Any, ...]:
    """Fields of a `Sample3D`; hidden points weigh a half, as in other synthetic photos."""
    camera, weight = photo.camera, np.where(photo.visible, 1.0, 0.5)
    pose = camera.rotation, camera.scale, camera.translation, float(rotmat_to_euler(np.asarray(camera.rotation))[0])
    return photo.pixels, photo.points, weight, face.identity, face.expression, *pose


@dataclass(frozen=True)
class Command:
    """Turn photos of a folder aside and keep what 2DASL learns from them.

    Photos that runs hold out for validation are never used.

    Attributes
    ----------
    aflw
        Folder with photos.zip, labels.npz and mesh_labels.npz.
    out
        File to write, ``DATA/synthetic/NAME.npz``; all files there must hold photos of one size.
    count
        Number of photos.
    seed
        Another seed, other photos and poses.
    backgrounds
        Zip of photos without faces, seen where a photo ends.
    size
        Side of the photos in pixels.
    """

    aflw: Path
    out: Path
    count: int = 3000
    seed: int = 1
    backgrounds: Path | None = None
    size: int = 160


def main() -> None:
    """Run the command line."""
    command = tyro.cli(Command)
    command.out.parent.mkdir(parents=True, exist_ok=True)
    config, model = DataConfig(), load_model("base")
    training, _ = read_aflw(command.aflw, model.expression_names, config.held_out, config.split_seed)
    backgrounds = Backgrounds(command.backgrounds)
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("turning", total=command.count)
        sample = collect_turned(
            training.faces,
            model,
            command.count,
            command.seed,
            backgrounds,
            command.size,
            lambda done: progress.update(task, completed=done),
        )
    save_sample(sample, command.out)


if __name__ == "__main__":
    main()

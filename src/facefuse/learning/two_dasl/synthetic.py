"""Set J out of synthetic photos: drawn once, kept in a file, read by every run."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefuse.errors import UnusableInput
from facefuse.geometry.rotations import rotmat_to_euler
from facefuse.learning.synthesis.sample import SyntheticPhoto
from facefuse.learning.two_dasl.truth import Sample3D, orthographic_view
from facefuse.morphable.model import FaceModel


def collect(
    photos: Iterable[SyntheticPhoto],
    model: FaceModel,
    mesh_indices: NDArray[np.integer],
    tell: Callable[[int], None] = lambda done: None,
) -> Sample3D:
    """Collect synthetic photos with the truth that 2DASL learns from.

    Parameters
    ----------
    photos
        All of one size.
    model
        The base model.
    mesh_indices
        (M,) mesh points wanted.
    tell
        Called with the number of photos done.

    Notes
    -----
    Points are known exactly, hidden or not; only mesh points far out on the hidden side of a profile are worth less
    than the others, since no detector is asked for them: hidden points weigh a half.
    """
    rows: dict[str, list[object]] = {field.name: [] for field in fields(Sample3D)}
    for done, photo in enumerate(photos, start=1):
        points = np.concatenate([photo.landmarks68, photo.mesh[mesh_indices]])
        visible = np.concatenate([photo.visible68, photo.mesh_visible[mesh_indices]])
        rotation, scale, translation = orthographic_view(photo.camera, model.landmarks(photo.vertices).astype(float))
        rows["photos"].append(photo.pixels)
        rows["points"].append(points)
        rows["weight"].append(np.where(visible, 1.0, 0.5))
        rows["identity"].append(photo.identity)
        rows["expression"].append(photo.expression)
        rows["rotation"].append(rotation)
        rows["scale"].append(scale)
        rows["translation"].append(translation)
        rows["yaw_deg"].append(float(rotmat_to_euler(rotation)[0]))
        tell(done)
    if not rows["photos"]:
        raise UnusableInput("no synthetic photos to collect")
    arrays: dict[str, NDArray[Any]] = {
        name: np.asarray(values, dtype=np.uint8 if name == "photos" else np.float32) for name, values in rows.items()
    }
    return Sample3D(**arrays)


def save_sample(sample: Sample3D, path: Path) -> None:
    """Write the photos and their truth to one ``.npz`` file, which appears whole or not at all."""
    partial = path.with_suffix(".partial.npz")
    np.savez(partial, **{field.name: getattr(sample, field.name) for field in fields(Sample3D)})
    partial.replace(path)


def load_sample(path: Path) -> Sample3D:
    """Read a file of `save_sample`.

    Raises
    ------
    UnusableInput
        If it is missing, damaged, or something else.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return Sample3D(**{field.name: arrays[field.name] for field in fields(Sample3D)})
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UnusableInput(f"{path}: not a file of synthetic photos with truth ({error})") from error


def joined(samples: Iterable[Sample3D]) -> Sample3D:
    """Several samples as one."""
    parts = list(samples)
    return Sample3D(
        **{field.name: np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Sample3D)}
    )

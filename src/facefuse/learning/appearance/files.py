"""What the steps of the recipe hand on: the model without statistics, and the people's looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from facefuse.errors import UsageError
from facefuse.learning.appearance.build import Sample, sample_of
from facefuse.learning.appearance.observe import Look
from facefuse.learning.appearance.people import Person
from facefuse.morphable.io import read_model
from facefuse.morphable.model import FaceModel
from facefuse.morphable.registry import registered_model

LOOKS = "looks.npz"
_ARRAYS = tuple(field.name for field in fields(Look))


def plain_model(name: str = "base") -> FaceModel:
    """Read a registered model as it is without statistics of albedo, so that they do not build on themselves."""
    return read_model(str(files("facefuse") / "assets" / registered_model(name).file))


def write_looks(folder: Path, people: Sequence[Person], looks: Sequence[Look]) -> None:
    """Write what was seen of all people, and who they are, to ``looks.npz`` in a folder."""
    arrays: dict[str, Any] = {
        name: np.stack([getattr(look, name) for look in looks]).astype(np.float32) for name in _ARRAYS
    }
    np.savez(
        folder / LOOKS,
        **arrays,
        ages=np.array([person.age for person in people]),
        genders=np.array([person.gender for person in people]),
        groups=np.array([person.group for person in people]),
    )


def read_looks(folder: Path, model: FaceModel) -> tuple[Sample, list[str]]:
    """Read what ``write_looks`` wrote.

    Returns
    -------
    sample : Sample
    groups : list of str
        Of each person, the rarer of two.

    Raises
    ------
    UsageError
        If the folder has none.
    """
    path = folder / LOOKS
    if not path.is_file():
        raise UsageError(f"no {LOOKS} in {folder}; write it first with the command 'textures'")
    with np.load(path) as found:
        arrays = [found[name].astype(np.float64) for name in _ARRAYS]
        looks = [Look(*one) for one in zip(*arrays, strict=True)]
        groups = [str(group).split("/")[0] for group in found["groups"]]
        return sample_of(model, looks, groups, [str(g) for g in found["genders"]], found["ages"].tolist()), groups

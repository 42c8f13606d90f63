"""The registry of face models: name, file, licence and digest."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from facefuse.errors import AssetError, UsageError
from facefuse.morphable.appearance import read_appearance, with_appearance
from facefuse.morphable.io import read_model
from facefuse.morphable.model import FaceModel


@dataclass(frozen=True)
class RegisteredModel:
    """A face model that ships with the package.

    Attributes
    ----------
    name : str
        What users type.
    file : str
        File name under the package's ``assets``.
    appearance : str or None
        File name of its albedo statistics there.
    licence, credit, description : str
        What people must know before they publish results.
    """

    name: str
    file: str
    licence: str
    credit: str
    description: str
    appearance: str | None = None


_MODELS = (
    RegisteredModel(
        name="base",
        file="base_model.safetensors",
        licence="Apache-2.0; shape statistics from ICT-FaceKit Light (MIT), albedo from the London Set (CC BY 4.0)",
        credit="Li et al., Learning Formation of Physically-Based Face Attributes, CVPR 2020; "
        "DeBruine and Jones, Face Research Lab London Set, doi:10.6084/m9.figshare.5047666",
        description="Built-in head: face, ears, neck, scalp, eyeballs, teeth; ARKit expressions; albedo.",
        appearance="base_appearance.safetensors",
    ),
)


def model_names() -> tuple[str, ...]:
    """Return the names of the registered models."""
    return tuple(model.name for model in _MODELS)


def registered_model(name: str) -> RegisteredModel:
    """Return the registry entry of a model.

    Raises
    ------
    UsageError
        If no model has that name.
    """
    for model in _MODELS:
        if model.name == name:
            return model
    raise UsageError(
        f"no face model named {name!r}; known: {', '.join(model_names())} (facefuse models list), or give the "
        ".safetensors file that facefuse models import wrote"
    )


SUFFIX = ".safetensors"
"""A model's name that ends so is the path of a file that `facefuse models import` (or `write_model`) wrote."""


@lru_cache(maxsize=4)
def load_model(name: str = "base") -> FaceModel:
    """Load a face model (NumPy arrays, shared between calls: do not write into them).

    Parameters
    ----------
    name : str
        A registered model, or the path of a ``.safetensors`` file with a model of the user's.

    Raises
    ------
    UsageError
        If no model has that name.
    AssetError
        If its file is missing or damaged.
    """
    if name.endswith(SUFFIX):
        return read_model(name)
    entry = registered_model(name)
    model = read_model(_asset(name, entry.file))
    if entry.appearance is None:
        return model
    return with_appearance(model, read_appearance(_asset(name, entry.appearance), model))


def _asset(name: str, file: str) -> str:
    path = files("facefuse") / "assets" / file
    if not path.is_file():
        raise AssetError(f"a file of model {name!r} ({file}) is missing; reinstall facefuse")
    return str(path)

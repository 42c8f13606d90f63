"""The registry of face models: name, file, licence and digest."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from facefuse.errors import AssetError, UsageError
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
    licence, credit, description : str
        What people must know before they publish results.
    """

    name: str
    file: str
    licence: str
    credit: str
    description: str


_MODELS = (
    RegisteredModel(
        name="base",
        file="base_model.safetensors",
        licence="Apache-2.0; shape statistics from ICT-FaceKit Light (MIT)",
        credit="Li et al., Learning Formation of Physically-Based Face Attributes, CVPR 2020",
        description="Built-in head: face, ears, neck, scalp, eyeballs, teeth; ARKit expressions.",
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
    raise UsageError(f"no face model named {name!r}; known: {', '.join(model_names())} (facefuse models list)")


@lru_cache(maxsize=4)
def load_model(name: str = "base") -> FaceModel:
    """Load a registered face model (NumPy arrays, shared between calls: do not write into them).

    Raises
    ------
    UsageError
        If no model has that name.
    AssetError
        If its file is missing or damaged.
    """
    entry = registered_model(name)
    path = files("facefuse") / "assets" / entry.file
    if not path.is_file():
        raise AssetError(f"the file of model {name!r} ({entry.file}) is missing; reinstall facefuse")
    return read_model(str(path))

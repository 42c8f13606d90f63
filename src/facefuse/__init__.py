"""Ordinary photos of a face in, an accurate, textured, animatable 3D head out."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from facefuse.kernel_cache import ensure_kernel_cache
from facefuse.version import __version__

if TYPE_CHECKING:
    from facefuse.errors import (
        AssetError,
        FacefuseError,
        ImageReadError,
        NoFaceFound,
        UnusableInput,
        UsageError,
    )
    from facefuse.morphable.model import FaceModel
    from facefuse.morphable.registry import load_model
    from facefuse.photos import Photo, read_photo
    from facefuse.reconstruction import PhotoResult, Reconstruction, SkippedPhoto, reconstruct

__all__ = [
    "AssetError",
    "FaceModel",
    "FacefuseError",
    "ImageReadError",
    "NoFaceFound",
    "Photo",
    "PhotoResult",
    "Reconstruction",
    "SkippedPhoto",
    "UnusableInput",
    "UsageError",
    "__version__",
    "load_model",
    "read_photo",
    "reconstruct",
]

# Loaded on first use, so that "import facefuse" costs next to nothing.
_HOMES = {
    "AssetError": "facefuse.errors",
    "FaceModel": "facefuse.morphable.model",
    "FacefuseError": "facefuse.errors",
    "ImageReadError": "facefuse.errors",
    "NoFaceFound": "facefuse.errors",
    "Photo": "facefuse.photos",
    "PhotoResult": "facefuse.reconstruction",
    "Reconstruction": "facefuse.reconstruction",
    "SkippedPhoto": "facefuse.reconstruction",
    "UnusableInput": "facefuse.errors",
    "UsageError": "facefuse.errors",
    "load_model": "facefuse.morphable.registry",
    "read_photo": "facefuse.photos",
    "reconstruct": "facefuse.reconstruction",
}


ensure_kernel_cache()


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'facefuse' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

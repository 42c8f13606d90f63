"""Face models: values, decoding, files and the registry."""

from facefuse.morphable.model import FaceModel
from facefuse.morphable.registry import load_model, model_names

__all__ = ["FaceModel", "load_model", "model_names"]

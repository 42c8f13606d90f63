"""Ordinary photos of a face in, an accurate, textured, animatable 3D head out."""

from facefuse.version import __version__

__all__ = ["__version__"]

"""One texture out of many photos."""

from facefuse.texturing.bake import bake_texture

__all__ = ["bake_texture"]

"""Writing a head: GLB, OBJ, PLY, JSON, overlays and the report."""

from facefuse.export.glb import head_to_glb
from facefuse.export.writer import FORMATS, save

__all__ = ["FORMATS", "head_to_glb", "save"]

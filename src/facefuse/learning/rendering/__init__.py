"""Differentiable rendering of face meshes in PyTorch, on any device."""

from facefuse.learning.rendering.cameras import OrthographicCameras, PinholeCameras
from facefuse.learning.rendering.coverage import Coverage, rasterize
from facefuse.learning.rendering.mesh import RenderMesh
from facefuse.learning.rendering.render import Rendering, render
from facefuse.learning.rendering.visibility import point_visibility

__all__ = [
    "Coverage",
    "OrthographicCameras",
    "PinholeCameras",
    "RenderMesh",
    "Rendering",
    "point_visibility",
    "rasterize",
    "render",
]

"""What is to be drawn, after cameras and coverage: common to both ways of drawing it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from facefuse.learning.rendering.coverage import Coverage
from facefuse.learning.rendering.mesh import RenderMesh


@dataclass(frozen=True)
class Scene:
    """A batch of meshes on the screen; shapes and meaning as in `facefuse.learning.rendering.render`.

    Attributes
    ----------
    screen : (B, V, 3) float
        x and y in pixels, and depth.
    mesh : RenderMesh
    coverage : Coverage
        What is seen where; of this mesh.
    perspective, cull_back : bool
        As it was rasterised.
    antialias : bool
        Whether outlines are blended.
    texture : (B or 1, 3, S, T) float, optional
    albedo : (B or 1, V, 3) float, optional
    normals : (B, V, 3) float, optional
        In the axes of the light; given if and only if the light is.
    light : (B or 1, 9, 3) float, optional
    attributes : (B or 1, V, C) float, optional
    background : (B or 1, 3, H, W) float, optional
    """

    screen: Tensor
    mesh: RenderMesh
    coverage: Coverage
    perspective: bool
    cull_back: bool
    antialias: bool
    texture: Tensor | None = None
    albedo: Tensor | None = None
    normals: Tensor | None = None
    light: Tensor | None = None
    attributes: Tensor | None = None
    background: Tensor | None = None


Pictures = tuple[Tensor, Tensor, Tensor]
"""Colour (B, 3, H, W), mask (B, 1, H, W) and attributes (B, C, H, W)."""

"""Rendering of face meshes, differentiable in vertices, cameras, colours, textures and light."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from facefuse.geometry.mesh import vertex_normals
from facefuse.learning.rendering import compiled, plain
from facefuse.learning.rendering.cameras import Cameras
from facefuse.learning.rendering.coverage import Coverage, rasterize
from facefuse.learning.rendering.mesh import RenderMesh
from facefuse.learning.rendering.scene import Scene

Rasterizer = Callable[..., Coverage]
"""Called like `facefuse.learning.rendering.coverage.rasterize`."""


@dataclass(frozen=True)
class Rendering:
    """Pictures of a batch of meshes.

    Attributes
    ----------
    colour : (B, 3, H, W) float
        Linear RGB over the background; `facefuse.rendering.shading.linear_to_srgb` turns it into a photo's.
    mask : (B, 1, H, W) float
        How far the mesh covers each pixel, 0-1.
    attributes : (B, C, H, W) float
        The given vertex attributes, 0 beside the mesh; with part weights that sum to one at every vertex, these and
        ``1 - mask`` sum to one at every pixel.
    coverage : Coverage
        Triangle, barycentric coordinates and depth at pixel centres, without gradients.
    screen : (B, V, 3) float
        Vertices in pixels, and depth.
    """

    colour: Tensor
    mask: Tensor
    attributes: Tensor
    coverage: Coverage
    screen: Tensor


def render(
    vertices: Tensor,
    cameras: Cameras,
    mesh: RenderMesh,
    width: int,
    height: int,
    *,
    albedo: Tensor | None = None,
    texture: Tensor | None = None,
    light: Tensor | None = None,
    light_frame: Literal["camera", "model"] = "camera",
    attributes: Tensor | None = None,
    background: Tensor | None = None,
    cull_back: bool = True,
    antialias: bool = True,
    rasterizer: Rasterizer = rasterize,
) -> Rendering:
    """Render a batch of meshes.

    Gradients flow to vertices and cameras (through what is seen at each pixel, the normals, and, with ``antialias``,
    the outlines) and to albedo, texture, light, attributes and background.

    Parameters
    ----------
    vertices : (B, V, 3) float
        Millimetres, model frame.
    cameras : PinholeCameras or OrthographicCameras
        One for each mesh.
    mesh : RenderMesh
    width, height : int
        Of the pictures, pixels.
    albedo : (B or 1, V, 3) float, optional
        Linear RGB per vertex; white if there is no texture either.
    texture : (B or 1, 3, S, T) float, optional
        Linear RGB, row 0 at v = 1; needs texture coordinates in the mesh. Multiplied with ``albedo`` if both are given.
    light : (B or 1, 9, 3) float, optional
        Spherical harmonics as in `facefuse.rendering.shading.sh_shade`; without, colours are shown as they are.
    light_frame : "camera" or "model"
        The axes of the light: the camera's (x right, y down, z forward) or the model's.
    attributes : (B or 1, V, C) float, optional
        Anything else to be seen at every pixel: part weights, coordinates.
    background : (B or 1, 3, H, W) float, optional
        Linear RGB; black by default.
    cull_back : bool
        Whether triangles seen from behind are invisible.
    antialias : bool
        Whether outlines are blended, which gives them gradients.
    rasterizer : callable
        What finds the visible triangles: `facefuse.learning.rendering.nvdiffrast.rasterize` where that is installed.

    Returns
    -------
    Rendering

    Raises
    ------
    ValueError
        If shapes do not agree, or a texture comes without texture coordinates.
    """
    _check(vertices, mesh, width, height, albedo, texture, light, attributes, background)
    screen = cameras.screen(vertices)
    with torch.no_grad():
        seen = rasterizer(screen, mesh.triangles, width, height, perspective=cameras.perspective, cull_back=cull_back)
    normals = None
    if light is not None:
        normals = _vertex_normals(vertices, mesh.triangles)
        if light_frame == "camera":
            normals = normals @ cameras.rotation.mT
    scene = Scene(
        screen,
        mesh,
        seen,
        cameras.perspective,
        cull_back,
        antialias,
        texture,
        albedo,
        normals,
        light,
        attributes,
        background,
    )
    draw = compiled.draw if screen.device.type == "cpu" else plain.draw
    return Rendering(*draw(scene), seen, screen)


def _vertex_normals(vertices: Tensor, triangles: Tensor) -> Tensor:
    if vertices.device.type == "cpu":
        return compiled.vertex_normals(vertices, triangles)
    normals: Tensor = vertex_normals(vertices, triangles)
    return normals


def _check(
    vertices: Tensor,
    mesh: RenderMesh,
    width: int,
    height: int,
    albedo: Tensor | None,
    texture: Tensor | None,
    light: Tensor | None,
    attributes: Tensor | None,
    background: Tensor | None,
) -> None:
    if vertices.ndim != 3 or vertices.shape[-1] != 3:
        raise ValueError(f"expected (B, V, 3) vertices, found {tuple(vertices.shape)}")
    if texture is not None and (mesh.uv is None or mesh.uv_triangles is None):
        raise ValueError("a texture needs a mesh with uv and uv_triangles")
    batch, count = vertices.shape[:2]
    expected = (
        ("albedo", albedo, (count, 3)),
        ("texture", texture, (3, None, None)),
        ("light", light, (9, 3)),
        ("attributes", attributes, (count, None)),
        ("background", background, (3, height, width)),
    )
    for name, value, shape in expected:
        if value is None:
            continue
        fits = value.ndim == len(shape) + 1 and value.shape[0] in (1, batch)
        if not fits or any(want not in (None, size) for want, size in zip(shape, value.shape[1:], strict=True)):
            wanted = ", ".join("*" if size is None else str(size) for size in (f"{batch} or 1", *shape))
            raise ValueError(f"expected {name} of shape ({wanted}), found {tuple(value.shape)}")

"""Z-buffer rasterisation of triangle meshes.

Pixel centres lie at integer coordinates; a pixel belongs to the triangles that contain its centre, and a centre on a
shared edge to exactly one of them (top-left rule). Results are deterministic: of two surfaces at the same depth the
triangle with the lower index wins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from facefuse.geometry.cameras import Camera, ScaledOrthographicCamera
from facefuse.rendering import kernels

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Fragments:
    """What is seen at each pixel.

    Attributes
    ----------
    triangle : (H, W) int32
        The nearest triangle, -1 where there is none.
    barycentric : (H, W, 3) float32
        Perspective-correct weights of its corners; zero where there is none.
    depth : (H, W) float32
        Depth in the unit of the vertices' z; inf where there is none.
    """

    triangle: npt.NDArray[np.int32]
    barycentric: npt.NDArray[np.float32]
    depth: npt.NDArray[np.float32]

    @property
    def mask(self) -> npt.NDArray[np.bool_]:
        """Where there is a triangle, (H, W)."""
        return self.triangle >= 0


def rasterize(
    vertices: FloatArray,
    triangles: IntArray,
    width: int,
    height: int,
    *,
    perspective: bool = True,
    cull_back: bool = True,
    near: float = 1e-6,
) -> Fragments:
    """Rasterise a triangle mesh given in screen coordinates.

    Parameters
    ----------
    vertices : (V, 3) float
        x and y in pixels (y down), z the depth along the viewing axis, growing away from the eye.
    triangles : (F, 3) int
        Counter-clockwise seen from outside.
    width, height : int
        Size of the image in pixels.
    perspective : bool
        Whether x and y were divided by z; then 1/z is interpolated, otherwise z.
    cull_back : bool
        Whether triangles seen from behind are invisible.
    near : float
        Perspective triangles with a corner at or before this depth are dropped.

    Returns
    -------
    Fragments

    Raises
    ------
    ValueError
        If a shape or a triangle index is wrong.
    """
    points = np.ascontiguousarray(vertices, dtype=np.float64)
    faces = np.ascontiguousarray(triangles, dtype=np.int32)
    if points.ndim != 2 or points.shape[1] != 3 or faces.ndim != 2 or faces.shape[1] != 3:
        raise ValueError(f"expected (V, 3) vertices and (F, 3) triangles, found {points.shape} and {faces.shape}")
    if width < 1 or height < 1:
        raise ValueError(f"expected a positive image size, found {width} x {height}")
    if len(faces) and (faces.min() < 0 or faces.max() >= len(points)):
        raise ValueError(f"triangles refer to vertices outside 0..{len(points) - 1}")
    index = np.empty((height, width), np.int32)
    depth = np.empty((height, width), np.float32)
    barycentric = np.empty((height, width, 3), np.float32)
    snapped = np.empty_like(points)
    kernels.raster_depth(points, faces, float(near), bool(perspective), bool(cull_back), snapped, index, depth)
    kernels.raster_barycentric(snapped, faces, bool(perspective), index, barycentric, depth)
    return Fragments(index, barycentric, depth)


def screen_vertices(vertices: FloatArray, camera: Camera) -> FloatArray:
    """Project model vertices, (V, 3) mm, to screen vertices, (V, 3): x, y in pixels and depth in mm."""
    points = np.asarray(vertices, dtype=np.float64)
    out = np.empty((len(points), 3))
    with np.errstate(divide="ignore", invalid="ignore"):  # points in the camera's plane; the rasteriser drops them
        out[:, :2] = camera.project(points)
    out[:, 2] = camera.depth(points)
    return out


def is_perspective(camera: Camera) -> bool:
    """Whether the camera divides by depth."""
    return not isinstance(camera, ScaledOrthographicCamera)


def rasterize_camera(
    vertices: FloatArray, triangles: IntArray, camera: Camera, width: int, height: int, *, cull_back: bool = True
) -> Fragments:
    """Rasterise a mesh in the model frame, seen by a camera.

    Parameters
    ----------
    vertices : (V, 3) float
        Millimetres, model frame.
    triangles : (F, 3) int
        Counter-clockwise seen from outside.
    camera : Camera
    width, height : int
        Size of the image in pixels.
    cull_back : bool
        Whether triangles seen from behind are invisible.

    Returns
    -------
    Fragments
        Depth in mm.
    """
    screen = screen_vertices(vertices, camera)
    return rasterize(screen, triangles, width, height, perspective=is_perspective(camera), cull_back=cull_back)

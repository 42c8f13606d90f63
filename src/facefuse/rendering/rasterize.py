"""Z-buffer rasterisation of triangle meshes.

Pixel centres lie at integer coordinates; a pixel belongs to the triangles that contain its centre, and a centre on a
shared edge to exactly one of them (top-left rule): vertices are snapped to 1/4096 pixel and edges tested in whole
numbers. Results are deterministic: of two surfaces at the same depth the triangle with the lower index wins. The method
is that of Pineda, "A parallel algorithm for polygon rasterization", SIGGRAPH 1988.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
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
    """What is seen at each pixel of a picture, or of a batch of pictures (a leading axis B).

    Attributes
    ----------
    triangle : ([B,] H, W) int32
        The nearest triangle, -1 where there is none.
    barycentric : ([B,] H, W, 3) float32
        Perspective-correct weights of its corners; zero where there is none.
    depth : ([B,] H, W) float32
        Depth in the unit of the vertices' z; inf where there is none.
    """

    triangle: npt.NDArray[np.int32]
    barycentric: npt.NDArray[np.float32]
    depth: npt.NDArray[np.float32]

    @property
    def mask(self) -> npt.NDArray[np.bool_]:
        """Where there is a triangle, ([B,] H, W)."""
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
    threads: int = 1,
) -> Fragments:
    """Rasterise triangle meshes given in screen coordinates.

    Parameters
    ----------
    vertices : ([B,] V, 3) float
        x and y in pixels (y down), z the depth along the viewing axis, growing away from the eye.
    triangles : (F, 3) int
        Counter-clockwise seen from outside; the same for the whole batch.
    width, height : int
        Size of the image in pixels.
    perspective : bool
        Whether x and y were divided by z; then 1/z is interpolated, otherwise z.
    cull_back : bool
        Whether triangles seen from behind are invisible.
    near : float
        Perspective triangles with a corner at or before this depth are dropped; so are all with a corner that is not
        finite.
    threads : int
        How many meshes of a batch are worked on at a time.

    Returns
    -------
    Fragments
        Batched if ``vertices`` are.

    Raises
    ------
    ValueError
        If a shape or a triangle index is wrong.
    """
    points = np.ascontiguousarray(vertices, dtype=np.float64)
    if points.ndim not in (2, 3) or points.shape[-1] != 3:
        raise ValueError(f"expected ([B,] V, 3) vertices, found {points.shape}")
    if width < 1 or height < 1:
        raise ValueError(f"expected a positive image size, found {width} x {height}")
    faces = np.ascontiguousarray(triangles)
    if faces.ndim != 2 or faces.shape[1] != 3 or faces.dtype.kind not in "iu":
        raise ValueError(f"expected (F, 3) integer triangles, found {faces.shape} of {faces.dtype}")
    batch = points.reshape(-1, *points.shape[-2:])
    index = np.empty((len(batch), height, width), np.int32)
    barycentric = np.empty((len(batch), height, width, 3), np.float32)
    depth = np.empty((len(batch), height, width), np.float32)

    def some(start: int) -> None:
        snapped = scratch("snapped", points.shape[-2] * 4, np.int32).reshape(-1, 4)
        keys = scratch("keys", (height + 1) * (width + 1), np.int64)
        planes = scratch("planes", len(faces) * 8, np.float32).reshape(-1, 8)
        for n in range(start, len(batch), workers):
            far = kernels.snap_vertices(batch[n], float(near), bool(perspective), snapped)
            how = bool(perspective), len(faces) if cull_back else 0, width, height
            if not kernels.raster_keys(snapped, faces, *how, keys, planes):
                raise ValueError(f"triangles refer to vertices outside 0..{points.shape[-2] - 1}")
            kernels.resolve_keys(keys, planes, bool(perspective), far, index[n], barycentric[n], depth[n])

    workers = max(1, min(threads, len(batch)))
    if workers == 1:
        some(0)
    else:
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(some, range(workers)))
    if points.ndim == 2:
        return Fragments(index[0], barycentric[0], depth[0])
    return Fragments(index, barycentric, depth)


def nearest_triangles(
    vertices: npt.NDArray[np.float64], triangles: IntArray, width: int, height: int, cull: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """What `rasterize` finds of a mesh in perspective before it is spread out over pixels.

    Parameters
    ----------
    vertices : (V, 3) float64, triangles : (F, 3) int
        Contiguous, and valid.
    width, height : int
    cull : int
        So many of the first triangles are dropped where they are seen from behind.

    Returns
    -------
    (F, 8) float32, ((H + 1) (W + 1),) int64
        ``planes`` and ``keys`` of `kernels.raster_keys`; this thread's next call writes over them.
    """
    snapped = scratch("snapped", len(vertices) * 4, np.int32).reshape(-1, 4)
    keys = scratch("nearest_keys", (height + 1) * (width + 1), np.int64)
    planes = scratch("nearest_planes", len(triangles) * 8, np.float32).reshape(-1, 8)
    kernels.snap_vertices(vertices, 1e-6, True, snapped)
    kernels.raster_keys(snapped, triangles, True, cull, width, height, keys, planes)
    return planes, keys


_KEPT_BYTES = 1 << 23
_kept = threading.local()


def scratch(name: str, count: int, kind: type[np.generic]) -> npt.NDArray[Any]:
    """Return an array to work in, kept by this thread for the next call: fresh memory costs as much as the work."""
    if count * np.dtype(kind).itemsize > _KEPT_BYTES:
        return np.empty(count, kind)
    found: npt.NDArray[Any] | None = getattr(_kept, name, None)
    if found is None or len(found) < count:
        found = np.empty(count, kind)
        setattr(_kept, name, found)
    return found[:count]


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

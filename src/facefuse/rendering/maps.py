"""Maps of a head as a camera sees it: depth, normals, PNCC, texture coordinates, parts, visibility.

One sample per pixel centre, so that every value is the value of one surface point: nothing is blended at outlines.
All maps are zero where the head is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from facefuse.geometry.arrays import array_namespace
from facefuse.geometry.cameras import PinholeCamera, ScaledOrthographicCamera
from facefuse.geometry.mesh import vertex_normals
from facefuse.rendering.interpolate import interpolate
from facefuse.rendering.rasterize import Fragments, screen_vertices
from facefuse.rendering.window import rasterize_window, window_of

Array = Any
FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]
FloatMap = npt.NDArray[np.float32]
PosedCamera = PinholeCamera | ScaledOrthographicCamera

LEAST_VISIBLE = 1 / 255
"""The visibility of a surface that is seen edge-on: not zero, which is no surface."""


class MappedSurface(Protocol):
    """What maps are drawn from; every face model is one."""

    @property
    def mean(self) -> Array:
        """(V, 3) float: the mean head, mm."""

    @property
    def triangles(self) -> Array:
        """(F, 3) int."""

    @property
    def uv(self) -> Array:
        """(U, 2) float: texture coordinates."""

    @property
    def uv_triangles(self) -> Array:
        """(F, 3) int."""

    @property
    def region(self) -> Array:
        """(F,) int: the region of each triangle."""


def depth_map(fragments: Fragments) -> FloatMap:
    """Distance from the camera's plane along the optical axis, mm: (H, W) float32."""
    return np.where(fragments.mask, fragments.depth, np.float32(0))


def normal_map(fragments: Fragments, vertices: FloatArray, triangles: IntArray, camera: PosedCamera) -> FloatMap:
    """Unit normals of the smooth surface, camera axes (x right, y down, z forward).

    Parameters
    ----------
    fragments : Fragments
    vertices : (V, 3) float
        Posed, model frame.
    triangles : (F, 3) int
    camera : PinholeCamera or ScaledOrthographicCamera

    Returns
    -------
    (H, W, 3) float32
    """
    out = interpolate(fragments, camera_normals(vertices, triangles, camera), triangles)
    length = np.sqrt(np.einsum("hwc,hwc->hw", out, out))[..., None]
    out /= np.where(length > 0, length, 1)
    return out


def pncc_map(fragments: Fragments, mean: FloatArray, triangles: IntArray) -> FloatMap:
    """Projected normalised coordinate code: which point of the mean head each pixel shows.

    Source: Zhu et al., "Face alignment across large poses: a 3D solution", CVPR 2016, section 3.2.1.

    Parameters
    ----------
    fragments : Fragments
    mean : (V, 3) float
    triangles : (F, 3) int

    Returns
    -------
    (H, W, 3) float32
        :func:`normalised_coordinates` of the mean head, 0-1.
    """
    return np.clip(interpolate(fragments, normalised_coordinates(mean), triangles), 0, 1)


def uv_map(fragments: Fragments, uv: FloatArray, uv_triangles: IntArray) -> FloatMap:
    """Texture coordinates (u right, v up, 0-1) at every pixel: (H, W, 2) float32."""
    return interpolate(fragments, uv, uv_triangles)


def part_map(fragments: Fragments, region: IntArray) -> npt.NDArray[np.uint8]:
    """Label of the part at every pixel: 0 for none, k + 1 for region k of ``region`` (F,): (H, W) uint8."""
    label = np.append(np.asarray(region) + 1, 0).astype(np.uint8)
    return label[fragments.triangle]  # -1, no triangle, is the last


def visibility_map(fragments: Fragments, vertices: FloatArray, triangles: IntArray, camera: PosedCamera) -> FloatMap:
    """How squarely each pixel sees the surface: the cosine between its normal and the line of sight.

    Parameters
    ----------
    fragments, vertices, triangles, camera
        As in :func:`normal_map`.

    Returns
    -------
    (H, W) float32
        `LEAST_VISIBLE` to 1; 0 where the head is not.
    """
    cosine = viewing_cosine(vertices, triangles, camera)
    seen = interpolate(fragments, cosine[:, None], triangles)[..., 0]
    return np.where(fragments.mask, np.clip(seen, np.float32(LEAST_VISIBLE), np.float32(1)), np.float32(0))


_DRAW: dict[str, Callable[[Fragments, MappedSurface, FloatArray, PosedCamera], npt.NDArray[Any]]] = {
    "depth": lambda seen, surface, vertices, camera: depth_map(seen),
    "normals": lambda seen, surface, vertices, camera: normal_map(seen, vertices, surface.triangles, camera),
    "pncc": lambda seen, surface, vertices, camera: pncc_map(seen, surface.mean, surface.triangles),
    "uv": lambda seen, surface, vertices, camera: uv_map(seen, surface.uv, surface.uv_triangles),
    "parts": lambda seen, surface, vertices, camera: part_map(seen, surface.region),
    "visibility": lambda seen, surface, vertices, camera: visibility_map(seen, vertices, surface.triangles, camera),
}
MAPS = tuple(_DRAW)
"""Names of the maps."""


def draw_maps(
    names: Iterable[str],
    surface: MappedSurface,
    vertices: FloatArray,
    camera: PosedCamera,
    width: int,
    height: int,
) -> dict[str, npt.NDArray[Any]]:
    """Draw several maps of a head from one rasterisation.

    Parameters
    ----------
    names : iterable of str
        Of `MAPS`.
    surface : MappedSurface
        The face model (NumPy arrays).
    vertices : (V, 3) float
        The posed head, mm, model frame.
    camera : PinholeCamera or ScaledOrthographicCamera
    width, height : int
        Size of the maps in pixels.

    Returns
    -------
    dict of str to array
        By name, in the order given; see the function of each map for its shape, type and meaning.

    Raises
    ------
    ValueError
        If a name is not one of `MAPS`.
    """
    wanted = list(names)
    unknown = [name for name in wanted if name not in _DRAW]
    if unknown:
        raise ValueError(f"no map {unknown[0]!r}; there are {', '.join(MAPS)}")
    screen = screen_vertices(vertices, camera)
    left, top, right, bottom = window = window_of(screen, camera, width, height)
    if left == right or top == bottom:
        window = (0, 0, 1, 1)  # the head is not in the picture: one empty pixel gives every map its type
    seen = rasterize_window(screen, surface.triangles, camera, window)
    drawn = {}
    for name in wanted:
        patch = _DRAW[name](seen, surface, vertices, camera)
        whole = np.zeros((height, width, *patch.shape[2:]), patch.dtype)
        whole[window[1] : window[3], window[0] : window[2]] = patch
        drawn[name] = whole
    return drawn


def normalised_coordinates(mean: Array) -> Array:
    """Normalised coordinate code of every vertex: each axis of the mean head stretched to 0-1: (V, 3) to (V, 3)."""
    xp = array_namespace(mean)
    low, high = xp.min(mean, axis=0), xp.max(mean, axis=0)
    return (mean - low) / (high - low)


def camera_normals(vertices: Array, triangles: Array, camera: PosedCamera) -> Array:
    """Unit vertex normals in camera axes (x right, y down, z forward): (V, 3) model frame to (V, 3)."""
    xp = array_namespace(vertices)
    return xp.matmul(vertex_normals(vertices, triangles), xp.matrix_transpose(_rotation(vertices, camera)))


def viewing_cosine(vertices: Array, triangles: Array, camera: PosedCamera) -> Array:
    """Cosine between the normal of each vertex and its line of sight: (V, 3) to (V,); negative seen from behind."""
    xp = array_namespace(vertices)
    normals = vertex_normals(vertices, triangles)
    rotation = _rotation(vertices, camera)
    if isinstance(camera, ScaledOrthographicCamera):
        return -xp.matmul(normals, rotation[2, :])
    sight = vertices + xp.matmul(xp.asarray(camera.translation, dtype=vertices.dtype), rotation)
    return -xp.sum(normals * sight, axis=-1) / xp.sqrt(xp.sum(sight * sight, axis=-1))


def _rotation(vertices: Array, camera: PosedCamera) -> Array:
    return array_namespace(vertices).asarray(camera.rotation, dtype=vertices.dtype)

"""Pictures for people: a mesh over a photo, landmarks, a textured head."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from facefuse.geometry.cameras import Camera, PinholeCamera
from facefuse.geometry.mesh import vertex_normals
from facefuse.geometry.rotations import euler_to_rotmat
from facefuse.rendering.interpolate import uv_to_pixels
from facefuse.rendering.lights import EVEN, STUDIO, StudioLight
from facefuse.rendering.marks import draw_landmarks
from facefuse.rendering.paint import paint
from facefuse.rendering.rasterize import Fragments, screen_vertices
from facefuse.rendering.shading import linear_to_srgb, srgb_to_linear
from facefuse.rendering.window import rasterize_window, window_of

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]
Pixels = npt.NDArray[np.uint8]

_DECODE = srgb_to_linear(np.arange(256) / 255).astype(np.float32)
_ENCODE = np.rint(linear_to_srgb(np.linspace(0, 1, 16384)) * 255).astype(np.uint8)

__all__ = [
    "EVEN",
    "STUDIO",
    "StudioLight",
    "contact_sheet",
    "draw_head",
    "draw_landmarks",
    "draw_overlay",
    "portrait_camera",
]


def portrait_camera(
    points: FloatArray, size: int, yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0, margin: float = 0.06
) -> PinholeCamera:
    """Place a portrait lens (85 mm equivalent) so that points fill a square picture.

    Parameters
    ----------
    points : (N, 3) float
        Millimetres, model frame.
    size : int
        Side of the picture in pixels.
    yaw, pitch, roll : float
        How the head is turned, degrees.
    margin : float
        Free border, as a fraction of the side.

    Returns
    -------
    PinholeCamera
    """
    rotation = euler_to_rotmat(*(np.asarray(float(angle)) for angle in (yaw, pitch, roll)))
    seen = np.asarray(points, float) @ rotation.T
    low, high = seen.min(0), seen.max(0)
    focal = 2.4 * size
    half = (high[:2] - low[:2]).max() / 2
    distance = focal * half / (size * (0.5 - margin)) + (high[2] - low[2]) / 2
    translation = np.array([0.0, 0.0, distance]) - (low + high) / 2
    return PinholeCamera(focal, np.full(2, (size - 1) / 2), rotation, translation)


def draw_overlay(
    pixels: Pixels,
    vertices: FloatArray,
    triangles: IntArray,
    camera: Camera,
    *,
    landmarks: FloatArray | None = None,
    opacity: float = 0.7,
    light: StudioLight = STUDIO,
) -> Pixels:
    """Draw a shaded, half-transparent mesh over a photo, and landmarks if given.

    Parameters
    ----------
    pixels : (H, W, 3) uint8
        The photo, sRGB; not written to.
    vertices : (V, 3) float
        Posed mesh, mm, model frame.
    triangles : (F, 3) int
        Those to draw.
    camera : Camera
        Of this photo.
    landmarks : (68, 2) float, optional
        Pixels.
    opacity : float
        Of the mesh, 0-1.
    light : StudioLight

    Returns
    -------
    (H, W, 3) uint8
    """
    out: Pixels = pixels.copy()
    screen = screen_vertices(vertices, camera)
    window = window_of(screen[np.unique(triangles)], camera, pixels.shape[1], pixels.shape[0])
    left, top, right, bottom = window
    if right > left and bottom > top:
        factor = 2 if (right - left) * (bottom - top) <= 700_000 else 1
        shade = light.shade(_turned_normals(vertices, triangles, camera)) * np.array([0.80, 0.81, 0.83])
        seen = rasterize_window(screen, triangles, camera, window, factor)
        layer = _painted(seen, triangles, linear_to_srgb(np.clip(shade, 0, 1)), factor)
        patch = out[top:bottom, left:right]
        blended = layer[..., :3] * np.float32(255 * opacity) + np.float32(0.5)
        blended += patch * (1 - np.float32(opacity) * layer[..., 3:])
        patch[:] = blended  # rounds, by the half added
    if landmarks is not None:
        out = draw_landmarks(out, landmarks)
    return out


def draw_head(
    vertices: FloatArray,
    triangles: IntArray,
    camera: Camera,
    size: tuple[int, int],
    *,
    texture: Pixels | None = None,
    uv: FloatArray | None = None,
    uv_triangles: IntArray | None = None,
    albedo: FloatArray | None = None,
    light: StudioLight = STUDIO,
    background: tuple[float, float] = (0.86, 0.70),
    supersample: int = 2,
) -> Pixels:
    """Render a head with its texture (or vertex colours, or plain grey).

    Parameters
    ----------
    vertices : (V, 3) float
        Millimetres, model frame.
    triangles : (F, 3) int
    camera : Camera
    size : (int, int)
        Width and height of the picture.
    texture : (S, S, 3) uint8, optional
        sRGB, row 0 at v = 1; needs ``uv`` (U, 2) and ``uv_triangles`` (F, 3).
    albedo : (V, 3) float, optional
        Linear colour per vertex, used without a texture.
    light : StudioLight
    background : (float, float)
        sRGB grey at the centre and in the corners.
    supersample : int
        Antialiasing: samples per pixel along each axis.

    Returns
    -------
    (H, W, 3) uint8

    Raises
    ------
    ValueError
        If a texture comes without texture coordinates.
    """
    width, height = size
    if texture is not None and (uv is None or uv_triangles is None):
        raise ValueError("a texture needs uv and uv_triangles")
    shade = light.shade(_turned_normals(vertices, triangles, camera))
    if texture is None:
        shade = shade * (0.6 if albedo is None else np.asarray(albedo))
    seen = rasterize_window(screen_vertices(vertices, camera), triangles, camera, (0, 0, width, height), supersample)
    layer = _painted(seen, triangles, shade, supersample, texture, uv, uv_triangles)
    image = layer[..., :3] + (1 - layer[..., 3:]) * _backdrop(width, height, background)
    codes: Pixels = _ENCODE[(image * np.float32(len(_ENCODE) - 1) + np.float32(0.5)).astype(np.int32)]
    return codes


def _turned_normals(vertices: FloatArray, triangles: IntArray, camera: Camera) -> FloatArray:
    """Unit normals at the vertices (V, 3), camera axes."""
    normals: FloatArray = vertex_normals(np.asarray(vertices, float), triangles) @ np.asarray(camera.rotation).T  # type: ignore[attr-defined]
    return normals


def _painted(
    seen: Fragments,
    triangles: IntArray,
    shade: FloatArray,
    factor: int,
    texture: Pixels | None = None,
    uv: FloatArray | None = None,
    uv_triangles: IntArray | None = None,
) -> npt.NDArray[np.float32]:
    """Colour times coverage, and coverage: (H, W, 4), from ``factor`` samples per pixel and axis."""
    height, width = (side // factor for side in seen.triangle.shape)
    out = np.empty((height, width, 4), np.float32)
    corners = np.zeros((0, 2), np.float32)
    if texture is None or uv is None or uv_triangles is None:
        texture, uv_triangles = np.zeros((0, 0, 3), np.uint8), triangles
    else:
        corners = uv_to_pixels(np.asarray(uv), texture.shape[1], texture.shape[0])
    paint(
        seen.triangle,
        seen.barycentric,
        np.ascontiguousarray(triangles, np.int32),
        np.ascontiguousarray(shade, np.float32),
        corners,
        np.ascontiguousarray(uv_triangles, np.int32),
        np.ascontiguousarray(texture),
        _DECODE,
        factor,
        out,
    )
    return out


def contact_sheet(pictures: list[Pixels], columns: int, gap: int = 4, grey: int = 255) -> Pixels:
    """Lay pictures of equal size out in rows: n (H, W, 3) to one picture."""
    height, width = pictures[0].shape[:2]
    rows = -(-len(pictures) // columns)
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), grey, np.uint8)
    for number, picture in enumerate(pictures):
        y, x = divmod(number, columns)
        y, x = y * (height + gap), x * (width + gap)
        sheet[y : y + height, x : x + width] = picture
    return sheet


def _backdrop(width: int, height: int, grey: tuple[float, float]) -> FloatArray:
    x, y = np.linspace(-1, 1, width), np.linspace(-1, 1, height)
    radius = np.clip(np.hypot(x[None], (y[:, None] + 0.15)) / 1.45, 0, 1)
    values: FloatArray = srgb_to_linear(grey[0] + (grey[1] - grey[0]) * radius**2).astype(np.float32)
    return values[..., None]

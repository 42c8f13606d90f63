"""Pictures for people: a mesh over a photo, landmarks, a textured head."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from facefuse.geometry.cameras import Camera, PinholeCamera
from facefuse.geometry.mesh import vertex_normals
from facefuse.geometry.rotations import euler_to_rotmat
from facefuse.rendering.interpolate import interpolate, sample_texture
from facefuse.rendering.rasterize import Fragments, is_perspective, rasterize, screen_vertices
from facefuse.rendering.shading import linear_to_srgb, srgb_to_linear

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]
Pixels = npt.NDArray[np.uint8]

# iBUG landmark chains: first, last, whether closed
_CHAINS = (
    (0, 16, False),
    (17, 21, False),
    (22, 26, False),
    (27, 30, False),
    (31, 35, False),
    (36, 41, True),
    (42, 47, True),
    (48, 59, True),
    (60, 67, True),
)


@dataclass(frozen=True)
class StudioLight:
    """Three soft lamps and an even surround, fixed to the camera.

    Attributes
    ----------
    directions : (L, 3) float
        Unit vectors towards each lamp, camera axes (x right, y down, z forward).
    colours : (L, 3) float
        Linear RGB of each lamp.
    wrap : float
        How far a lamp reaches around the terminator, 0 (hard) to 1.
    ambient : (3,) float
        Linear RGB of the surround, from above; half of it comes from below.
    """

    directions: FloatArray
    colours: FloatArray
    wrap: float
    ambient: FloatArray

    def shade(self, normals: FloatArray) -> FloatArray:
        """Return the factor that multiplies linear albedo: unit normals (..., 3), camera axes, to (..., 3)."""
        cosine = normals @ self.directions.T
        lit = np.clip((cosine + self.wrap) / (1 + self.wrap), 0, None)
        sky = 0.75 - 0.25 * normals[..., 1:2]
        factor: FloatArray = (lit * lit) @ self.colours + sky * self.ambient
        return factor


def _studio() -> StudioLight:
    lamps = np.array([[-0.55, -0.55, -0.75], [0.85, -0.1, -0.6], [0.35, -0.75, 0.55]])
    return StudioLight(
        lamps / np.linalg.norm(lamps, axis=1, keepdims=True),
        np.array([[0.92, 0.90, 0.87], [0.16, 0.175, 0.20], [0.34, 0.36, 0.38]]),
        0.25,
        np.array([0.21, 0.215, 0.23]),
    )


STUDIO = _studio()
EVEN = StudioLight(np.array([[0.0, 0.0, -1.0]]), np.full((1, 3), 0.25), 1.0, np.full(3, 1.0))
"""Nearly even light: shows a texture as it is."""


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
    left, top, right, bottom = _bounds(screen[np.unique(triangles)], pixels.shape[1], pixels.shape[0])
    if right > left and bottom > top:
        width, height = right - left, bottom - top
        factor = 2 if width * height <= 700_000 else 1
        seen = _render(screen, triangles, camera, (left, top, width, height), factor)
        normals = vertex_normals(np.asarray(vertices, float), triangles) @ np.asarray(camera.rotation).T  # type: ignore[attr-defined]
        shade = np.concatenate([light.shade(normals) * np.array([0.80, 0.81, 0.83]), np.ones((len(screen), 1))], axis=1)
        layer = _shrink(interpolate(seen, shade, triangles), factor)
        cover = layer[..., 3:]
        colour = linear_to_srgb(np.clip(layer[..., :3] / np.maximum(cover, 1e-6), 0, 1)) * 255
        patch = out[top:bottom, left:right]
        patch[:] = np.rint(patch + (colour - patch) * (cover * opacity))
    if landmarks is not None:
        out = draw_landmarks(out, landmarks)
    return out


def draw_landmarks(pixels: Pixels, landmarks: FloatArray, *, radius: float | None = None) -> Pixels:
    """Draw landmarks as antialiased dots with thin lines between them.

    Parameters
    ----------
    pixels : (H, W, 3) uint8
        Not written to.
    landmarks : (N, 2) float
        Pixels; 68 points in iBUG order are joined by lines.
    radius : float, optional
        Of the dots, pixels; by default in proportion to the face.

    Returns
    -------
    (H, W, 3) uint8
    """
    out: Pixels = pixels.copy()
    points = np.asarray(landmarks, float)
    finite = np.isfinite(points).all(1)
    if not finite.any():
        return out
    if radius is None:
        face = np.sqrt(np.prod(np.ptp(points[finite], axis=0) + 1))
        radius = float(np.clip(face / 110, 1.1, 12.0))
    if len(points) == 68:
        for first, last, closed in _CHAINS:
            chain = list(range(first, last + 1)) + ([first] if closed else [])
            for a, b in pairwise(chain):
                if finite[a] and finite[b]:
                    _stroke(out, points[a], points[b], 0.42 * radius, (255, 255, 255), 0.75)
    for point in points[finite]:
        _stroke(out, point, point, radius + max(0.8, 0.35 * radius), (16, 24, 32), 0.55)
        _stroke(out, point, point, radius, (64, 224, 190), 1.0)
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
    seen = _render(screen_vertices(vertices, camera), triangles, camera, (0, 0, width, height), supersample)
    mask = seen.mask
    normals = vertex_normals(np.asarray(vertices, float), triangles) @ np.asarray(camera.rotation).T  # type: ignore[attr-defined]
    normal = interpolate(seen, normals, triangles)[mask]
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    if texture is not None and uv is not None and uv_triangles is not None:
        at = interpolate(seen, uv, uv_triangles)[mask]
        colour = srgb_to_linear(sample_texture(texture.astype(np.float32) / 255, at))
    elif albedo is not None:
        colour = interpolate(seen, albedo, triangles)[mask]
    else:
        colour = np.full_like(normal, 0.6)
    image = np.empty((*mask.shape, 3), np.float32)
    image[:] = _backdrop(mask.shape[1], mask.shape[0], background)
    image[mask] = np.clip(colour * light.shade(normal), 0, 1)
    out: Pixels = np.rint(linear_to_srgb(_shrink(image, supersample)) * 255).astype(np.uint8)
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


def _bounds(screen: FloatArray, width: int, height: int) -> tuple[int, int, int, int]:
    good = screen[np.isfinite(screen).all(1) & (screen[:, 2] > 0)][:, :2]
    if not len(good):
        return 0, 0, 0, 0
    low = np.clip(np.floor(good.min(0)) - 1, 0, (width, height)).astype(int)
    high = np.clip(np.ceil(good.max(0)) + 2, 0, (width, height)).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _render(
    screen: FloatArray, triangles: IntArray, camera: Camera, window: tuple[int, int, int, int], factor: int
) -> Fragments:
    """Rasterise a window (left, top, width, height) of the picture at ``factor`` samples per pixel and axis."""
    left, top, width, height = window
    moved = np.array(screen)
    moved[:, :2] = (moved[:, :2] - (left, top) + 0.5) * factor - 0.5
    return rasterize(moved, triangles, width * factor, height * factor, perspective=is_perspective(camera))


def _shrink(image: FloatArray, factor: int) -> FloatArray:
    if factor == 1:
        return image
    total = image[0::factor].copy()
    for k in range(1, factor):
        total += image[k::factor]
    columns: FloatArray = total[:, 0::factor].copy()
    for k in range(1, factor):
        columns += total[:, k::factor]
    columns /= np.float32(factor * factor)
    return columns


def _backdrop(width: int, height: int, grey: tuple[float, float]) -> FloatArray:
    x, y = np.linspace(-1, 1, width), np.linspace(-1, 1, height)
    radius = np.clip(np.hypot(x[None], (y[:, None] + 0.15)) / 1.45, 0, 1)
    values: FloatArray = srgb_to_linear(grey[0] + (grey[1] - grey[0]) * radius**2).astype(np.float32)
    return values[..., None]


def _stroke(
    out: Pixels, a: FloatArray, b: FloatArray, radius: float, colour: tuple[int, int, int], opacity: float
) -> None:
    """Blend a round-ended line from a to b into ``out``; coverage from the distance to the line."""
    height, width = out.shape[:2]
    low = np.floor(np.minimum(a, b) - radius - 1).astype(int)
    high = np.ceil(np.maximum(a, b) + radius + 2).astype(int)
    x0, y0 = max(int(low[0]), 0), max(int(low[1]), 0)
    x1, y1 = min(int(high[0]), width), min(int(high[1]), height)
    if x0 >= x1 or y0 >= y1:
        return
    dx, dy = np.arange(x0, x1)[None] - a[0], np.arange(y0, y1)[:, None] - a[1]
    along = b - a
    length2 = float(along @ along)
    t = np.clip((dx * along[0] + dy * along[1]) / length2, 0, 1) if length2 > 0 else 0.0
    distance = np.hypot(dx - t * along[0], dy - t * along[1])
    cover = np.clip(radius + 0.5 - distance, 0, 1)[..., None] * opacity * min(1.0, 2 * radius)
    patch = out[y0:y1, x0:x1]
    patch[:] = np.rint(patch + (np.asarray(colour, float) - patch) * cover)

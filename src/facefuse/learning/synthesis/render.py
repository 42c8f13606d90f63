"""From a scene, a camera and light to a picture in linear colour and the truth about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facefuse.geometry.cameras import PinholeCamera
from facefuse.rendering.rasterize import Fragments, rasterize

from . import kernels
from .hair import Hair
from .hair_kernels import draw_hair
from .lighting import Light
from .meshes import Floats, Scene
from .worn import Lenses, look_through

FINER = 2
"""The picture is made this many times finer and then averaged."""
_SHADOW_MAP_PX = 192
DARK = 0.5
"""Lenses that let less light through hide what is behind them."""


@dataclass(frozen=True)
class Appearance:
    """Colours that are not in the scene's table.

    Attributes
    ----------
    skin : (S, S, 3) float32
        Linear albedo in the model's atlas.
    cloth : (T, T, 3) float32
        Linear albedo, repeating.
    eye : (2, 12) float32
        See `kernels.shade`.
    """

    skin: Floats
    cloth: Floats
    eye: Floats


def to_camera(points: Floats, camera: PinholeCamera) -> Floats:
    """Model frame to camera frame in float32, independent of any linear-algebra library."""
    out = np.empty_like(points)
    kernels.transform(points, camera.rotation.astype(np.float32), camera.translation.astype(np.float32), out)
    return out


def screen_of(seen: Floats, camera: PinholeCamera, finer: int = 1) -> NDArray[np.float64]:
    """Camera-frame points to pixels of a picture ``finer`` times as large, and depth."""
    out = np.empty(seen.shape)
    cx, cy = (np.asarray(camera.centre) + 0.5) * finer - 0.5
    kernels.to_screen(seen, float(camera.focal) * finer, float(cx), float(cy), out)
    return out


def shadow_maps(seen: Floats, triangles: NDArray[np.int32], light: Light) -> tuple[Floats, Floats]:
    """Depth from every lamp (L, D, D) and how to look it up (L, 5, 3); see `kernels.lit`."""
    side = _SHADOW_MAP_PX
    maps = np.full((len(light.direction), side, side), np.inf, np.float32)
    frames = np.zeros((len(light.direction), 5, 3), np.float32)
    for n, direction in enumerate(light.direction):
        across = np.cross(direction, [0.1, 1.0, 0.2] if abs(direction[1]) < 0.9 else [1.0, 0.1, 0.2])
        across /= np.linalg.norm(across)
        axes = np.stack([across, np.cross(direction, across), -direction]).astype(np.float32)
        turned = np.empty_like(seen)
        kernels.transform(seen, axes, np.zeros(3, np.float32), turned)
        screen = turned.astype(np.float64)
        x, y = screen[:, 0], screen[:, 1]  # one at a time: reducing along the long axis is many times faster
        low, high = np.array([x.min(), y.min()]), np.array([x.max(), y.max()])
        scale = (side - 2) / (high - low).max()
        screen[:, :2] = (screen[:, :2] - low) * scale + 0.5
        maps[n] = rasterize(screen, triangles, side, side, perspective=False, cull_back=False).depth
        frames[n, :3] = axes
        softness = float(light.softness[n])
        frames[n, 3] = scale, 2.0 + 0.8 * softness, max(softness * scale * 0.5, 0.5)  # taps far off need more slack
        frames[n, 4, :2] = 0.5 - low * scale
    return maps, frames


@dataclass(frozen=True)
class Drawn:
    """What `draw` leaves besides the picture, in its fine pixels.

    Attributes
    ----------
    solid : Fragments
        Of everything but hair.
    depth : (H, W) float32
        Depth of what is seen, mm; inf for the background.
    cover : (H, W) uint8
        1 where hair is seen, 2 where dark lenses are.
    """

    solid: Fragments
    depth: Floats
    cover: NDArray[np.uint8]


def draw(
    scene: Scene,
    hair: Hair | None,
    lenses: Lenses | None,
    appearance: Appearance,
    camera: PinholeCamera,
    light: Light,
    picture: Floats,
) -> Drawn:
    """Draw a scene over a linear picture (FINER H, FINER W, 3), which is written; ``light`` in the camera frame."""
    height, width = picture.shape[:2]
    seen = to_camera(scene.vertices, camera)
    found = rasterize(screen_of(seen, camera, FINER), scene.triangles, width, height, cull_back=False)
    casters, faces = seen, scene.triangles
    if hair is not None:
        points, triangles = hair.caster()
        casters = np.concatenate([seen, to_camera(points, camera)])
        faces = np.concatenate([faces, triangles + np.int32(len(seen))])
    maps, frames = shadow_maps(casters, faces, light)
    turned = PinholeCamera(1.0, np.zeros(2), camera.rotation, np.zeros(3))
    ambient = light.ambient.astype(np.float32)
    lamps = np.concatenate([light.direction, light.colour], axis=1).astype(np.float32)
    attributes = np.empty((len(seen), 7), np.float32)
    kernels.vertex_attributes(scene.normals, scene.occlusion, camera.rotation.astype(np.float32), ambient, attributes)
    kernels.shade(
        found.triangle,
        found.barycentric,
        found.depth,
        scene.triangles,
        scene.uv_triangles,
        attributes,
        scene.uv,
        scene.material,
        scene.table,
        appearance.skin,
        appearance.cloth,
        appearance.eye,
        ambient,
        lamps,
        maps,
        frames,
        camera.focal * FINER,
        (camera.centre[0] + 0.5) * FINER - 0.5,
        (camera.centre[1] + 0.5) * FINER - 0.5,
        picture,
    )
    depth, label = found.depth.copy(), np.zeros((height, width), np.uint8)
    if lenses is not None:
        pane = screen_of(to_camera(lenses.vertices, camera), camera, FINER)
        glass = rasterize(pane, lenses.triangles, width, height, cull_back=False)
        behind = look_through(glass.triangle, glass.depth, depth, lenses, ambient[0] * np.float32(0.28), picture)
        if lenses.tint.mean() < DARK:
            label[behind], depth[behind] = 2, glass.depth[behind]
    if hair is not None:
        normals, tangents = (to_camera(a.reshape(-1, 3), turned) for a in (hair.normals, hair.tangents))
        for n, sheet in enumerate(hair.vertices):
            points = to_camera(sheet.reshape(-1, 3), camera)
            draw_hair(
                screen_of(points, camera, FINER),
                points,
                normals,
                tangents,
                hair.coordinates.reshape(-1, 2),
                hair.reach.reshape(-1),
                hair.triangles,
                1.0 - n / max(len(hair.vertices) - 1, 1),
                hair.seed,
                hair.colour,
                hair.shine,
                ambient,
                lamps,
                maps,
                frames,
                depth,
                label,
                1,
                picture,
            )
    return Drawn(found, depth, label)

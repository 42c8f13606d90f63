"""From a scene, a camera and light to a picture in linear colour and the truth about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facefuse.geometry.cameras import PinholeCamera
from facefuse.rendering.rasterize import nearest_triangles, rasterize, scratch

from . import kernels
from .backgrounds import Background
from .hair import Hair
from .hair_kernels import draw_hair, hair_nodes
from .lighting import Light
from .meshes import Floats, Scene
from .sample import part_names
from .shading import DARK_LENS, LENS, TILE, coarse_truth, resolve, shade
from .shadows import shadow_maps
from .worn import Lenses

FINER = 2
"""The picture is made this many times finer and then averaged."""
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
        See `shading.shade`.
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


@dataclass(frozen=True)
class Drawn:
    """A picture and the truth about it.

    Attributes
    ----------
    picture : (H, W, 3) float32
        Linear colour.
    parts : (H, W) uint8
        What most of each pixel shows, an index into `part_names`.
    nearest : (H, W) float32
        Depth of the nearest surface, mm; inf for the background.
    """

    picture: Floats
    parts: NDArray[np.uint8]
    nearest: Floats


def draw(
    scene: Scene,
    hair: Hair | None,
    lenses: Lenses | None,
    appearance: Appearance,
    camera: PinholeCamera,
    light: Light,
    background: Background,
) -> Drawn:
    """Draw a scene before a background (H, W); ``light`` in the camera frame."""
    height, width = (FINER * side for side in background.pixels.shape[:2])
    rotation, ambient = camera.rotation.astype(np.float32), light.ambient.astype(np.float32)
    lamps = np.concatenate([light.direction, light.colour], axis=1).astype(np.float32)
    index = scratch("synthesis_index", height * width, np.int32).reshape(height, width)
    depth = scratch("synthesis_depth", height * width, np.float32).reshape(height, width)
    strands = scratch("synthesis_hair", height * width * 3, np.float32).reshape(height, width, 3)
    cover = np.zeros((height, width), np.uint8)
    tiles = np.empty((-(-height // TILE), -(-width // TILE)), np.float32)

    seen = to_camera(scene.vertices, camera)
    planes, keys = nearest_triangles(screen_of(seen, camera, FINER), scene.triangles, width, height, scene.closed)
    resolve(keys, index, depth, tiles)
    lens = np.ones((2, 3), np.float32)
    if lenses is not None:
        pane = screen_of(to_camera(lenses.vertices, camera), camera, FINER)
        glass = rasterize(pane, lenses.triangles, width, height, cull_back=False)
        before = glass.depth < depth
        dark = lenses.tint.mean() < DARK
        cover[before] = DARK_LENS if dark else LENS
        if dark:
            depth[before] = glass.depth[before]
        lens[:] = lenses.tint, 0.03 * lenses.mirror * 0.28 * ambient[0]
    casters, faces = seen, scene.triangles
    if hair is not None:
        sheets = to_camera(hair.vertices.reshape(-1, 3), camera)
        count = len(hair.vertices)
        points, triangles = sheets.reshape(count, -1, 3), hair.full_triangles()
        casters = np.concatenate([seen, points[count // 2]])
        faces = np.concatenate([faces, triangles + np.int32(len(seen))])
    maps, frames = shadow_maps(casters, faces, scene.closed, light)
    if hair is not None:
        nodes = np.empty((points.shape[1], 12), np.float32)
        hair_nodes(hair.normals.reshape(-1, 3), hair.tangents.reshape(-1, 3), rotation, ambient, nodes)
        draw_hair(
            screen_of(sheets, camera, FINER).reshape(points.shape),
            points,
            nodes,
            hair.coordinates.reshape(-1, 2),
            hair.reach.reshape(-1),
            hair.triangles,
            hair.seed,
            hair.colour,
            hair.shine,
            lamps,
            maps,
            frames,
            tiles,
            depth,
            cover,
            strands,
        )
    attributes = np.empty((len(seen), 7), np.float32)
    kernels.vertex_attributes(scene.normals, scene.occlusion, rotation, ambient, attributes)
    picture = np.empty(background.pixels.shape, np.float32)
    cx, cy = (np.asarray(camera.centre) + 0.5) * FINER - 0.5
    shade(
        index,
        planes,
        depth,
        cover,
        strands,
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
        lens,
        np.array([camera.focal * FINER, cx, cy], np.float32),
        background.pixels,
        background.linear,
        picture,
    )
    parts, nearest = np.empty(picture.shape[:2], np.uint8), np.empty(picture.shape[:2], np.float32)
    codes = np.array([0, part_names().index("hair"), part_names().index("glasses")], np.uint8)
    coarse_truth(index, scene.part, depth, cover, codes, parts, nearest)
    return Drawn(picture, parts, nearest)

"""The base model's head as a part of scenes: materials of its regions, places in the atlas, what shades what."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from facefuse.morphable.model import FaceModel
from facefuse.morphable.registry import load_model
from facefuse.rendering.rasterize import rasterize

from . import kernels
from .meshes import Floats, Ints, Material, normals_of

_OCCLUSION_DIRECTIONS = 64
_OCCLUSION_MAP_PX = 160
_MOUTH_LIGHT = {"mouth_interior": 0.10, "tongue": 0.2, "upper_teeth": 0.5, "lower_teeth": 0.4}
"""Least share of the light inside the mouth, which is measured closed but seen open."""

MATERIALS = (
    Material(kernels.SKIN, specular=0.028, gloss=4, wrap=0.35, rough=0.12),
    Material(kernels.SKIN, specular=0.04, gloss=5, wrap=0.3, rough=0.1),  # nose, forehead
    Material(kernels.SKIN, specular=0.05, gloss=6, wrap=0.3, rough=0.15),  # lips
    Material(kernels.EYE, (0.0, 0.0, 0.0), specular=0.05, gloss=9),  # left eyeball
    Material(kernels.EYE, (1.0, 0.0, 0.0), specular=0.05, gloss=9),  # right eyeball
    Material(kernels.MOUTH, specular=0.03, gloss=6, wrap=0.1),  # inside of the mouth
    Material(kernels.MOUTH, specular=0.05, gloss=7, wrap=0.15),  # teeth
)
_BY_REGION = {
    **dict.fromkeys(("nose", "forehead"), 1),
    **dict.fromkeys(("upper_lip", "lower_lip"), 2),
    **dict.fromkeys(("sclera_left", "iris_left", "pupil_left"), 3),
    **dict.fromkeys(("sclera_right", "iris_right", "pupil_right"), 4),
    **dict.fromkeys(("mouth_interior", "tongue"), 5),
    **dict.fromkeys(("upper_teeth", "lower_teeth"), 6),
}


@dataclass(frozen=True)
class Head:
    """What every scene needs of the base model.

    Attributes
    ----------
    model : FaceModel
    mean : (3V,) float32, expression : (E, 3V) float32
    triangles, uv_triangles : (F, 3) int32
    material : (F,) int32
        Index into ``MATERIALS``.
    part : (F,) uint8
        Index into `part_names`.
    occlusion : (V,) float32
        Share of the sphere about each vertex of the mean that the head leaves open, over the half sphere.
    eye_place : (2, 3) float32
        Centre u, v and radius of the left and the right eyeball in the atlas.
    neck : (N,) int
        Vertices of the neck's rim in order, from the front of the throat towards the subject's left.
    neck_uv : (N, 2) float
        A place in the atlas for each of them.
    hairline_uv, brow_uv, cheek_uv : (N, 2) float32
        Places in the atlas above the forehead, on the brows and on the cheeks.
    """

    model: FaceModel
    mean: Floats
    expression: Floats
    triangles: Ints
    uv_triangles: Ints
    material: Ints
    part: NDArray[np.uint8]
    occlusion: Floats
    eye_place: Floats
    neck: NDArray[np.int64]
    neck_uv: NDArray[np.floating]
    hairline_uv: Floats
    brow_uv: Floats
    cheek_uv: Floats


@lru_cache(maxsize=1)
def base_head() -> Head:
    """Prepare the base model (once per process)."""
    model = load_model("base")
    triangles = np.ascontiguousarray(model.triangles, np.int32)
    by_region = np.array([_BY_REGION.get(name, 0) for name in model.region_names], np.int32)
    eyes = []
    for side in ("left", "right"):
        corners = model.uv_triangles[model.region_mask(f"sclera_{side}", f"iris_{side}", f"pupil_{side}")]
        places = model.uv[np.unique(corners)]
        low, high = places.min(axis=0), places.max(axis=0)
        eyes.append([*((low + high) / 2), (high - low).max() / 2])
    neck = _neck_rim(model)
    place = np.full(model.vertex_count, -1, np.int64)
    place[model.triangles.reshape(-1)[::-1]] = model.uv_triangles.reshape(-1)[::-1]
    return Head(
        model=model,
        mean=np.ascontiguousarray(model.mean.reshape(-1), np.float32),
        expression=np.ascontiguousarray(model.expression.reshape(model.expression_count, -1), np.float32),
        triangles=triangles,
        uv_triangles=np.ascontiguousarray(model.uv_triangles, np.int32),
        material=by_region[model.region],
        part=(model.region + 1).astype(np.uint8),
        occlusion=_lit_mouth(model, _open_share(np.asarray(model.mean, np.float32), triangles)),
        eye_place=np.array(eyes, np.float32),
        neck=neck,
        neck_uv=np.asarray(model.uv[place[neck]]),
        hairline_uv=_places(model, ("scalp",), np.array([0.0, 82.0, 0.0]), 30.0),
        brow_uv=_places(model, ("brow_left", "brow_right"), np.array([0.0, 20.0, 20.0]), 50.0),
        cheek_uv=_places(model, ("face",), np.array([42.0, -35.0, 10.0]), 14.0),
    )


def _places(model: FaceModel, regions: tuple[str, ...], near: NDArray[np.float64], reach: float) -> Floats:
    """Places in the atlas of vertices of some regions, within ``reach`` mm of a point or of its mirror image."""
    chosen = model.region_mask(*regions)
    vertex, place = np.unique(
        np.stack([model.triangles[chosen].ravel(), model.uv_triangles[chosen].ravel()], 1), axis=0
    ).T
    at = np.abs(np.asarray(model.mean, np.float64)[vertex]) * [1, 0, 0] + model.mean[vertex] * [0, 1, 1]
    close = np.linalg.norm(at - near, axis=1) < reach
    return np.asarray(model.uv[place[close]], np.float32)


def _open_share(vertices: Floats, triangles: Ints) -> Floats:
    """Cosine-weighted share of directions from which each vertex is seen, by depth maps from all around."""
    normals = normals_of(vertices, triangles)
    k = np.arange(_OCCLUSION_DIRECTIONS) + 0.5  # a Fibonacci lattice on the sphere
    z, turn = 1 - 2 * k / _OCCLUSION_DIRECTIONS, np.pi * (1 + 5**0.5) * k
    directions = np.stack([np.sqrt(1 - z * z) * np.cos(turn), np.sqrt(1 - z * z) * np.sin(turn), z], 1)
    seen, total = np.zeros(len(vertices)), np.full(len(vertices), 1e-9)
    side = _OCCLUSION_MAP_PX
    for direction in directions:
        across = np.cross(direction, [0.31, 0.87, 0.38])
        across /= np.linalg.norm(across)
        axes = np.stack([across, np.cross(direction, across), -direction])
        screen = vertices @ axes.T
        low, high = screen[:, :2].min(axis=0), screen[:, :2].max(axis=0)
        screen[:, :2] = (screen[:, :2] - low) * ((side - 1) / (high - low).max())
        depth = rasterize(screen, triangles, side, side, perspective=False, cull_back=False).depth
        col, row = np.rint(screen[:, :2]).astype(int).T
        facing = np.maximum(normals @ direction, 0.0)
        open_ = screen[:, 2] - 3.0 <= depth[row, col]
        seen += facing * open_
        total += facing
    return np.asarray(seen / total, np.float32)


def _lit_mouth(model: FaceModel, occlusion: Floats) -> Floats:
    for name, least in _MOUTH_LIGHT.items():
        inside = np.unique(model.triangles[model.region_mask(name)])
        occlusion[inside] = np.maximum(occlusion[inside], least)
    return occlusion


def _neck_rim(model: FaceModel) -> NDArray[np.int64]:
    """Order the boundary loop of the neck."""
    skin = model.triangles[model.region_mask("neck", "scalp", "face")]
    directed = np.concatenate([skin[:, [a, b]] for a, b in ((0, 1), (1, 2), (2, 0))]).astype(np.int64)
    size = len(model.mean)
    code, back = directed[:, 0] * size + directed[:, 1], directed[:, 1] * size + directed[:, 0]
    border = directed[~np.isin(code, back)]
    border = border[(model.mean[border, 1] < -95).all(axis=1)]
    follow = dict(border.tolist())
    start = int(max(follow, key=lambda v: (model.mean[v, 2], -abs(model.mean[v, 0]))))
    loop = [start]
    while (vertex := int(follow[loop[-1]])) != start:
        loop.append(vertex)
    if model.mean[loop[len(loop) // 4], 0] < 0:
        loop = [start, *loop[:0:-1]]
    return np.array(loop)

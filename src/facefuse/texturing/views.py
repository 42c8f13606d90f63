"""What one photo shows of the head: where it can be trusted, and its colours at the vertices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from facefuse.geometry.cameras import Camera
from facefuse.geometry.mesh import vertex_normals
from facefuse.morphable.model import FaceModel
from facefuse.rendering.interpolate import interpolate, sample_image
from facefuse.rendering.rasterize import is_perspective, rasterize, screen_vertices
from facefuse.texturing import kernels
from facefuse.texturing.background import box_blur, far_from_border, hair_beyond, spill_trust, widen
from facefuse.texturing.occlusion import ShownSkin, facial_triangles
from facefuse.texturing.parts import Parts
from facefuse.texturing.skin import (
    HAIR_FLOOR,
    LEAST_HAIR,
    LEAST_SKIN,
    NO_COLOUR,
    SKIN_FLOOR,
    ColourModel,
    could_be_hair,
    hair_weights,
    model_of,
    smoothstep,
)

FloatArray = npt.NDArray[np.floating[Any]]
Pixels = npt.NDArray[np.uint8]

MAP_SIZE = 448
"""Longer side of the visibility and confidence maps in pixels."""
GRAZING, FACING = 0.18, 0.6
"""Cosine of the viewing angle where a photo begins to count, and where it counts fully."""
GUARD_MM = (1.8, 6.0)
"""Distances from an outline within which a photo is not trusted, and beyond which it is."""
HAIR_THICKNESS_MM = 12.0
"""How far off the scalp hair is looked for."""
SPILL_MM = (12.0, 8.0, 18.0)
"""Width of the surroundings looked at; distances from the outline within which they may lie on the mesh."""
RIM_MM = 1.8
"""By how much places of another colour are widened."""
TOLERANCE_MM = 2.0
"""A point this much behind the nearest surface is still visible."""


@dataclass(frozen=True)
class View:
    """One photo, cropped to the head.

    Attributes
    ----------
    photo : (H, W, 3) uint8
        The crop, reduced if it is much finer than the texture.
    photo_scale : float
        Its resolution relative to the crop's.
    screen : (V, 3) float32
        Crop pixels (unreduced) and depth of the posed vertices.
    depth, confidence : (h, w) float32
        Depth in mm, and 0-1 trust in each pixel.
    map_scale : float
        Their resolution relative to the crop's.
    slope : (V,) float32
        Extra depth tolerance of the vertices, mm.
    cosine : (V,) float
        Of the viewing angle.
    facing : (V,) float
        Trust from the viewing angle alone, 0 where hidden.
    weight : (V,) float
        Trust in the photo at each vertex, 0-1.
    colour : (V, 3) float
        sRGB, 0-1, averaged over about the vertices' spacing.
    density : (V,) float
        Photo pixels per mm on the surface.
    maybe_hair : (V,) float
        Where this photo may show hair.
    skin : ColourModel or None
        Statistics of skin; None where too little is seen.
    hair_colours, hair_weights : (n, 3) and (n,) float
        A sample of hair, sRGB, 0-1; without weight where there seems to be none.
    covered : bool
        Whether what seems to be hair has no colour of hair: a hat or a cloth.
    """

    photo: Pixels
    photo_scale: float
    screen: npt.NDArray[np.float32]
    depth: npt.NDArray[np.float32]
    confidence: npt.NDArray[np.float32]
    map_scale: float
    slope: npt.NDArray[np.float32]
    cosine: FloatArray
    facing: FloatArray
    weight: FloatArray
    colour: FloatArray
    density: FloatArray
    maybe_hair: FloatArray
    skin: ColourModel | None
    hair_colours: FloatArray
    hair_weights: FloatArray
    covered: bool


def see(
    model: FaceModel,
    parts: Parts,
    vertices: FloatArray,
    camera: Camera,
    pixels: Pixels,
    texel_mm: float,
    shown: ShownSkin | None = None,
) -> View | None:
    """Look at the head in one photo.

    Parameters
    ----------
    model : FaceModel
    parts : Parts
    vertices : (V, 3) float
        Posed with the photo's expression, mm, model frame.
    camera : Camera
    pixels : (H, W, 3) uint8
    texel_mm : float
        Size of a texel on the face, mm: photos finer than that are reduced first.
    shown : ShownSkin, optional
        Where a face parser sees the face's skin.

    Returns
    -------
    View or None
        None if the head is not in the picture.
    """
    height, width = pixels.shape[:2]
    screen = screen_vertices(vertices, camera)
    triangles = np.asarray(model.triangles)
    if not np.isfinite(screen).all():
        return None
    edges = np.linalg.norm(vertices[triangles[:, 0]] - vertices[triangles[:, 1]], axis=1)
    flat = np.linalg.norm(screen[triangles[:, 0], :2] - screen[triangles[:, 1], :2], axis=1)
    pixels_per_mm = float(np.percentile(flat / np.maximum(edges, 1e-6), 90))
    margin = SPILL_MM[0] * pixels_per_mm + 2
    low = np.clip(np.floor(screen[:, :2].min(0) - margin), 0, (width, height)).astype(int)
    high = np.clip(np.ceil(screen[:, :2].max(0) + margin) + 1, 0, (width, height)).astype(int)
    if (high - low < 4).any():
        return None
    crop = pixels[low[1] : high[1], low[0] : high[0]]
    screen[:, :2] -= low

    # visibility at moderate resolution
    map_scale = min(1.0, MAP_SIZE / max(crop.shape[:2]))
    map_height, map_width = (max(2, round(side * map_scale)) for side in crop.shape[:2])
    # photos finer than the texels are reduced, and so is what the maps are made of
    step = int(max(1, 2 ** np.floor(np.log2(max(1.0, pixels_per_mm * texel_mm / 0.9)))))
    picture = Image.fromarray(crop)
    picture = picture.reduce(step) if step > 1 else picture
    small = picture.resize((map_width, map_height), Image.Resampling.BOX)
    soft = np.asarray(small, np.float32) / np.float32(255)
    on_map = np.array(screen)
    on_map[:, :2] = (screen[:, :2] + 0.5) * map_scale - 0.5
    seen = rasterize(on_map, triangles, map_width, map_height, perspective=is_perspective(camera))

    # geometry at the vertices
    normals = vertex_normals(np.asarray(vertices, np.float64), triangles)
    towards = _directions(vertices, camera)
    cosine = (normals * towards).sum(1)
    map_mm = 1 / (pixels_per_mm * map_scale)
    steep = np.clip(np.sqrt(np.clip(1 - cosine**2, 0, 1)) / np.clip(cosine, 0.1, 1), 0, 6)
    slope = (1.5 * map_mm * steep).astype(np.float32)

    confidence, outline_mm = _outline_trust(seen.triangle, seen.depth, parts, map_mm)
    near = sample_depth(seen.depth, on_map) + TOLERANCE_MM + slope
    inside = ((on_map[:, :2] >= 0) & (on_map[:, :2] <= (map_width - 1, map_height - 1))).all(1)
    visible = inside & (screen[:, 2] < near)
    facing = smoothstep(GRAZING, FACING, cosine) * visible * parts.skin
    facing *= _ear_factor(vertices, facing, parts)

    soft = box_blur(soft, int(max(1.0, 1.5 / map_mm)))
    colour = sample_image(soft, on_map[:, :2]).astype(np.float64)
    skin = model_of(colour, facing * parts.core, SKIN_FLOOR, LEAST_SKIN)
    # beside the face an imperfect outline shows background, so hair hanging there must be seen squarely
    maybe_hair = np.maximum(parts.maybe_hair, parts.beside * smoothstep(0.45, 0.75, cosine))
    sample, sample_weights, covered = np.zeros((0, 3)), np.zeros(0), False
    if skin is not None:
        sure = facing * sample_image(confidence[..., None], on_map[:, :2])[:, 0]
        beyond = hair_beyond(
            vertices + HAIR_THICKNESS_MM * normals, camera, pixels, seen.triangle, low, map_scale, parts, skin
        )
        sample = np.concatenate((colour, beyond))
        own = hair_weights(parts, maybe_hair, colour, sure, skin)
        likely = own * far_from_border(colour, pixels)
        own = likely if likely.sum() > LEAST_HAIR else own * smoothstep(0.3, 0.6, cosine)
        sample_weights = np.concatenate((own, np.full(len(beyond), 0.5)))
        hair = model_of(sample, sample_weights, HAIR_FLOOR, LEAST_HAIR)
        covered = hair is not None and not could_be_hair(hair.colour)
        if covered:
            hair, sample_weights = None, np.zeros(len(sample))
        roles = interpolate(seen, np.column_stack((parts.strict, maybe_hair, parts.lid, parts.plain)), triangles)
        away = np.empty_like(confidence)
        kernels.border_distance(seen.mask, away)
        plain = roles[..., 3] * (1 - roles[..., 1])
        trust = spill_trust(soft, ~seen.mask, away * map_mm, outline_mm, plain, skin, SPILL_MM)
        if shown is not None:
            facial = np.append(facial_triangles(model), False)[seen.triangle]
            trust *= shown.trust(facial, roles[..., 1], low, map_scale)
        skin_map, skin_offset = skin.affine
        hair_map, hair_offset = hair.affine if hair is not None else NO_COLOUR
        kernels.trust_colours(
            soft, roles, seen.triangle, skin_map, skin_offset, hair_map, hair_offset, skin.redness, trust, confidence
        )
        confidence *= widen(trust, RIM_MM / map_mm)
    weight = facing * sample_image(confidence[..., None], on_map[:, :2])[:, 0]

    return View(
        np.asarray(picture),
        1.0 / step,
        screen.astype(np.float32),
        seen.depth,
        confidence,
        map_scale,
        slope,
        cosine,
        facing,
        weight,
        colour,
        pixels_per_mm * np.clip(cosine, 0, 1),
        maybe_hair,
        skin,
        sample,
        sample_weights,
        covered,
    )


def sample_depth(depth: FloatArray, points: FloatArray) -> FloatArray:
    """Nearest sample of a depth map (h, w) at (N, 2+) pixels, clamped: (N,)."""
    column = np.clip(np.rint(points[:, 0]), 0, depth.shape[1] - 1).astype(int)
    row = np.clip(np.rint(points[:, 1]), 0, depth.shape[0] - 1).astype(int)
    out: FloatArray = depth[row, column]
    return out


def _directions(vertices: FloatArray, camera: Any) -> FloatArray:
    """Unit vectors from the vertices towards the camera, model frame."""
    if is_perspective(camera):
        towards = np.asarray(camera.position(), np.float64) - vertices
        towards /= np.linalg.norm(towards, axis=1, keepdims=True)
        return towards
    return np.broadcast_to(-np.asarray(camera.rotation, np.float64)[2], vertices.shape)


def _ear_factor(vertices: FloatArray, facing: FloatArray, parts: Parts) -> FloatArray:
    """Factor on the vertices' weights (V,): ears count only when the photo shows most of them.

    From the front they are slivers, folded and seldom where the model puts them.
    """
    factor = np.ones(len(facing))
    for side in (-1, 1):
        ear = (parts.ear > 0) & (np.sign(vertices[:, 0]) == side)
        if ear.any():
            factor[ear] = smoothstep(0.25, 0.45, np.asarray(facing[ear].mean()))
    return factor


def _outline_trust(
    triangle: npt.NDArray[np.int32], depth: FloatArray, parts: Parts, map_mm: float
) -> tuple[npt.NDArray[np.float32], FloatArray]:
    """Trust in each map pixel from its distance to outlines, folds in depth, eyes and mouth; and the first in mm."""
    photographed = np.append(parts.photographed, False)[triangle]
    blocked = triangle < 0
    finite = np.where(np.isfinite(depth), depth, 1e6)
    # a fold: one neighbour is more than a steep slope away
    jump = 6.0 + 4.0 * map_mm
    fold = np.zeros_like(blocked)
    fold[:, 1:] |= np.abs(np.diff(finite, axis=1)) > jump
    fold[1:] |= np.abs(np.diff(finite, axis=0)) > jump
    distance = np.empty(blocked.shape, np.float32)
    kernels.border_distance(blocked | fold, distance)
    outline_mm = distance * map_mm
    trust = smoothstep(GUARD_MM[0], GUARD_MM[1], outline_mm)
    # lids and lips lie close to eyeballs and teeth: a narrow guard band there
    kernels.border_distance(~photographed & ~blocked, distance)
    return (trust * smoothstep(0.5, 1.7, distance * map_mm) * photographed).astype(np.float32), outline_mm

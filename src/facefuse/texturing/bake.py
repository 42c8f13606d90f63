"""One texture out of many photos.

Every photo is looked up at the texels that it sees well; where two overlap they are matched in exposure and tint and
the sharper one prevails; what no photo shows comes from the mirror side, and behind that from the model's albedo in
the person's tint. All of them are brought to one smooth colour field over the surface first, so no seam can appear.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from facefuse.geometry.cameras import Camera, PinholeCamera, ScaledOrthographicCamera
from facefuse.morphable.model import FaceModel
from facefuse.texturing import colours as tint
from facefuse.texturing import kernels
from facefuse.texturing.atlas import Atlas, atlas_of
from facefuse.texturing.background import picture_area
from facefuse.texturing.eyes import paint_eyes
from facefuse.texturing.grain import HAIR_ROUGHNESS, SKIN_ROUGHNESS, grain_tiles
from facefuse.texturing.occlusion import ShownSkin
from facefuse.texturing.parts import Parts, parts_of
from facefuse.texturing.skin import (
    COVERED_HAIR,
    HAIR_FLOOR,
    LEAST_HAIR,
    LEAST_SKIN,
    SKIN_FLOOR,
    ColourModel,
    model_of,
    smoothstep,
)
from facefuse.texturing.surface import surface_filter_of
from facefuse.texturing.views import TOLERANCE_MM, View, see

FloatArray = npt.NDArray[np.floating[Any]]
Pixels = npt.NDArray[np.uint8]

MIRROR_WEIGHT, BASE_WEIGHT = 0.3, 0.1
"""Weights of the mirror side and of the smooth colour, relative to a photo's, where photos are in doubt."""
SHARPNESS = 4
"""Power of the photos' relative weights: high for crisp detail, low for gradual transitions."""
THREADS = 2


def prepare(model: FaceModel, size: int) -> None:
    """Make what baking needs of a model and a texture size; kept, so that later calls cost nothing."""
    parts_of(model), surface_filter_of(model), atlas_of(model, size), grain_tiles()


def bake_texture(
    model: FaceModel,
    vertices_per_photo: Sequence[FloatArray],
    cameras: Sequence[Camera],
    photos: Sequence[Pixels],
    size: int = 1024,
    weights: Sequence[float] | None = None,
    shown: Sequence[ShownSkin | None] | None = None,
) -> Pixels:
    """Bake photos into one texture.

    Parameters
    ----------
    model : FaceModel
        NumPy arrays.
    vertices_per_photo : sequence of (V, 3) float
        The head with each photo's expression, mm, model frame.
    cameras : sequence of Camera
        Project the model frame into each photo.
    photos : sequence of (H, W, 3) uint8
        sRGB.
    size : int
        Side of the texture in texels, 64 to 8192.
    weights : sequence of float, optional
        How much each photo counts, 0-1.
    shown : sequence of ShownSkin or None, optional
        Where a face parser sees the face's skin in each photo; other pixels do not count there.

    Returns
    -------
    (size, size, 3) uint8
        sRGB; row 0 is v = 1. Empty texels continue the nearest island.

    Raises
    ------
    ValueError
        If the sequences differ in length, or the size is out of range.
    """
    given = (vertices_per_photo, cameras, photos, weights, shown)
    counts = {len(one) for one in given if one is not None}
    if len(counts) != 1:
        raise ValueError(f"expected as many meshes, cameras, photos, weights and masks; found {sorted(counts)}")
    if not 64 <= size <= 8192:
        raise ValueError(f"expected a texture size from 64 to 8192, found {size}")
    parts, smoother, atlas = parts_of(model), surface_filter_of(model), atlas_of(model, size)
    triangles = np.ascontiguousarray(model.triangles, np.int32)

    def look(index: int) -> View | None:
        rows, columns = picture_area(photos[index])
        corner = np.array([columns.start, rows.start])
        camera, picture = _moved(cameras[index], corner), photos[index][rows, columns]
        mask = None if shown is None else shown[index]
        mask = None if mask is None else mask.without(corner)
        return see(model, parts, vertices_per_photo[index], camera, picture, parts.texture_mm / size, mask)

    with ThreadPoolExecutor(THREADS) as pool:
        seen = list(pool.map(look, range(len(photos))))
        views = [view for view in seen if view is not None]
        trust = [1.0 if weights is None else float(weights[k]) for k, view in enumerate(seen) if view is not None]
        # trust, viewing angle (twice: grazing light tells little of the skin), and resolution beside the finest photo
        finest = np.maximum(np.max([view.density for view in views], axis=0, initial=1e-6), 1e-6)
        vertex_weights = [
            view.weight * smoothstep(0.15, 0.8, view.cosine) * share * np.clip(view.density / finest, 0.05, 1)
            for view, share in zip(views, trust, strict=True)
        ]
        gains = tint.exposure_gains([view.colour for view in views], vertex_weights) if views else np.ones((0, 3))
        tones = [tint.tone_curve(gain) for gain in gains]
        colour = [_toned(view.colour, tone) for view, tone in zip(views, tones, strict=True)]
        maybe_hair = np.max([view.maybe_hair for view in views], axis=0, initial=0) * np.ones(len(model.mean))
        person = _person(parts, views, tones, colour, vertex_weights)
        target, hairy = tint.surface_colours(model, parts, smoother, colour, vertex_weights, maybe_hair, *person)

        total = np.zeros((len(atlas.texel), 4), np.float32)
        ranges = np.linspace(0, len(atlas.texel), 4 * THREADS + 1).astype(int)
        strongest = np.max(vertex_weights, axis=0, initial=0)
        for view, share, tone, own, weight in zip(views, trust, tones, colour, vertex_weights, strict=True):
            gain, fitness = tint.match_gain(smoother, target, own, view.weight)
            texel_weight = _texel_weight(view, share * fitness, weight, strongest, finest)
            call = _projector(atlas, triangles, view, tone, texel_weight, gain, total)
            list(pool.map(call, ranges[:-1], ranges[1:]))

        texture = np.zeros((size, size, 3), np.float32)
        base = np.ascontiguousarray(tint.from_log(target), np.float32)
        rough = np.stack((SKIN_ROUGHNESS * (1 - hairy) * parts.plain, HAIR_ROUGHNESS * hairy), axis=1).astype(
            np.float32
        )
        partner = np.asarray(model.symmetric)
        mirror_gain = np.exp(np.clip(target - target[partner], -1.5, 1.5)).astype(np.float32)

        def compose(start: int, stop: int) -> None:
            kernels.compose_texels(
                int(start), int(stop), atlas.texel, atlas.triangle, atlas.barycentric, triangles, atlas.mirror,
                total, base, mirror_gain, tint.LIFT, MIRROR_WEIGHT, BASE_WEIGHT, grain_tiles(),
                parts.strand, rough,
                texture,
            )  # fmt: skip

        list(pool.map(compose, ranges[:-1], ranges[1:]))
    paint_eyes(model, atlas, texture, list(zip(views, tones, strict=True)), person[0])
    fill_empty(texture, atlas.number >= 0)
    return to_bytes(texture)


def fill_empty(texture: npt.NDArray[np.float32], known: npt.NDArray[np.bool_]) -> None:
    """Fill the unknown texels of (H, W, C) in place by pull-push: mipmaps then do not bleed."""
    if known.all() or not known.any():
        return
    shape = ((texture.shape[0] + 1) // 2, (texture.shape[1] + 1) // 2)
    coarse, coarse_known = np.empty((*shape, texture.shape[2]), np.float32), np.empty(shape, np.bool_)
    kernels.pull(texture, known, coarse, coarse_known)
    fill_empty(coarse, coarse_known)
    kernels.push(coarse, texture, known)


def to_bytes(texture: npt.NDArray[np.float32]) -> Pixels:
    """Round 0-1 floats to bytes: (H, W, 3) to (H, W, 3)."""
    out = np.empty(texture.shape, np.uint8)
    kernels.round_to_bytes(0, len(texture), texture, out)
    return out


def _moved(camera: Camera, corner: FloatArray) -> Camera:
    """Return the camera of a picture without what is left of and above a corner (2,)."""
    if isinstance(camera, PinholeCamera):
        return replace(camera, centre=camera.centre - corner)
    if isinstance(camera, ScaledOrthographicCamera):
        return replace(camera, translation=camera.translation - corner)
    raise TypeError(f"expected a pinhole or scaled orthographic camera, found {type(camera).__name__}")


def _person(
    parts: Parts,
    views: Sequence[View],
    tones: Sequence[Any],
    colours: Sequence[FloatArray],
    weights: Sequence[FloatArray],
) -> tuple[ColourModel | None, ColourModel | None]:
    """Skin and hair of the person over all photos."""
    if not views:
        return None, None
    core = np.concatenate([w * parts.core for w in weights])
    skin = model_of(np.concatenate(list(colours)), core, SKIN_FLOOR, LEAST_SKIN)
    hairs = np.concatenate([_toned(view.hair_colours, tone) for view, tone in zip(views, tones, strict=True)])
    hair = model_of(hairs, np.concatenate([view.hair_weights for view in views]), HAIR_FLOOR, LEAST_HAIR)
    return skin, COVERED_HAIR if hair is None and any(view.covered for view in views) else hair


def _texel_weight(
    view: View, trust: FloatArray, weight: FloatArray, strongest: FloatArray, finest: FloatArray
) -> FloatArray:
    """Weights (V,) for the texels, where the map's trust is looked up texel by texel, sharpened between photos."""
    prevail = ((weight + 0.02) / (strongest + 0.02)) ** SHARPNESS
    out: FloatArray = view.facing * trust * np.clip(view.density / finest, 0.05, 1) * prevail
    return np.ascontiguousarray(out, np.float32)


def _toned(colour: FloatArray, tone: npt.NDArray[np.float32]) -> FloatArray:
    codes = np.arange(256) / 255.0
    return np.stack([np.interp(colour[:, k], codes, tone[:, k]) for k in range(3)], axis=1)


def _projector(
    atlas: Atlas, triangles: npt.NDArray[np.int32], view: View, tone: Any, weight: Any, gain: FloatArray, total: Any
) -> Any:
    factor = np.ascontiguousarray(gain, np.float32)

    def call(start: int, stop: int) -> None:
        kernels.project_texels(
            int(start), int(stop), atlas.triangle, atlas.barycentric, triangles, view.screen, view.slope, weight,
            factor, tint.LIFT, view.depth, view.confidence, view.map_scale, TOLERANCE_MM, view.photo, tone,
            view.photo_scale, total,
        )  # fmt: skip

    return call

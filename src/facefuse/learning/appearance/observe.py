"""Each person's albedo at the vertices, and how well it is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt

from facefuse.geometry.mesh import vertex_normals
from facefuse.learning.appearance.light import LIGHT_REMOVED, SHADE_RANGE, Sitting, own_light
from facefuse.morphable.model import FaceModel
from facefuse.rendering.interpolate import sample_texture
from facefuse.rendering.rasterize import rasterize_camera
from facefuse.rendering.shading import linear_to_srgb, srgb_to_linear
from facefuse.texturing.parts import Parts, parts_of
from facefuse.texturing.skin import LEAST_SKIN, SKIN_FLOOR, ColourModel, model_of, smoothstep
from facefuse.texturing.surface import surface_filter_of

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]
Pixels = npt.NDArray[np.uint8]

GRAZING = (0.35, 0.65)
"""Cosines of the viewing angle where a photo begins to count, and where it counts fully."""
OUTLINE_MM = (1.0, 5.0)
"""Distances from the outline where it begins to count, and where it counts fully."""
SIDES_TRUST = 0.6
"""Weight of the even skin with which the unseen sides, ears and neck were completed."""
HAIRLINE_MM = 6.0
"""Softness of the hairline."""
IRIS_REACH = (0.42, 0.85)
"""Inner and outer radius of the ring whose colour is the iris', relative to the iris."""
CORNEA = (0.014, 2.4)
"""Light that the cornea reflects (linear, as exposed), and how much darker an iris looks in its socket, under lashes
and lids, than its albedo."""


@dataclass(frozen=True)
class Look:
    """One person's photo at the vertices, its light taken out.

    Attributes
    ----------
    photo : (V, 3) float
        Linear RGB albedo in the photo, whether it shows the vertex or something before or beside it.
    completed : (V, 3) float
        Linear RGB of the completed texture.
    cosine : (V,) float
        Of the viewing angle; -1 where hidden.
    outline_mm : (V,) float
        Distance from the head's outline in the photo.
    iris : (3,) float
        Linear RGB of the irises; NaN where the pupils were not marked.
    """

    photo: FloatArray
    completed: FloatArray
    cosine: FloatArray
    outline_mm: FloatArray
    iris: FloatArray


def look_at(model: FaceModel, sitting: Sitting, light: FloatArray, exposure: float, texture: Pixels) -> Look:
    """Take the light out of a photo's colours at the vertices.

    Parameters
    ----------
    model : FaceModel
    sitting : Sitting
    light : (10,) float
        Of the studio.
    exposure : float
        Albedo over photo.
    texture : (S, S, 3) uint8
        The person's completed albedo, for what the photo does not show.
    """
    shade = np.clip(sitting.transfer @ own_light(sitting, light), *SHADE_RANGE) ** LIGHT_REMOVED
    photo = np.clip(exposure * sitting.colour / shade[:, None], 0, 1)
    completed = srgb_to_linear(sample_texture(texture.astype(np.float32) / 255, uv_of_vertices(model)))
    return Look(photo, completed, *_sight(model, sitting), _iris_colour(model, sitting, exposure))


def known_albedo(model: FaceModel, look: Look) -> tuple[FloatArray, FloatArray]:
    """Decide what is known of a person's albedo: the photo where it shows skin squarely, else what follows from it.

    Parameters
    ----------
    model : FaceModel
    look : Look

    Returns
    -------
    colour : (V, 3) float
        Linear RGB; one hair colour on the scalp, even skin on the sides.
    weight : (V,) float
        0-1.
    """
    parts = parts_of(model)
    seen = smoothstep(*GRAZING, look.cosine) * smoothstep(*OUTLINE_MM, look.outline_mm) * parts.skin
    encoded = linear_to_srgb(look.photo)
    skin = model_of(encoded, seen * parts.core, SKIN_FLOOR, LEAST_SKIN)
    completed = look.completed
    if skin is not None:
        strict = _strictness(model, parts)
        seen = seen * (1 - strict * (1 - _skin_like(encoded, skin)))
        # what hides under hair is skin: were it left out, the few with bare temples would decide for all
        other = (strict * (1 - _skin_like(linear_to_srgb(completed), skin)))[:, None]
        completed = completed + other * (srgb_to_linear(skin.colour) - completed)
    colour = completed + seen[:, None] * (look.photo - completed)
    weight = seen + (1 - seen) * SIDES_TRUST * parts.skin
    # locks and partings differ from person to person and are no part of a face: the scalp wears a cap of hair colour
    hair = np.exp(np.median(np.log(np.maximum(look.completed[parts.scalp > 0.9], 1e-3)), axis=0))
    cap = np.clip(surface_filter_of(model).smooth(parts.scalp[:, None], HAIRLINE_MM), 0, 1)
    return colour * (hair / np.maximum(colour, 1e-3)) ** cap, weight + (1 - weight) * (cap[:, 0] > 0.5)


def uv_of_vertices(model: FaceModel) -> FloatArray:
    """Return one texture coordinate per vertex (V, 2); a vertex on a seam takes one of its places."""
    index = np.zeros(model.vertex_count, int)
    index[np.ravel(model.triangles)] = np.ravel(model.uv_triangles)
    return np.asarray(model.uv, np.float64)[index]


def _sight(model: FaceModel, sitting: Sitting) -> tuple[FloatArray, FloatArray]:
    """Return cosine of the viewing angle (V,), -1 where hidden, and distance from the outline in mm (V,)."""
    person, camera = sitting.person, sitting.camera
    height, width = person.pixels.shape[:2]
    triangles = np.asarray(model.triangles)
    seen = rasterize_camera(person.vertices, triangles, camera, width, height)
    normals = vertex_normals(person.vertices, triangles)
    towards = camera.position() - person.vertices
    cosine = (normals * towards).sum(1) / np.linalg.norm(towards, axis=1)
    away = distance_transform_edt(seen.mask)
    at = np.rint(camera.project(person.vertices)).astype(int).clip(0, (width - 1, height - 1))
    row, column = at[:, 1], at[:, 0]
    depth = np.asarray(camera.depth(person.vertices))
    front = depth < seen.depth[row, column] + 2.0
    return np.where(front, cosine, -1.0), away[row, column] * depth / camera.focal


def _strictness(model: FaceModel, parts: Parts) -> FloatArray:
    """Where only skin-like colours count, (V,) 0-1: forehead, temples, ears (hair), neck (clothes), not the beard."""
    mean = np.asarray(model.mean)
    mouth = float(np.asarray(model.landmarks(mean))[48:68, 1].mean())
    above = smoothstep(mouth - 5, mouth + 15, mean[:, 1])
    below = smoothstep(mouth - 25, mouth - 45, mean[:, 1]) * parts.strict
    return np.maximum(np.maximum(np.maximum(parts.strict, parts.beside), parts.maybe_hair) * above, below)


def _skin_like(colours: FloatArray, skin: ColourModel) -> FloatArray:
    """1 for sRGB colours (V, 3) like the person's skin, 0 for others."""
    return 1 - smoothstep(1.4, 2.4, skin.distance(colours))


def iris_rings(model: FaceModel) -> tuple[IntArray, FloatArray]:
    """Return the vertices of both irises and pupils (n,) and their distance from the axis relative to the iris (n,)."""
    mean, triangles = np.asarray(model.mean, np.float64), np.asarray(model.triangles)
    vertices, radius = [], []
    for side in ("left", "right"):
        pupil = np.unique(triangles[np.asarray(model.region_mask(f"pupil_{side}"))])
        iris = np.unique(triangles[np.asarray(model.region_mask(f"iris_{side}", f"pupil_{side}"))])
        away = np.linalg.norm((mean[iris] - mean[pupil].mean(0))[:, :2], axis=1)
        vertices.append(iris)
        radius.append(away / away.max())
    return np.concatenate(vertices), np.concatenate(radius)


def _iris_colour(model: FaceModel, sitting: Sitting, exposure: float) -> FloatArray:
    """Median colour of the irises about the pupils placed by hand, without lashes and highlights: (3,) linear RGB."""
    person = sitting.person
    if person.points189 is None:
        return np.full(3, np.nan)
    vertices, radius = iris_rings(model)
    rim = person.camera.project(person.vertices[vertices[radius > 0.97]])
    half = len(rim) // 2
    reach = float(np.mean([np.ptp(ring[:, 0]) / 2 for ring in (rim[:half], rim[half:])]))
    height, width = person.pixels.shape[:2]
    y, x = np.mgrid[:height, :width]
    samples = []
    for pupil in person.points189[:2]:
        away = np.hypot(x - pupil[0], y - pupil[1]) / reach
        # above the pupil are lashes and the shadow of the lid
        ring = (away > IRIS_REACH[0]) & (away < IRIS_REACH[1]) & (y > pupil[1] - 0.2 * reach)
        samples.append(srgb_to_linear(person.pixels[ring] / 255.0))
    colours = np.concatenate(samples)
    brightness = colours.mean(1)
    low, high = np.percentile(brightness, (20, 70))
    middle = np.median(colours[(brightness >= low) & (brightness <= high)], axis=0)
    out: FloatArray = np.clip(CORNEA[1] * exposure * (middle - CORNEA[0]), 0.01, 0.6)
    return out

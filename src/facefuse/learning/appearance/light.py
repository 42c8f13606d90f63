"""Taking the studio's light out of photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt, gaussian_filter

from facefuse.geometry.cameras import PinholeCamera
from facefuse.geometry.mesh import vertex_normals
from facefuse.learning.appearance.people import Person
from facefuse.learning.appearance.shadows import open_transfer, shadow_transfer
from facefuse.morphable.model import FaceModel
from facefuse.rendering.interpolate import interpolate, sample_image
from facefuse.rendering.rasterize import rasterize_camera
from facefuse.rendering.shading import linear_to_srgb, srgb_to_linear
from facefuse.texturing.parts import Parts, parts_of

FloatArray = npt.NDArray[np.floating[Any]]
Pixels = npt.NDArray[np.uint8]

SCATTER = 0.12
"""Residual (relative) at which a vertex counts half: brows, beards, freckles and highlights are not light."""
STEADY = 0.15
"""How strongly one person's light is held to that of all, as a share of the data's weight."""
SHADE_RANGE = (0.55, 1.6)
"""Shading relative to the face's middle is kept within this range."""
LIGHT_REMOVED = 0.9
"""Share of the shading (of its logarithm) that is taken out: light that skin scatters fills its shadows."""


@dataclass(frozen=True)
class Sitting:
    """One photo as the light sees it.

    Attributes
    ----------
    person : Person
    camera : PinholeCamera
        The camera used, warped or not.
    transfer : (V, 10) float
        Shading of each vertex by each harmonic, shadows included, and a constant.
    colour : (V, 3) float
        Linear RGB of the photo.
    weight : (V,) float
        Where it shows plain skin, 0-1.
    """

    person: Person
    camera: PinholeCamera
    transfer: FloatArray
    colour: FloatArray
    weight: FloatArray


def sit(model: FaceModel, person: Person, camera: PinholeCamera, shadows: FloatArray) -> Sitting:
    """Look up a photo at the vertices and find what each can see of the light.

    Parameters
    ----------
    model : FaceModel
    person : Person
    camera : PinholeCamera
        The person's, warped or not.
    shadows : (V, 9) float
        What the mean head's own shadows take away: see :func:`mean_shadows`.
    """
    parts = parts_of(model)
    triangles = np.asarray(model.triangles)
    height, width = person.pixels.shape[:2]
    linear = srgb_to_linear(person.pixels.astype(np.float32) / 255)
    soft = gaussian_filter(linear, (1.2, 1.2, 0))
    at = camera.project(person.vertices)
    seen = rasterize_camera(person.vertices, triangles, camera, width, height)
    pixel = np.rint(at).astype(int).clip(0, (width - 1, height - 1))
    visible = camera.depth(person.vertices) < seen.depth[pixel[:, 1], pixel[:, 0]] + 2.0
    normals = vertex_normals(person.vertices, triangles)
    towards = camera.position() - person.vertices
    cosine = (normals * towards).sum(1) / np.linalg.norm(towards, axis=1)
    transfer = np.column_stack((open_transfer(normals) + shadows, np.full(len(normals), 0.5)))
    weight = visible * np.clip((cosine - 0.25) / 0.35, 0, 1) * _bare(parts)
    return Sitting(person, camera, transfer, sample_image(soft, at).astype(np.float64), weight)


def mean_shadows(model: FaceModel) -> FloatArray:
    """Return what the mean head's own shadows add to each vertex' transfer, (V, 9): alike on all heads."""
    mean, triangles = np.asarray(model.mean, np.float64), np.asarray(model.triangles)
    out: FloatArray = shadow_transfer(mean, triangles) - open_transfer(vertex_normals(mean, triangles))
    return out


def _bare(parts: Parts) -> FloatArray:
    """Skin without hair, brows, lids, lips and clothes, (V,) 0-1."""
    out: FloatArray = parts.skin * (1 - parts.maybe_hair) * (1 - parts.ear) * np.where(parts.plain > 0.99, 1, 0)
    out *= 1 - np.clip(parts.strict - 0.3, 0, 1)
    return out


def studio_light(sittings: Sequence[Sitting], rounds: int = 8) -> FloatArray:
    """Estimate the one light under which all photos were taken.

    Alternates between the light, by least squares over all people, and each person's skin colour; both robustly.

    Returns
    -------
    (10,) float
        Grey: the skin colours take the tint. The mean shading of the faces is one.
    """
    light = np.zeros(10)
    light[0] = 1.0
    for _ in range(rounds):
        gram, right = np.zeros((10, 10)), np.zeros(10)
        for sitting in sittings:
            ratio, trust = _relative(sitting, light)
            gram += (sitting.transfer * trust[:, None]).T @ sitting.transfer / trust.sum()
            right += sitting.transfer.T @ (trust * ratio) / trust.sum()
        light = np.linalg.solve(gram + 1e-4 * np.trace(gram) * np.eye(10), right)
        light /= np.mean([s.weight @ (s.transfer @ light) / s.weight.sum() for s in sittings])
    return light


def own_light(sitting: Sitting, common: FloatArray, rounds: int = 4) -> FloatArray:
    """Let the light of all (10,) adapt to one photo: people sit a little higher, nearer or turned."""
    light = common
    for _ in range(rounds):
        ratio, trust = _relative(sitting, light)
        gram = (sitting.transfer * trust[:, None]).T @ sitting.transfer / trust.sum()
        hold = STEADY * np.trace(gram) / 10 * np.eye(10)
        light = np.linalg.solve(gram + hold, sitting.transfer.T @ (trust * ratio) / trust.sum() + hold @ common)
    return light


def skin_colour(sitting: Sitting, light: FloatArray) -> FloatArray:
    """Return the median colour of a person's skin without shading: (3,) linear RGB as exposed."""
    some = sitting.weight > 0.3
    shade = np.maximum(sitting.transfer[some] @ light, 0.05)
    out: FloatArray = np.median(sitting.colour[some] / shade[:, None], axis=0)
    return out


def _relative(sitting: Sitting, light: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Brightness relative to the person's skin (V,), and how far each vertex obeys the light (V,)."""
    shade = np.maximum(sitting.transfer @ light, 0.05)
    ratio = (sitting.colour / skin_colour(sitting, light)).mean(1)
    trust = sitting.weight / (1 + ((ratio / shade - 1) / SCATTER) ** 2)
    return ratio, trust


def unlit(model: FaceModel, sitting: Sitting, light: FloatArray, exposure: float = 1.0) -> Pixels:
    """Divide the shading out of a photo: (H, W, 3) uint8, sRGB of the albedo times ``exposure``."""
    pixels = sitting.person.pixels
    height, width = pixels.shape[:2]
    shade = np.clip(sitting.transfer @ light, *SHADE_RANGE)[:, None] ** LIGHT_REMOVED
    triangles = np.asarray(model.triangles)
    seen = rasterize_camera(sitting.person.vertices, triangles, sitting.camera, width, height)
    picture = interpolate(seen, shade, triangles)[..., 0]
    rows, columns = distance_transform_edt(~seen.mask, return_distances=False, return_indices=True)
    picture = gaussian_filter(picture[rows, columns], 1.0)
    albedo = srgb_to_linear(pixels / np.float32(255)) * (exposure / picture)[..., None]
    out: Pixels = np.rint(255 * linear_to_srgb(np.clip(albedo, 0, 1))).astype(np.uint8)
    return out

"""Whether photos show one person, told by the details of the skin: brows, eyes, lips, spots, beard.

The shape of a face seen through landmarks tells people apart only when they differ greatly; what the face looks like
says more. The brightness of each photo is looked up at the vertices of the fitted face; lighting, which is smooth in
the normals (second-order spherical harmonics, Ramamoorthi and Hanrahan 2001), and the details that all people share
are taken out; what remains is correlated between photos.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from safetensors import SafetensorError
from safetensors.numpy import load

from facefuse.errors import AssetError
from facefuse.fitting.evidence import average_linkage
from facefuse.geometry.cameras import PinholeCamera
from facefuse.geometry.mesh import vertex_normals
from facefuse.morphable.model import FaceModel
from facefuse.rendering.interpolate import sample_image

FloatArray = npt.NDArray[np.floating[Any]]

SEPARATE_CORRELATION = 0.15
"""Groups of photos whose mean correlation is below this are different people: see the card of the asset."""

DETAIL_MM = 1.5
"""Finest detail that is compared; photos are reduced to this many millimetres a pixel."""

LEAST_SHARED = 0.15
"""Share of the face that two photos must both see before they are compared."""

_ASSET = "common_skin_detail.safetensors"
_DARK = 8.0
_CLIP = 0.6


@dataclass(frozen=True)
class SkinDetail:
    """How bright a photo shows each vertex of the face, without lighting.

    Attributes
    ----------
    values : (V,) float
        Logarithm of brightness, clipped; V vertices of ``FaceModel.face_mask``.
    weights : (V,) float
        How well the photo sees each, 0-1.
    """

    values: FloatArray
    weights: FloatArray


def skin_detail(
    model: FaceModel, vertices: FloatArray, camera: PinholeCamera, pixels: npt.NDArray[np.uint8]
) -> SkinDetail:
    """Look up a photo at the vertices of the face and take the lighting out.

    Parameters
    ----------
    model : FaceModel
    vertices : (V, 3) float
        The head with the photo's expression, mm, model frame.
    camera : PinholeCamera
        Projects it into the photo.
    pixels : (H, W, 3) uint8
        sRGB.
    """
    mask = np.asarray(model.face_mask)
    seen = np.asarray(camera.to_camera(vertices[mask]))
    normals = np.asarray(vertex_normals(vertices, model.triangles))[mask] @ np.asarray(camera.rotation).T
    facing = -(normals * seen).sum(axis=1) / np.linalg.norm(seen, axis=1)
    points = np.asarray(camera.project(vertices[mask]))

    height, width = pixels.shape[:2]
    inside = ((points >= 0) & (points <= [width - 1, height - 1])).all(axis=1)
    weights = np.clip((facing - 0.25) / 0.3, 0, 1) * inside
    if weights.sum() < LEAST_SHARED * len(weights):
        return SkinDetail(np.zeros(len(weights)), np.zeros(len(weights)))
    grey, scale, corner = _reduced(pixels, points[inside], DETAIL_MM * camera.focal / float(np.median(seen[:, 2])))
    brightness = sample_image(grey[..., None], (points - corner + 0.5) * scale - 0.5)[:, 0]
    return SkinDetail(_without_lighting(np.log(brightness + _DARK), normals, weights), weights)


def correlation(first: SkinDetail, second: SkinDetail, common: FloatArray) -> float:
    """Correlate what two photos show beyond the details (V,) common to all people; NaN if they share too little."""
    weights = np.minimum(first.weights, second.weights)
    if weights.sum() < LEAST_SHARED * len(weights):
        return float("nan")
    root = np.sqrt(weights)
    basis = np.stack([np.ones_like(common), common], axis=1) * root[:, None]
    own = []
    for detail in (first, second):
        values = detail.values * root
        own.append(values - basis @ np.linalg.lstsq(basis, values, rcond=None)[0])
    return float(own[0] @ own[1] / max(np.linalg.norm(own[0]) * np.linalg.norm(own[1]), 1e-12))


def different_looks(model: FaceModel, details: Sequence[SkinDetail]) -> list[list[int]]:
    """Group photos by the person they seem to show, by the details of the skin.

    Parameters
    ----------
    model : FaceModel
    details : sequence of SkinDetail
        One per photo.

    Returns
    -------
    list of list of int
        Indices of the photos, the largest group first; photos that share too little to be compared count as alike.
    """
    common = common_detail(model)
    count = len(details)
    alike = np.ones((count, count))
    for i in range(count):
        for j in range(i):
            found = correlation(details[i], details[j], common)
            alike[i, j] = alike[j, i] = 1.0 if np.isnan(found) else found
    return average_linkage(alike, SEPARATE_CORRELATION)


def common_detail(model: FaceModel) -> FloatArray:
    """Return the detail (V,) that faces have in common, at the vertices of the model's face.

    Raises
    ------
    AssetError
        If its file is missing or damaged.
    """
    from scipy.spatial import cKDTree  # late: slow to import, and one photo alone does not need it

    places, values = _common_asset()
    _, nearest = cKDTree(places).query(np.asarray(model.mean)[np.asarray(model.face_mask)])
    return np.asarray(values[nearest])


@lru_cache(maxsize=1)
def _common_asset() -> tuple[FloatArray, FloatArray]:
    """Places (P, 3) on the mean face in mm, model frame, and the common detail there (P,)."""
    path = files("facefuse") / "assets" / _ASSET
    try:
        arrays = load(path.read_bytes())
        return arrays["places"].astype(np.float64), arrays["values"].astype(np.float64)
    except (OSError, SafetensorError, KeyError) as error:
        raise AssetError(f"{_ASSET} is missing or damaged ({error}); reinstall facefuse") from error


def _reduced(
    pixels: npt.NDArray[np.uint8], points: FloatArray, target: float
) -> tuple[npt.NDArray[np.float32], FloatArray, FloatArray]:
    """Cut out the points (P, 2) and reduce ``target`` pixels to one: grey values, the scale in x and y, the corner."""
    margin = 2 * int(np.ceil(target)) + 1
    height, width = pixels.shape[:2]
    low = np.maximum(np.floor(points.min(axis=0)).astype(int) - margin, 0)
    high = np.minimum(np.ceil(points.max(axis=0)).astype(int) + margin, [width, height])
    image = Image.fromarray(pixels[low[1] : high[1], low[0] : high[0]]).convert("L")
    size = (max(1, round(image.width / max(target, 1.0))), max(1, round(image.height / max(target, 1.0))))
    small = np.asarray(image.resize(size, Image.Resampling.HAMMING, reducing_gap=3.0), dtype=np.float32)
    return small, np.array(size) / np.array(image.size), low.astype(float)


def _without_lighting(values: FloatArray, normals: FloatArray, weights: FloatArray) -> FloatArray:
    """Fit spherical harmonics of the normals to the values, robustly, and return what they leave."""
    x, y, z = normals.T
    basis = np.stack([np.ones_like(x), x, y, z, x * y, y * z, x * z, x * x - y * y, 3 * z * z - 1], axis=1)
    trust = weights
    left = values
    for _ in range(4):  # brows, lips and shadows are not lighting: they count less each time
        root = np.sqrt(trust)[:, None]
        left = values - basis @ np.linalg.lstsq(basis * root, values * root[:, 0], rcond=None)[0]
        trust = weights / (1 + (left / 0.15) ** 2)
    return np.clip(left, -_CLIP, _CLIP)

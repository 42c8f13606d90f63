"""Photos that never were: landmarks projected from a known face."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facefuse.fitting.types import Observation
from facefuse.geometry import PinholeCamera, euler_to_rotmat, similarity_from_points
from facefuse.morphable.model import FaceModel

SIZE = (1000, 1200)
CENTRE = np.array([499.5, 599.5])


def camera(yaw: float, pitch: float = 0.0, roll: float = 0.0, distance: float = 800.0, focal: float = 1500.0):
    rotation = euler_to_rotmat(np.float64(yaw), np.float64(pitch), np.float64(roll))
    return PinholeCamera(focal, CENTRE, rotation, np.array([5.0, 20.0, distance]))


def observe(
    model: FaceModel,
    identity: np.ndarray,
    expression: np.ndarray,
    view: PinholeCamera,
    rng: np.random.Generator | None = None,
    noise_mm: float = 0.0,
    known_focal: bool = False,
    mesh: bool = True,
) -> Observation:
    vertices = model.vertices(identity, expression)
    pixels68 = view.project(model.landmarks(vertices))
    indices = np.arange(0, model.mesh_points.shape[0], 3) if mesh else np.zeros(0, dtype=int)
    dense = view.project(model.mesh_landmarks(vertices)[indices])
    sigma = max(noise_mm, 0.2) * view.focal / view.translation[2]
    if rng is not None:
        pixels68 = pixels68 + rng.normal(size=pixels68.shape) * noise_mm * view.focal / view.translation[2]
        dense = dense + rng.normal(size=dense.shape) * noise_mm * view.focal / view.translation[2]
    return Observation(
        pixels68,
        np.full(68, sigma),
        dense,
        np.full(len(dense), sigma),
        indices,
        SIZE,
        view.focal if known_focal else None,
    )


def shape_error(model: FaceModel, one: np.ndarray, other: np.ndarray) -> float:
    """Root mean square distance over the face of two identities after a similarity, mm."""
    a, b = model.vertices(one)[model.face_mask], model.vertices(other)[model.face_mask]
    a = similarity_from_points(a, b).apply(a)
    return float(np.sqrt(((a - b) ** 2).sum(1).mean()))


def expressions(model: FaceModel, **weights: float) -> np.ndarray:
    out = np.zeros(model.expression_count)
    for name, weight in weights.items():
        out[model.expression_names.index(name)] = weight
    return out


def angle_deg(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.degrees(np.arccos(np.clip((np.trace(one.T @ other) - 1) / 2, -1, 1))))


def many(
    model: FaceModel, identity: np.ndarray, yaws: Sequence[float], rng: np.random.Generator, noise_mm: float = 1.0
):
    neutral = np.zeros(model.expression_count)
    return [observe(model, identity, neutral, camera(yaw), rng, noise_mm) for yaw in yaws]

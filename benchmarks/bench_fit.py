"""How long the joint fit takes: milliseconds, one thread where BLAS is told so, median of repeated warm calls."""

from __future__ import annotations

from functools import partial

import numpy as np
from timing import median_ms

from facefuse.fitting import Observation, fit_face
from facefuse.geometry import PinholeCamera, euler_to_rotmat
from facefuse.morphable import FaceModel, load_model


def _observations(model: FaceModel, count: int) -> list[Observation]:
    """Photos of a random face with every expression a little on, 68 landmarks and 193 mesh points each."""
    rng = np.random.default_rng(0)
    identity = rng.normal(size=model.identity_count)
    indices = np.unique(np.linspace(0, model.mesh_points.shape[0] - 1, 193).astype(int))
    seen = []
    for yaw in np.linspace(-45, 45, count) if count > 1 else [10.0]:
        vertices = model.vertices(identity, rng.uniform(0, 0.3, model.expression_count))
        rotation = euler_to_rotmat(np.float64(yaw), np.float64(5.0), np.float64(3.0))
        camera = PinholeCamera(1300.0, np.array([499.5, 499.5]), rotation, np.array([10.0, 20.0, 700.0]))
        points = np.concatenate([model.landmarks(vertices), model.mesh_landmarks(vertices)[indices]])
        pixels = camera.project(points) + rng.normal(size=(len(points), 2)) * 3
        sigma = np.full(len(points), 3.0)
        seen.append(Observation(pixels[:68], sigma[:68], pixels[68:], sigma[68:], indices, (1000, 1000)))
    return seen


def run() -> list[tuple[str, float, str]]:
    """Return (name, value, unit) rows."""
    model = load_model("base")
    rows = []
    for count in (1, 3, 7):
        seen = _observations(model, count)
        rows.append(
            (f"fit, {count} photo{'s' if count > 1 else ''}", median_ms(partial(fit_face, model, seen), 15), "ms")
        )
    return rows

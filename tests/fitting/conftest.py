"""The base model, and a small random linear one for derivatives and algebra that hold for every model."""

from __future__ import annotations

import numpy as np
import pytest

from facefuse.morphable import load_model
from facefuse.morphable.model import FaceModel


@pytest.fixture(scope="session")
def toy_model() -> FaceModel:
    rng = np.random.default_rng(0)
    count, identities = 150, 6
    names = ("eyeBlinkLeft", "eyeBlinkRight", "jawLeft", "jawRight", "jawOpen")
    mean = rng.normal(size=(count, 3)) * [50, 60, 25]
    corners = rng.integers(0, count, (68 + 20, 3))
    weights = rng.dirichlet(np.ones(3), 68 + 20)
    contours = rng.integers(0, count, (17, 4))
    contours[:, 3] = -1
    triangles = np.arange(count).reshape(-1, 3)
    return FaceModel(
        name="toy",
        mean=mean,
        identity=rng.normal(size=(identities, count, 3)) * 3,
        expression=rng.normal(size=(len(names), count, 3)) * 5,
        expression_names=names,
        albedo=np.full((count, 3), 0.5),
        triangles=triangles,
        uv=np.zeros((1, 2)),
        uv_triangles=np.zeros_like(triangles),
        region=np.zeros(len(triangles), dtype=int),
        region_names=("face",),
        symmetric=np.arange(count),
        face_mask=np.ones(count, dtype=bool),
        landmarks68=corners[:68],
        landmarks68_weights=weights[:68],
        contours=contours,
        mesh_points=corners[68:],
        mesh_points_weights=weights[68:],
    )


@pytest.fixture(scope="session")
def base_model() -> FaceModel:
    return load_model("base")

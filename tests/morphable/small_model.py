"""A small face model for tests: a folded sheet, symmetric about x = 0."""

from __future__ import annotations

import numpy as np

from facefuse.morphable.model import FaceModel


def small_model(modes: int = 3, antisymmetric: bool = True) -> FaceModel:
    """Return a model on a 5x4 grid whose last identity mode is antisymmetric if asked for."""
    x, y = np.meshgrid(np.arange(-2.0, 3.0), np.arange(4.0), indexing="ij")
    mean = np.stack([x.ravel(), y.ravel(), -np.abs(x.ravel())], axis=1).astype(np.float32)
    symmetric = np.array([(4 - i) * 4 + j for i in range(5) for j in range(4)])
    triangles = []
    for i in range(4):
        for j in range(3):
            a, b, c, d = i * 4 + j, (i + 1) * 4 + j, (i + 1) * 4 + j + 1, i * 4 + j + 1
            triangles += [(a, b, c), (a, c, d)]
    rng = np.random.default_rng(5)
    identity = rng.normal(size=(modes, 20, 3)).astype(np.float16).astype(np.float32)
    flip = np.array([-1, 1, 1], dtype=np.float32)
    for k in range(modes):
        sign = -1 if antisymmetric and k == modes - 1 else 1
        identity[k] = (identity[k] + sign * identity[k][symmetric] * flip) / 2
    expression = np.zeros((2, 20, 3), dtype=np.float32)
    expression[0, 3:9] = [0.5, 1.0, -2.0]
    corners = np.tile(np.array([0, 4, 5]), (68, 1))
    weights = np.tile(np.array([0.25, 0.25, 0.5], dtype=np.float32), (68, 1))
    contours = np.full((17, 3), -1)
    contours[:, 0] = np.arange(17)
    count = len(triangles)
    return FaceModel(
        name="small",
        mean=mean,
        identity=identity.astype(np.float16).astype(np.float32),
        expression=expression,
        expression_names=("jawOpen", "tongueOut"),
        albedo=np.full((20, 3), 0.5, dtype=np.float32),
        triangles=np.array(triangles),
        uv=(mean[:, :2] / 8 + 0.5).astype(np.float32),
        uv_triangles=np.array(triangles),
        region=np.arange(count) % 2,
        region_names=("face", "neck"),
        symmetric=symmetric,
        face_mask=np.arange(20) < 10,
        landmarks68=corners,
        landmarks68_weights=weights,
        contours=contours,
        mesh_points=corners[:4],
        mesh_points_weights=weights[:4],
        licence="none",
        credit="nobody",
    )

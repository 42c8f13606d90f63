"""Figures of the model card: ``python -m facefuse.learning.base_model.measure --ict ict_facekit_light.npz``."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facefuse.learning.base_model.ict import NARROW_FACE_VERTICES, IctModel, load_ict
from facefuse.learning.base_model.landmarks import closest_surface_points
from facefuse.learning.base_model.regions import REGION_NAMES
from facefuse.morphable.model import FaceModel
from facefuse.morphable.registry import load_model

Floats = NDArray[np.float64]

SKIN_REGIONS = REGION_NAMES[:13]
FACE_REGIONS = REGION_NAMES[:9]


def held_out_error(model: FaceModel, ict: IctModel, count: int, seed: int) -> tuple[Floats, float]:
    """Represent random ICT faces, N(0, 1) coefficients of its 100 modes, by the model.

    Every ICT vertex of the narrow face corresponds to the closest point of our mean; the model's coefficients are
    found by least squares.

    Returns
    -------
    rms : (count,) float
        Root mean square distance of corresponding points per face, mm.
    spread : float
        Standard deviation of the coefficients found; 1 if they have unit variance.
    """
    mean = np.asarray(model.mean, dtype=np.float64)
    theirs = ict.mean[:NARROW_FACE_VERTICES]
    triangles = ict.triangles("skin")
    normals = np.zeros_like(ict.mean)
    first, second = (ict.mean[triangles[:, k]] - ict.mean[triangles[:, 0]] for k in (1, 2))
    face = np.cross(first, second)
    for k in range(3):
        np.add.at(normals, triangles[:, k], face)
    outer = model.triangles[model.region_mask(*SKIN_REGIONS)]
    where = closest_surface_points(theirs, mean, outer, normals[:NARROW_FACE_VERTICES])
    modes = where.on(np.asarray(model.identity, dtype=np.float64)).reshape(model.identity_count, -1)
    coefficients = np.random.default_rng(seed).standard_normal((count, len(ict.identity)))
    faces = np.tensordot(coefficients, ict.identity[:, :NARROW_FACE_VERTICES], axes=1) + theirs
    target = (faces - where.on(mean)).reshape(count, -1).T
    found = np.linalg.lstsq(modes.T, target, rcond=None)[0]
    error = (target - modes.T @ found).T.reshape(count, -1, 3)
    return np.sqrt((error**2).sum(2).mean(1)), float(found.std())


def triangle_quality(vertices: Floats, triangles: NDArray[np.int64]) -> Floats:
    """Return the shape of triangles (F,): 1 equilateral, 0 flat."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    return np.asarray(2 * np.sqrt(3) * area / (((a - b) ** 2).sum(1) + ((b - c) ** 2).sum(1) + ((c - a) ** 2).sum(1)))


def atlas_share(model: FaceModel, *regions: str) -> float:
    """Return the share of the atlas that regions take."""
    corners = np.asarray(model.uv, dtype=np.float64)[model.uv_triangles[model.region_mask(*regions)]]
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return float((first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]).sum() / 2)


def decode_ms(model: FaceModel, repeats: int = 300) -> tuple[float, float]:
    """Return the median and the shortest time of decoding one face, milliseconds."""
    identity = np.ones(model.identity_count, dtype=np.float32)
    expression = np.zeros(model.expression_count, dtype=np.float32)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        model.vertices(identity, expression)
        times.append(time.perf_counter() - start)
    return float(np.median(times) * 1e3), float(min(times) * 1e3)


def mesh_point_residual(model: FaceModel, photos: Floats, rounds: int = 8) -> float:
    """Fit MediaPipe meshes of photos and return how far its points lie from ours on average over all people.

    Parameters
    ----------
    model : FaceModel
    photos : (N, 468, 2) float
        Mesh points in pixels, y down.
    rounds : int
        Alternations of pose (scaled orthographic) and shape (ridge regression on 40 identity modes and expressions).

    Returns
    -------
    float
        Mean over the points of the length of the mean residual, mm.
    """
    base = np.asarray(model.mesh_landmarks(model.mean), dtype=np.float64)
    modes = np.concatenate([model.identity[:40], model.expression])
    basis = np.asarray(model.mesh_landmarks(modes), dtype=np.float64)
    prior = np.diag(np.concatenate([np.ones(40), np.full(model.expression_count, 1 / 0.35**2)]))
    trust = 60 / len(base) / 3.0**2  # the points of a photo count as 60 independent ones with 3 mm of noise
    residuals = []
    for points in photos * [1.0, -1.0]:
        coefficients = np.zeros(len(modes))
        for _ in range(rounds):
            shape = base + np.tensordot(coefficients, basis, axes=1)
            affine = np.linalg.lstsq(np.column_stack([shape, np.ones(len(shape))]), points, rcond=None)[0]
            u, scales, vt = np.linalg.svd(affine[:3].T, full_matrices=False)
            rows, scale = u @ vt, scales.mean()
            shift = (points - scale * shape @ rows.T).mean(0)
            jacobian = (basis @ rows.T).reshape(len(modes), -1).T
            target = ((points - shift) / scale - base @ rows.T).reshape(-1)
            coefficients = np.linalg.solve(trust * jacobian.T @ jacobian + prior, trust * jacobian.T @ target)
        residuals.append((target - jacobian @ coefficients).reshape(-1, 2))
    return float(np.linalg.norm(np.mean(residuals, axis=0), axis=1).mean())


def main() -> None:
    """Measure the shipped model."""
    parser = argparse.ArgumentParser(prog="python -m facefuse.learning.base_model.measure", description=main.__doc__)
    parser.add_argument("--ict", type=Path, required=True, help="ict_facekit_light.npz")
    parser.add_argument("--london", type=Path, help="mesh_labels.npz of the London set")
    options = parser.parse_args()
    model = load_model("base")
    rms, spread = held_out_error(model, load_ict(options.ict), count=200, seed=1)
    skin = model.triangles[model.region_mask(*SKIN_REGIONS)]
    quality = triangle_quality(np.asarray(model.mean, dtype=np.float64), skin)
    median, shortest = decode_ms(model)
    figures = {
        "vertices": model.vertex_count,
        "skin vertices": len(np.unique(skin)),
        "triangles": len(model.triangles),
        "held-out RMS mm, mean": round(float(rms.mean()), 3),
        "held-out RMS mm, 95th percentile": round(float(np.quantile(rms, 0.95)), 3),
        "held-out RMS mm, largest": round(float(rms.max()), 3),
        "spread of coefficients": round(spread, 3),
        "skin triangle quality, smallest": round(float(quality.min()), 3),
        "skin triangle quality, 1st percentile": round(float(np.quantile(quality, 0.01)), 3),
        "face share of the atlas": round(atlas_share(model, *FACE_REGIONS), 3),
        "decode ms, median": round(median, 2),
        "decode ms, shortest": round(shortest, 2),
    }
    if options.london is not None:
        with np.load(options.london) as data:
            photos = data["mesh_xyz"][:, : len(model.mesh_points), :2].astype(np.float64)
        figures["mesh points in photos, mean residual mm"] = round(mesh_point_residual(model, photos), 2)
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()

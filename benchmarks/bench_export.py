"""How long writing a head takes: the base model with three made-up photos of a megapixel, median of warm calls."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from timing import median_ms

from facefuse.detection.types import DetectedFace, FaceLandmarks
from facefuse.export.document import document_to_json, reconstruction_document
from facefuse.export.glb import head_to_glb
from facefuse.export.morphs import build_morphs
from facefuse.export.obj import mesh_to_obj
from facefuse.export.ply import mesh_to_ply
from facefuse.export.report import report_html
from facefuse.export.writer import save
from facefuse.geometry import PinholeCamera, euler_to_rotmat
from facefuse.morphable import FaceModel, load_model
from facefuse.photos import Photo
from facefuse.reconstruction import PhotoResult, Reconstruction

_SIZE = (1155, 866)


def _photo(model: FaceModel, identity: np.ndarray, yaw: float, rng: np.random.Generator) -> PhotoResult:
    width, height = _SIZE
    expression = rng.uniform(0, 0.3, model.expression_count)
    rotation = euler_to_rotmat(np.asarray(yaw), np.asarray(0.0), np.asarray(0.0))
    camera = PinholeCamera(1.2 * width, np.array([width / 2, height / 2]), rotation, np.array([0.0, 0.0, 650.0]))
    points = camera.project(model.landmarks(model.vertices(identity, expression)))
    centre, half = (points.min(0) + points.max(0)) / 2, np.ptp(points, axis=0).max() / 2
    face = DetectedFace(np.concatenate([centre - half, centre + half]), np.zeros((5, 2)), 0.99)
    nothing = np.zeros(0)
    landmarks = FaceLandmarks(points, np.ones(68), np.zeros((0, 2)), nothing, nothing.astype(int), 0.99)
    return PhotoResult(
        Photo(_picture(height, width, rng)), face, landmarks, camera, expression, 1.0, 1.0, np.ones((9, 3))
    )


def _picture(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Smooth patches and some grain: compresses about as well as a photo."""
    coarse = rng.uniform(30, 220, (height // 32 + 1, width // 32 + 1, 3))
    patches = coarse.repeat(32, 0).repeat(32, 1)[:height, :width]
    return np.clip(patches + rng.normal(0, 3, patches.shape), 0, 255).astype(np.uint8)


def run() -> list[tuple[str, float, str]]:
    """Return (what, value, unit) rows."""
    rng = np.random.default_rng(0)
    model = load_model()
    identity = rng.normal(size=model.identity_count)
    photos = tuple(_photo(model, identity, yaw, rng) for yaw in (0.0, -35.0, 35.0))
    texture = _picture(1024, 1024, rng)
    head = Reconstruction(model, identity, texture, photos)
    vertices = np.asarray(head.mesh.vertices)
    glb = head_to_glb(head)
    rows = [
        ("head.glb", median_ms(lambda: head_to_glb(head)), "ms"),
        ("morph targets, once per model", median_ms(lambda: build_morphs(model)), "ms"),
        ("head.obj", median_ms(lambda: mesh_to_obj(model, vertices, "head.mtl", "neutral head")), "ms"),
        ("head.ply", median_ms(lambda: mesh_to_ply(model, vertices, texture, "neutral head")), "ms"),
        ("reconstruction.json", median_ms(lambda: document_to_json(reconstruction_document(head))), "ms"),
        ("report.html, 3 photos", median_ms(lambda: report_html(head, glb), 5), "ms"),
    ]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        rows.append(("everything, 3 photos", median_ms(lambda: save(head, out), 5), "ms"))
        rows.append(("size of head.glb", (out / "head.glb").stat().st_size / 1e6, "MB"))
        rows.append(("size of report.html", (out / "report.html").stat().st_size / 1e6, "MB"))
    return rows

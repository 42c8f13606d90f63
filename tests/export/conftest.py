"""A small made-up head: quick to decode, with every feature the writers must handle."""

from __future__ import annotations

import numpy as np
import pytest

from facefuse.detection.types import DetectedFace, FaceLandmarks
from facefuse.geometry.cameras import PinholeCamera
from facefuse.geometry.rotations import euler_to_rotmat
from facefuse.morphable.model import FaceModel
from facefuse.photos import Photo
from facefuse.reconstruction import PhotoResult, Reconstruction, SkippedPhoto

EXPRESSIONS = ("jawOpen", "mouthSmileLeft", "mouthSmileRight", "eyeBlinkLeft", "browInnerUp", "tongueOut")
AXES = np.array([70.0, 100.0, 90.0])


def _ellipsoid(axes, centre, rows, columns):
    """A closed ellipsoid whose last column of texture coordinates repeats the first: a seam, as real atlases have."""
    polar, around = np.meshgrid(
        np.pi * np.arange(rows + 1) / rows, 2 * np.pi * np.arange(columns + 1) / columns, indexing="ij"
    )
    unit = np.stack([-np.sin(polar) * np.sin(around), np.cos(polar), -np.sin(polar) * np.cos(around)], -1)
    vertices = (unit[:, :-1] * axes + centre).reshape(-1, 3)
    uv = np.stack([around / (2 * np.pi), 1 - polar / np.pi], -1).reshape(-1, 2)
    triangles, uv_triangles = [], []
    for r in range(rows):
        for c in range(columns):
            quad = [(r, c), (r + 1, c), (r + 1, c + 1), (r, c + 1)]
            for corners in ([0, 1, 2], [0, 2, 3]):
                if (r == 0 and corners == [0, 2, 3]) or (r == rows - 1 and corners == [0, 1, 2]):
                    continue  # a pole has no second triangle
                triangles.append([quad[k][0] * columns + quad[k][1] % columns for k in corners])
                uv_triangles.append([quad[k][0] * (columns + 1) + quad[k][1] for k in corners])
    return vertices, np.array(triangles), uv, np.array(uv_triangles)


def _bump(vertices, centre, width, direction):
    near = np.exp(-np.square(vertices - centre).sum(1) / (2 * width**2))
    return np.where(near > 1e-3, near, 0)[:, None] * np.asarray(direction, dtype=float)


def make_model() -> FaceModel:
    pieces = [
        (*_ellipsoid(AXES, np.zeros(3), 24, 32), "skin", (0.0, 0.0, 0.7, 1.0)),
        (*_ellipsoid(np.full(3, 11.0), np.array([-30.0, 20, 78]), 6, 8), "eyeball_right", (0.75, 0.0, 0.2, 0.3)),
        (*_ellipsoid(np.full(3, 11.0), np.array([30.0, 20, 78]), 6, 8), "eyeball_left", (0.75, 0.35, 0.2, 0.3)),
        (*_ellipsoid(np.array([15.0, 5, 5]), np.array([0.0, -40, 70]), 4, 8), "teeth", (0.75, 0.7, 0.2, 0.3)),
    ]
    vertices, triangles, uv, uv_triangles, region = [], [], [], [], []
    vertex_count = uv_count = 0
    for k, (v, t, texture, tt, _, (left, bottom, width, height)) in enumerate(pieces):
        vertices.append(v)
        triangles.append(t + vertex_count)
        uv.append(texture * [width, height] + [left, bottom])
        uv_triangles.append(tt + uv_count)
        region.append(np.full(len(t), k))
        vertex_count, uv_count = vertex_count + len(v), uv_count + len(texture)
    mean = np.concatenate(vertices)
    skin = np.zeros(len(mean), dtype=bool)
    skin[: len(vertices[0])] = True
    teeth = np.arange(len(mean)) >= len(mean) - len(vertices[3])
    jaw = _bump(mean, [0, -60, 70], 30, [0, -14, -3]) * (skin | teeth)[:, None]
    expression = np.stack(
        [
            jaw,
            _bump(mean, [25, -40, 75], 12, [4, 5, -2]) * skin[:, None],
            _bump(mean, [-25, -40, 75], 12, [-4, 5, -2]) * skin[:, None],
            _bump(mean, [30, 25, 80], 8, [0, -8, 1]) * skin[:, None],
            _bump(mean, [0, 45, 80], 15, [0, 6, 0]) * skin[:, None],
            np.zeros_like(mean),
        ]
    )
    rng = np.random.default_rng(0)
    identity = np.stack([_bump(mean, rng.normal(size=3) * AXES, 40, rng.normal(size=3) * 2) for _ in range(4)])
    front = np.flatnonzero(skin & (mean[:, 2] > 40))
    landmarks = np.stack([rng.choice(front, 3, replace=False) for _ in range(68)])
    weights = rng.dirichlet(np.ones(3), 68)
    return FaceModel(
        name="ellipsoid",
        mean=mean,
        identity=identity,
        expression=expression,
        expression_names=EXPRESSIONS,
        albedo=np.full_like(mean, 0.5),
        triangles=np.concatenate(triangles),
        uv=np.concatenate(uv),
        uv_triangles=np.concatenate(uv_triangles),
        region=np.concatenate(region),
        region_names=tuple(piece[4] for piece in pieces),
        symmetric=np.arange(len(mean)),
        face_mask=skin,
        landmarks68=landmarks,
        landmarks68_weights=weights,
        contours=np.full((17, 1), -1),
        mesh_points=np.zeros((0, 3), dtype=int),
        mesh_points_weights=np.zeros((0, 3)),
        licence="Apache-2.0",
        credit="Made for the tests",
    )


def make_photo(model, identity, path, yaw, expression) -> PhotoResult:
    pixels = np.zeros((300, 400, 3), dtype=np.uint8)
    pixels[..., 0] = np.arange(400)[None, :] * 255 // 399
    pixels[..., 1] = np.arange(300)[:, None] * 255 // 299
    rotation = euler_to_rotmat(np.asarray(float(yaw)), np.asarray(4.0), np.asarray(-3.0))
    camera = PinholeCamera(700.0, np.array([199.5, 149.5]), rotation, np.array([5.0, -4.0, 800.0]))
    points = camera.project(model.landmarks(model.vertices(identity, expression)))
    centre, side = (points.min(0) + points.max(0)) / 2, np.ptp(points, axis=0).max()
    box = np.concatenate([centre - side / 2, centre + side / 2])
    landmarks = FaceLandmarks(points, np.ones(68), np.zeros((0, 2)), np.zeros(0), np.zeros(0, dtype=int), score=0.97)
    face = DetectedFace(box, np.zeros((5, 2)), score=0.99)
    light = np.linspace(2, -1, 27).reshape(9, 3)
    return PhotoResult(Photo(pixels, path), face, landmarks, camera, expression, 1.25, weight=0.875, light=light)


@pytest.fixture(scope="session")
def model() -> FaceModel:
    return make_model()


@pytest.fixture(scope="session")
def reconstruction(model) -> Reconstruction:
    rng = np.random.default_rng(1)
    identity = rng.normal(size=4)
    texture = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8).repeat(16, 0).repeat(16, 1)
    photos = (
        make_photo(model, identity, "photos/front.jpg", 5.0, np.array([0.5, 0, 0, 0, 0.25, 0])),
        make_photo(model, identity, 'photos/<script>alert(1)</script>&".jpg', -35.0, np.array([0, 1.0, 0.5, 0, 0, 0])),
        make_photo(model, identity, None, 0.0, np.zeros(6)),
    )
    return Reconstruction(
        model,
        identity,
        texture,
        photos,
        skipped=(SkippedPhoto("photos/<b>cat</b>.jpg", "no face was found"),),
        warnings=("photo 2 <i>differs</i> from the others and counts less",),
    )

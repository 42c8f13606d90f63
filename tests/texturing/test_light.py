"""The light of a photo, from pictures taken under a known one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from facefuse.geometry import PinholeCamera
from facefuse.morphable import load_model
from facefuse.morphable.model import FaceModel
from facefuse.rendering.draw import portrait_camera
from facefuse.rendering.interpolate import interpolate
from facefuse.rendering.maps import normal_map
from facefuse.rendering.rasterize import rasterize_camera
from facefuse.rendering.shading import linear_to_srgb, sh_shade
from facefuse.texturing.light import light_of_photo

FROM_THE_LEFT = np.zeros((9, 3))
FROM_THE_LEFT[0] = [1.9, 1.8, 1.6]
FROM_THE_LEFT[1] = 0.2  # y: from above
FROM_THE_LEFT[2] = 0.5  # z: from before the face
FROM_THE_LEFT[3] = [0.7, 0.6, 0.5]  # x: from the subject's left


@pytest.fixture(scope="module")
def model() -> FaceModel:
    return load_model("base")


def photograph(model: FaceModel, light: np.ndarray, yaw: float, size: int = 400) -> tuple[np.ndarray, PinholeCamera]:
    camera = portrait_camera(model.mean, size, yaw=yaw)
    seen = rasterize_camera(model.mean, model.triangles, camera, size, size)
    shade = np.clip(sh_shade(normal_map(seen, model.mean, model.triangles, camera) @ camera.rotation, light), 0, None)
    colour = interpolate(seen, model.albedo, model.triangles) * shade
    return np.rint(255 * linear_to_srgb(np.clip(colour, 0, 1))).astype(np.uint8), camera


@pytest.mark.parametrize("yaw", [0.0, 30.0, -60.0])
def test_known_light_is_recovered_on_the_face(model: FaceModel, yaw: float) -> None:
    picture, camera = photograph(model, FROM_THE_LEFT, yaw)
    found = light_of_photo(model, model.mean, camera, picture)
    again, _ = photograph(model, found, yaw)
    seen = rasterize_camera(model.mean, model.triangles, camera, 400, 400)
    face = seen.mask & np.append(model.face_mask[model.triangles].all(1), False)[seen.triangle]
    assert np.abs(again[face].astype(int) - picture[face]).mean() < 2.5
    left, right = np.array([[[-0.6, 0, -0.8]], [[0.6, 0, -0.8]]]) @ camera.rotation  # both are in sight
    ratio = sh_shade(left, found) / sh_shade(right, found)
    np.testing.assert_allclose(ratio, sh_shade(left, FROM_THE_LEFT) / sh_shade(right, FROM_THE_LEFT), rtol=0.2)


def test_light_is_relative_to_the_albedo_and_in_linear_colour(model: FaceModel) -> None:
    picture, camera = photograph(model, FROM_THE_LEFT, 0.0)
    full = light_of_photo(model, model.mean, camera, picture)
    dark = light_of_photo(model, model.mean, camera, picture, albedo=model.albedo / 2)
    np.testing.assert_allclose(dark, 2 * full, rtol=1e-6, atol=1e-9)


def test_hair_over_the_forehead_hardly_matters(model: FaceModel) -> None:
    picture, camera = photograph(model, FROM_THE_LEFT, 0.0)
    brows = camera.project(model.landmarks(model.mean))[17:27, 1].min()
    spoiled = picture.copy()
    spoiled[: int(brows)] = (30, 20, 15)
    normals = np.array([[0, 0, 1], [-0.6, 0, 0.8], [0.6, 0, 0.8], [0, 0.6, 0.8]])
    clean = sh_shade(normals, light_of_photo(model, model.mean, camera, picture))
    np.testing.assert_allclose(sh_shade(normals, light_of_photo(model, model.mean, camera, spoiled)), clean, rtol=0.1)


def test_without_a_face_in_sight_the_light_is_even(model: FaceModel) -> None:
    picture, camera = photograph(model, FROM_THE_LEFT, 0.0)
    even = np.ones((5, 3))
    normals = np.random.default_rng(0).normal(size=(5, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    from_behind, _ = photograph(model, FROM_THE_LEFT, 180.0)
    away = replace(camera, rotation=portrait_camera(model.mean, 400, yaw=180.0).rotation)
    aside = replace(camera, centre=np.array([5000.0, 200.0]))
    white = np.full_like(picture, 255)
    for view, pixels in ((away, from_behind), (aside, picture), (camera, white)):
        np.testing.assert_allclose(sh_shade(normals, light_of_photo(model, model.mean, view, pixels)), even, atol=1e-5)

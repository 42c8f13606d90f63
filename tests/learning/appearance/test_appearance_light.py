"""Light and shadows: closed forms on a sphere, known light recovered, shading gone."""

from __future__ import annotations

import numpy as np
import trimesh

from facefuse.geometry.cameras import PinholeCamera
from facefuse.learning.appearance.files import plain_model
from facefuse.learning.appearance.light import mean_shadows, own_light, sit, skin_colour, studio_light, unlit
from facefuse.learning.appearance.people import Person
from facefuse.learning.appearance.shadows import lit_from, open_transfer, shadow_transfer, sphere_directions
from facefuse.rendering.interpolate import interpolate
from facefuse.rendering.rasterize import rasterize_camera
from facefuse.rendering.shading import linear_to_srgb
from facefuse.texturing.parts import parts_of


def test_a_sphere_shades_itself_as_the_formula_says() -> None:
    ball = trimesh.creation.icosphere(2, 100.0)
    points, triangles = np.asarray(ball.vertices), np.asarray(ball.faces)
    found, wanted = shadow_transfer(points, triangles), open_transfer(points / 100)
    np.testing.assert_allclose(found, wanted, atol=0.02)


def test_directions_are_even() -> None:
    directions = sphere_directions(200)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1)
    np.testing.assert_allclose(directions.mean(0), 0, atol=0.01)
    np.testing.assert_allclose(directions.T @ directions / 200, np.eye(3) / 3, atol=0.01)


def test_a_small_ball_lies_in_the_shadow_of_a_large_one() -> None:
    large, small = trimesh.creation.icosphere(2, 50.0), trimesh.creation.icosphere(1, 10.0)
    small.apply_translation([0, -90, 0])
    points = np.concatenate([large.vertices, small.vertices])
    triangles = np.concatenate([large.faces, small.faces + len(large.vertices)])
    shaded = slice(len(large.vertices), None)
    assert lit_from(points, triangles, np.array([0.0, 1.0, 0.0]))[shaded].max() == 0
    assert lit_from(points, triangles, np.array([1.0, 0.0, 0.0]))[shaded].max() == 1


def test_a_known_light_is_found_and_taken_out() -> None:
    model = plain_model()
    triangles, mean = np.asarray(model.triangles), np.asarray(model.mean, float)
    camera = PinholeCamera(1500.0, np.array([119.5, 119.5]), np.diag([1.0, -1.0, -1.0]), np.array([0.0, 0.0, 1500.0]))
    shadows = mean_shadows(model)
    light = np.array([2.0, 0.6, 1.4, 0.5, 0.0, 0.2, 0.1, 0.0, -0.3, 0.2])
    sittings = []
    for tone in (0.5, 0.2, 0.1):
        person = Person("x", 30.0, "", "", np.zeros((240, 240, 3), np.uint8), mean, mean, camera, None)
        blank = sit(model, person, camera, shadows)
        even = np.tile(np.array([1.0, 0.7, 0.5]) * tone, (len(mean), 1))
        shade = np.clip(blank.transfer @ light, 0.05, None)[:, None]
        seen = rasterize_camera(mean, triangles, camera, 240, 240)
        picture = linear_to_srgb(np.clip(interpolate(seen, even * shade, triangles), 0, 1))
        photo = np.rint(255 * picture).astype(np.uint8)
        sittings.append(sit(model, Person("x", 30.0, "", "", photo, mean, mean, camera, None), camera, shadows))
    found = studio_light(sittings)
    some = sittings[0].weight > 0.3
    shade, truth = sittings[0].transfer[some] @ found, sittings[0].transfer[some] @ light
    assert np.std(np.log(shade / truth)) < 0.03 < 0.1 < np.std(np.log(truth))
    for sitting, tone in zip(sittings, (0.5, 0.2, 0.1), strict=True):
        ratio = skin_colour(sitting, found) / tone / np.array([1.0, 0.7, 0.5])
        np.testing.assert_allclose(ratio, ratio.mean(), rtol=0.05)
        assert np.isclose(ratio.mean(), (truth / shade).mean(), rtol=0.06)
    flat = unlit(model, sittings[0], own_light(sittings[0], found))
    at = np.rint(camera.project(mean[(sittings[0].weight > 0.8) & (parts_of(model).core > 0.9)])).astype(int)
    before, after = (pixels[at[:, 1], at[:, 0]].astype(float) for pixels in (sittings[0].person.pixels, flat))
    assert np.std(np.log(after), axis=0).max() < 0.5 * np.std(np.log(before), axis=0).min()

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from facefuse.geometry.mesh import vertex_normals
from facefuse.rendering.rasterize import rasterize_camera
from facefuse.texturing.background import (
    box_blur,
    far_from_border,
    hair_beyond,
    nearby,
    picture_area,
    spill_trust,
    widen,
)
from facefuse.texturing.parts import parts_of
from facefuse.texturing.skin import SKIN_FLOOR, colour_model

SKIN = colour_model(np.tile([0.7, 0.52, 0.45], (50, 1)), np.ones(50), SKIN_FLOOR)


def strip(inside: tuple[float, float, float]) -> np.ndarray:
    """Trust over 40 columns: 20 of blue background, then ``inside`` up to 10 mm from the outline, then skin."""
    colours = np.tile(np.array([0.7, 0.52, 0.45], np.float32), (10, 40, 1))
    colours[:, :20] = (0.2, 0.3, 0.7)
    colours[:, 20:24] = inside
    x = np.arange(40.0)[None] * np.ones((10, 1))
    outside = x < 20
    outside_mm, inside_mm = np.clip(20 - x, 0, None), np.clip(x - 19, 0, None)
    return spill_trust(colours, outside, outside_mm, inside_mm, np.ones((10, 40)), SKIN, (12.0, 8.0, 18.0))


def test_background_on_the_cheek_is_not_trusted_but_beard_and_skin_are() -> None:
    assert strip((0.2, 0.3, 0.7))[:, 20:24].max() < 0.05
    assert strip((0.15, 0.12, 0.1)).min() > 0.95  # unlike skin, but unlike the surroundings too
    assert strip((0.7, 0.52, 0.45)).min() > 0.95


def test_extremes_and_means_of_windows_are_those_of_scipy() -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    values = np.random.default_rng(0).uniform(size=(9, 7, 5)).astype(np.float32)
    for reach in (1, 2):
        wide = 2 * reach + 1
        np.testing.assert_array_equal(nearby(values, reach, np.maximum), ndimage.maximum_filter(values, wide))
        np.testing.assert_array_equal(nearby(values, reach, np.minimum), ndimage.minimum_filter(values, wide))
        mean = ndimage.uniform_filter(values, (wide, wide, 1), mode="nearest")
        np.testing.assert_allclose(box_blur(values, reach), mean, atol=1e-6)


def test_untrusted_places_are_widened_softly() -> None:
    trust = np.ones((21, 21), np.float32)
    trust[10, 10] = 0
    wide = widen(trust, 2.0)
    assert wide[10, 12] < 0.5
    assert 0 < wide[10, 13] < 1
    assert wide[10, 17] == 1


def test_letterboxes_are_cut_off_and_backdrops_are_not() -> None:
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)
    assert picture_area(photo) == (slice(0, 60), slice(0, 80))
    boxed = np.full((100, 90, 3), 2, np.uint8)
    boxed[20:80, 10:90] = photo
    rows, columns = picture_area(boxed)
    assert (20 <= rows.start <= 24, 76 <= rows.stop <= 80) == (True, True)
    assert (10 <= columns.start <= 14, columns.stop) == (True, 90)
    backdrop = np.full((100, 90, 3), 230, np.uint8)
    backdrop[30:, 30:60] = photo[:, :30].repeat(2, 0)[:70]  # a head and a body before a plain backdrop
    assert picture_area(backdrop) == (slice(0, 100), slice(0, 90))
    assert picture_area(np.zeros((8, 8, 3), np.uint8)) == (slice(0, 8), slice(0, 8))


def test_border_colours_are_background() -> None:
    photo = np.full((60, 60, 3), 200, np.uint8)
    photo[20:40, 20:40] = (40, 30, 20)
    far = far_from_border(np.array([[200, 200, 200], [40, 30, 20]]) / 255.0, photo)
    np.testing.assert_array_equal(far, [False, True])


def test_hair_that_stands_off_the_scalp_is_found_and_a_bald_head_has_none(sitter) -> None:
    model, parts = sitter.model, parts_of(sitter.model)
    photo, camera = sitter.photograph(0.0)
    normals = vertex_normals(model.mean.astype(float), model.triangles)
    grown = model.mean + 25 * parts.scalp[:, None] * normals
    hair = rasterize_camera(grown, model.triangles, camera, 320, 320).mask
    head = rasterize_camera(model.mean, model.triangles, camera, 320, 320)
    haired = photo.copy()
    haired[hair & ~head.mask] = (60, 40, 20)
    shell = model.mean + 12 * normals
    arguments = (head.triangle, np.zeros(2, int), 1.0, parts, SKIN)
    found = hair_beyond(shell, camera, haired, *arguments)
    assert len(found) > 20
    np.testing.assert_allclose(np.median(found, axis=0) * 255, (60, 40, 20), atol=3)
    assert len(hair_beyond(shell, camera, photo, *arguments)) == 0
    away = replace(camera, centre=camera.centre + 9000.0)
    assert len(hair_beyond(shell, away, haired, *arguments)) == 0

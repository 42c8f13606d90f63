"""Baking renders of a known texture gives that texture back, and never shows what is not the head."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from facefuse.rendering.draw import portrait_camera
from facefuse.rendering.rasterize import rasterize_camera
from facefuse.rendering.shading import linear_to_srgb, srgb_to_linear
from facefuse.texturing import bake_texture
from facefuse.texturing.atlas import atlas_of
from facefuse.texturing.bake import fill_empty

SIZE = 256


def texels_of(sitter, *regions: str) -> np.ndarray:
    atlas = atlas_of(sitter.model, SIZE)
    mask = np.zeros((SIZE, SIZE), bool)
    mask.reshape(-1)[atlas.texel[sitter.model.region_mask(*regions)[atlas.triangle]]] = True
    return mask


def texels_where(sitter, condition: np.ndarray) -> np.ndarray:
    atlas = atlas_of(sitter.model, SIZE)
    mask = np.zeros((SIZE, SIZE), bool)
    mask.reshape(-1)[atlas.texel[condition[sitter.model.triangles].all(1)[atlas.triangle]]] = True
    return mask


def bake(sitter, yaws, photos=None, photo_size=320, **options) -> np.ndarray:
    shots = [sitter.photograph(yaw, photo_size) for yaw in yaws]
    pictures = [shot[0] for shot in shots] if photos is None else photos
    return bake_texture(
        sitter.model, [sitter.model.mean] * len(yaws), [shot[1] for shot in shots], pictures, SIZE, **options
    )


def difference(baked: np.ndarray, sitter, mask: np.ndarray) -> np.ndarray:
    return np.abs(baked[mask].astype(float) - sitter.texture[mask])


def test_frontal_photo_gives_the_texture_of_the_front_back(sitter) -> None:
    baked = bake(sitter, [0.0], photo_size=560)
    front = texels_where(sitter, sitter.model.face_mask & (np.abs(sitter.model.mean[:, 0]) < 30)) & texels_of(
        sitter, "face", "forehead"
    )
    assert front.sum() > 2000
    assert np.median(difference(baked, sitter, front)) < 4
    # the fine pattern is there, not only its mean
    inner = baked[front].astype(float).mean(1)
    assert np.corrcoef(inner, sitter.texture[front].astype(float).mean(1))[0, 1] > 0.9


def test_three_photos_cover_the_ears_too(sitter) -> None:
    baked = bake(sitter, [0.0, 70.0, -70.0])
    side = texels_of(sitter, "face", "ear_left", "ear_right")
    assert np.median(difference(baked, sitter, side)) < 6


def test_different_exposures_leave_no_seam(sitter) -> None:
    yaws = [-50.0, 0.0, 50.0]
    photos = [sitter.photograph(yaw)[0] for yaw in yaws]
    gains = ([0.6, 0.65, 0.7], [1.0, 1.0, 1.0], [1.3, 1.2, 1.1])
    exposed = [
        np.rint(linear_to_srgb(np.clip(srgb_to_linear(photo / 255.0) * gain, 0, 1)) * 255).astype(np.uint8)
        for photo, gain in zip(photos, gains, strict=True)
    ]
    even, uneven = bake(sitter, yaws), bake(sitter, yaws, exposed)
    face = texels_where(sitter, sitter.model.face_mask) & texels_of(sitter, "face", "forehead", "nose")
    ratio = (uneven[face].astype(float) + 8) / (even[face] + 8.0)
    # one overall exposure is free; what varies over the face would be a seam
    assert np.percentile(ratio.mean(1), 95) / np.percentile(ratio.mean(1), 5) < 1.12


@pytest.mark.parametrize("yaw", [0.0, 40.0, -85.0])
def test_no_background_leaks_in(sitter, yaw: float) -> None:
    photo, camera = sitter.photograph(yaw)
    # paint everything outside the head green; the mesh is then shifted by 1.5 px against it, as an imperfect fit is
    outside = ~rasterize_camera(sitter.model.mean, sitter.model.triangles, camera, 320, 320).mask
    green = photo.copy()
    green[outside] = (0, 255, 0)
    moved = replace(camera, centre=camera.centre + np.array([1.5, 0.5]))
    baked = bake_texture(sitter.model, [sitter.model.mean], [moved], [green], SIZE).astype(int)
    greenness = baked[..., 1] - baked[..., [0, 2]].max(-1)
    assert greenness.max() < 30


def test_profile_photo_lends_its_side_to_the_other(sitter) -> None:
    baked = bake(sitter, [-80.0])
    left = texels_where(sitter, sitter.model.mean[:, 0] > 25) & texels_of(sitter, "face")
    right = texels_where(sitter, sitter.model.mean[:, 0] < -25) & texels_of(sitter, "face")
    seen, unseen = difference(baked, sitter, left), difference(baked, sitter, right)
    assert min(np.median(seen), np.median(unseen)) < 5
    # the pattern on the unseen side is not symmetric, but its colour is right
    assert max(np.median(seen), np.median(unseen)) < 16


def test_photos_of_a_darker_person_make_a_darker_head_everywhere(sitter) -> None:
    photo, camera = sitter.photograph(0.0)
    dark = np.rint(photo * np.array([0.5, 0.45, 0.42])).astype(np.uint8)
    baked = bake_texture(sitter.model, [sitter.model.mean], [camera], [dark], SIZE)
    for region in ("face", "neck", "ear_left", "ear_right"):
        mask = texels_of(sitter, region)
        expected = sitter.texture[mask].astype(float).mean(0) * [0.5, 0.45, 0.42]
        np.testing.assert_allclose(baked[mask].astype(float).mean(0), expected, rtol=0.2)


def test_a_photo_without_weight_does_not_count(sitter) -> None:
    photo, camera = sitter.photograph(0.0)
    wrong = 255 - photo
    arguments = (sitter.model, [sitter.model.mean] * 2, [camera] * 2, [photo, wrong], SIZE)
    baked = bake_texture(*arguments, weights=[1.0, 0.0])
    face = texels_where(sitter, sitter.model.face_mask) & texels_of(sitter, "face", "forehead")
    assert np.median(difference(baked, sitter, face)) < 6


def test_same_input_same_bytes_whatever_the_threads_do(sitter) -> None:
    first, second = bake(sitter, [0.0, 40.0]), bake(sitter, [0.0, 40.0])
    np.testing.assert_array_equal(first, second)


def test_head_outside_the_picture_gives_the_models_own_colours(sitter) -> None:
    photo, camera = sitter.photograph(0.0)
    away = replace(camera, centre=camera.centre + 5000.0)
    baked = bake_texture(sitter.model, [sitter.model.mean], [away], [photo], 128)
    skin = linear_to_srgb(np.clip(sitter.model.albedo[sitter.model.face_mask].astype(float), 0, 1)).mean(0) * 255
    assert np.abs(np.median(baked.reshape(-1, 3), axis=0) - skin).max() < 25


def test_grey_tiny_and_partly_cut_photos_are_fine(sitter) -> None:
    camera = portrait_camera(sitter.model.mean, 40)
    grey = np.full((40, 40, 3), 120, np.uint8)
    assert bake_texture(sitter.model, [sitter.model.mean], [camera], [grey], 64).shape == (64, 64, 3)
    photo, camera = sitter.photograph(0.0)
    assert bake_texture(sitter.model, [sitter.model.mean], [camera], [photo[:180]], 64).shape == (64, 64, 3)


def test_wrong_calls_are_refused(sitter) -> None:
    photo, camera = sitter.photograph(0.0)
    with pytest.raises(ValueError, match="as many"):
        bake_texture(sitter.model, [sitter.model.mean], [camera] * 2, [photo])
    with pytest.raises(ValueError, match="size"):
        bake_texture(sitter.model, [sitter.model.mean], [camera], [photo], size=10)


def test_empty_texels_continue_their_neighbours() -> None:
    picture = np.zeros((37, 50, 3), np.float32)
    known = np.zeros((37, 50), bool)
    known[5:9, 4:9], known[20:30, 30:44] = True, True
    picture[5:9, 4:9], picture[20:30, 30:44] = (1, 0, 0), (0, 0, 1)
    before = picture[known].copy()
    fill_empty(picture, known)
    np.testing.assert_array_equal(picture[known], before)
    assert picture[4, 5, 0] > 0.9
    assert picture[31, 35, 2] > 0.9
    np.testing.assert_allclose(picture.sum(-1), 1, atol=1e-5)

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from facefuse.rendering.draw import draw_head, portrait_camera
from facefuse.texturing import bake_texture
from facefuse.texturing.atlas import atlas_of

SIZE = 256


@pytest.mark.parametrize("iris", [(60, 100, 170), (90, 55, 30)])
def test_the_photographed_iris_colour_is_painted(sitter, iris) -> None:
    model = sitter.model
    atlas = atlas_of(model, SIZE)
    eyes = model.region_mask("iris_left", "iris_right")[atlas.triangle]
    texture = sitter.texture.copy()
    texture.reshape(-1, 3)[atlas.texel[eyes]] = iris
    camera = portrait_camera(model.mean[model.face_mask], 600)
    photo = draw_head(
        model.mean,
        model.triangles,
        camera,
        (600, 600),
        texture=texture,
        uv=model.uv,
        uv_triangles=model.uv_triangles,
    )
    baked = bake_texture(model, [model.mean], [camera], [photo], SIZE).reshape(-1, 3)[atlas.texel[eyes]].astype(float)
    colour = np.median(baked, axis=0)
    assert np.argmax(colour) == np.argmax(iris)
    assert np.argmin(colour) == np.argmin(iris)


@pytest.mark.parametrize("divide", [1, 3, 12])
def test_sclera_is_lighter_than_skin_and_pupil_dark_but_eyes_do_not_glow(sitter, divide: int) -> None:
    model = sitter.model
    atlas = atlas_of(model, SIZE)
    photo, camera = sitter.photograph(0.0)
    arguments = (model, [model.mean], [camera], [photo // divide], SIZE)
    baked = bake_texture(*arguments).reshape(-1, 3)[atlas.texel].astype(float)
    part = {name: np.median(baked[model.region_mask(name)[atlas.triangle]]) for name in model.region_names}
    assert part["face"] < part["sclera_left"] < 90 + 1.6 * part["face"]
    assert part["pupil_left"] < 0.7 * part["sclera_left"]
    assert part["pupil_left"] < 60


def test_models_without_eyes_are_left_alone(sitter) -> None:
    names = tuple(name.replace("sclera", "white") for name in sitter.model.region_names)
    blind = replace(sitter.model, region_names=names, _flat={})
    photo, camera = sitter.photograph(0.0)
    assert bake_texture(blind, [blind.mean], [camera], [photo], 64).shape == (64, 64, 3)

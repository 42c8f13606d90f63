from __future__ import annotations

from dataclasses import replace

import numpy as np

from facefuse.texturing.parts import parts_of
from facefuse.texturing.views import see


def test_only_the_near_side_is_trusted_and_its_colours_are_right(sitter) -> None:
    model = sitter.model
    photo, camera = sitter.photograph(60.0)  # the face points to image right: its right side is seen
    view = see(model, parts_of(model), model.mean, camera, photo, 0.5)
    x = model.mean[:, 0]
    right, left = parts_of(model).skin * (x < -50), parts_of(model).skin * (x > 50)
    assert view.weight[right > 0].mean() > 10 * view.weight[left > 0].mean()
    inner = np.unique(model.triangles[model.region_mask("eye_socket", "mouth_interior", "upper_teeth")])
    rim = parts_of(model).skin[inner] > 0
    assert view.weight[inner[~rim]].max() == 0
    trusted = view.weight > 0.8
    expected = np.clip(model.albedo[trusted].astype(float), 0, 1) ** (1 / 2.2)
    assert np.abs(view.colour[trusted] - expected).mean() < 0.06


def test_nose_hides_the_cheek_behind_it(sitter) -> None:
    model = sitter.model
    photo, camera = sitter.photograph(45.0)
    view = see(model, parts_of(model), model.mean, camera, photo, 0.5)
    towards = camera.position() - model.mean
    nose = np.unique(model.triangles[model.region_mask("nose")])
    cheek = np.unique(model.triangles[model.region_mask("face")])
    tip = model.mean[nose[model.mean[nose, 2].argmax()]]
    # cheek points whose line to the camera passes within 3 mm of the nose's tip
    line = towards[cheek] / np.linalg.norm(towards[cheek], axis=1, keepdims=True)
    offset = tip - model.mean[cheek]
    miss = np.linalg.norm(offset - (offset * line).sum(1, keepdims=True) * line, axis=1)
    behind = cheek[(miss < 3) & ((offset * line).sum(1) > 5)]
    if len(behind):
        assert view.weight[behind].max() < 0.2


def test_head_outside_the_picture_is_not_seen(sitter) -> None:
    model = sitter.model
    photo, camera = sitter.photograph(0.0)
    away = replace(camera, centre=camera.centre - 4000.0)
    assert see(model, parts_of(model), model.mean, away, photo, 0.5) is None


def test_fine_photos_are_reduced_to_the_texels(sitter) -> None:
    model = sitter.model
    photo, camera = sitter.photograph(0.0)
    fine = see(model, parts_of(model), model.mean, camera, photo, 0.3)
    coarse = see(model, parts_of(model), model.mean, camera, photo, 6.0)
    assert fine.photo_scale == 1
    assert coarse.photo_scale <= 0.25
    assert coarse.photo.shape[0] < fine.photo.shape[0] / 3

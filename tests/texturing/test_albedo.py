"""The person's albedo from what is seen: known truth recovered under unknown light."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from facefuse.geometry.mesh import vertex_normals
from facefuse.morphable.registry import load_model
from facefuse.rendering.shading import sh_basis
from facefuse.texturing.albedo import personal_albedo
from facefuse.texturing.parts import parts_of


@pytest.fixture(scope="module")
def setting():
    model = load_model("base")
    parts = parts_of(model)
    normals = vertex_normals(np.asarray(model.mean, float), model.triangles)
    light = np.exp(0.25 * (sh_basis(normals)[:, 3] + 0.7 * sh_basis(normals)[:, 1]))[:, None] * [0.8, 0.7, 0.6]
    return model, parts, normals, light


def away(found: np.ndarray, truth: np.ndarray, where: np.ndarray) -> float:
    """Spread of the log ratio: a common factor of each channel is exposure and tint."""
    ratio = np.log(found[where] / truth[where])
    return float(np.sqrt(np.mean((ratio - np.median(ratio, axis=0)) ** 2)))


def test_the_unseen_side_follows_the_person_not_the_mean(setting) -> None:
    model, parts, normals, light = setting
    rng = np.random.default_rng(3)
    seen = np.clip(normals @ [-0.6, 0.0, 0.8], 0, 1) * parts.skin
    unseen = (normals @ [-0.6, 0.0, 0.8] < 0) & np.asarray(model.face_mask) & (parts.scalp < 0.5)
    gains = []
    for _ in range(4):
        truth = np.asarray(model.colours(rng.standard_normal(model.albedo_count)), float)
        found = personal_albedo(model, parts, truth * light, seen)
        gains.append(away(found, truth, unseen) / away(np.asarray(model.albedo, float), truth, unseen))
    assert np.mean(gains) < 0.75


def test_hands_and_glints_do_not_count(setting) -> None:
    model, parts, normals, light = setting
    truth = np.asarray(model.colours(np.eye(model.albedo_count)[2] * 2), float)
    seen = np.clip(normals[:, 2], 0, 1) * parts.skin
    clean = personal_albedo(model, parts, truth * light, seen)
    spoiled = truth * light
    spoiled[np.asarray(model.mean)[:, 1] < -85] = [0.9, 0.9, 0.9]
    face = np.asarray(model.face_mask)
    assert away(personal_albedo(model, parts, spoiled, seen), clean, face) < 0.5 * away(truth, model.albedo, face)


def test_without_statistics_or_without_sight_it_is_the_model_with_a_bare_scalp(setting) -> None:
    model, parts, _, light = setting
    colour = np.asarray(model.albedo, float) * light
    plain = replace(model, albedo_modes=None, _flat={})
    for found in (
        personal_albedo(plain, parts, colour, parts.skin),
        personal_albedo(model, parts, colour, np.zeros(len(colour))),
    ):
        np.testing.assert_allclose(found[parts.scalp == 0], model.albedo[parts.scalp == 0], rtol=1e-5)
        assert np.ptp(found[parts.scalp == 1], axis=0).max() < 1e-6

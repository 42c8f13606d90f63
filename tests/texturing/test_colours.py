from __future__ import annotations

import numpy as np

from facefuse.rendering.shading import linear_to_srgb, srgb_to_linear
from facefuse.texturing.colours import (
    balance_sides,
    exposure_gains,
    from_log,
    match_gain,
    surface_colours,
    to_log,
    tone_curve,
)
from facefuse.texturing.parts import parts_of
from facefuse.texturing.surface import surface_filter_of


def test_log_round_trip() -> None:
    colours = np.linspace(0, 1, 30).reshape(10, 3)
    np.testing.assert_allclose(from_log(to_log(colours)), colours, atol=1e-12)


def test_exposure_gains_undo_known_exposures() -> None:
    rng = np.random.default_rng(0)
    linear = rng.uniform(0.1, 0.5, (900, 3))
    exposure = np.array([[1.0, 1, 1], [0.6, 0.7, 0.9], [1.4, 1.3, 1.1]])
    seen = [slice(0, 500), slice(300, 800), slice(600, 900)]  # the first and the last never overlap
    weights = []
    colours = []
    for factor, span in zip(exposure, seen, strict=True):
        weight = np.zeros(900)
        weight[span] = 1
        weights.append(weight)
        noisy = linear * factor
        noisy[rng.random(900) < 0.1] = 0.9  # highlights
        colours.append(linear_to_srgb(np.clip(noisy, 0, 1)))
    gains = exposure_gains(colours, weights)
    relative = gains * exposure
    np.testing.assert_allclose(relative / relative[0], 1, atol=0.06)


def test_photos_without_overlap_keep_their_exposure() -> None:
    weights = [np.repeat([1.0, 0], 100), np.repeat([0.0, 1], 100)]
    gains = exposure_gains([np.full((200, 3), 0.3), np.full((200, 3), 0.7)], weights)
    np.testing.assert_allclose(gains, 1, atol=1e-6)


def test_tone_curve_is_a_gain_in_linear_light() -> None:
    curve = tone_curve(np.array([0.5, 1.0, 2.0]))
    half = srgb_to_linear(np.array(128 / 255))
    np.testing.assert_allclose(srgb_to_linear(curve[128].astype(float)), half * np.array([0.5, 1, 2]), rtol=1e-4)


def test_without_photos_the_albedo_is_the_colour(sitter) -> None:
    model = sitter.model
    got, hairy = surface_colours(
        model, parts_of(model), surface_filter_of(model), [], [], parts_of(model).maybe_hair, None, None
    )
    assert hairy.max() == 0
    np.testing.assert_allclose(from_log(got), linear_to_srgb(np.clip(model.albedo.astype(float), 0, 1)), atol=1e-6)


def test_unseen_skin_takes_the_tint_of_seen_skin(sitter) -> None:
    model = sitter.model
    parts, smoother = parts_of(model), surface_filter_of(model)
    albedo = linear_to_srgb(np.clip(model.albedo.astype(float), 0, 1))
    dark = from_log(to_log(albedo) + np.log([0.5, 0.45, 0.4]))
    seen = parts.skin * (model.mean[:, 2] > 10)
    got = from_log(surface_colours(model, parts, smoother, [dark], [seen], parts.maybe_hair, None, None)[0])
    neck = np.unique(model.triangles[model.region_mask("neck")])
    np.testing.assert_allclose(got[neck].mean(0), dark[neck].mean(0), rtol=0.12)


def test_balance_halves_the_smooth_difference_of_the_sides(sitter) -> None:
    model = sitter.model
    smoother = surface_filter_of(model)
    tilt = 0.3 * np.tanh(model.mean[:, :1].astype(float) / 40) * np.ones(3)
    trust = model.face_mask.astype(float)
    got = balance_sides(model, smoother, tilt, trust)
    cheek = model.face_mask & (np.abs(model.mean[:, 0]) > 30)
    ratio = np.abs(got[cheek]).mean() / np.abs(tilt[cheek]).mean()
    assert 0.4 < ratio < 0.7
    even = np.full_like(tilt, 0.2)
    np.testing.assert_allclose(balance_sides(model, smoother, even, trust), even, atol=1e-9)


def test_matching_a_photo_to_the_target_and_refusing_what_is_too_far(sitter) -> None:
    model = sitter.model
    smoother = surface_filter_of(model)
    colour = np.full((model.vertex_count, 3), 0.4)
    seen = np.ones(model.vertex_count)
    gain, fitness = match_gain(smoother, to_log(colour) + 0.2, colour, seen)
    np.testing.assert_allclose(gain, np.exp(0.2), rtol=0.01)
    np.testing.assert_allclose(fitness, 1)
    _, fitness = match_gain(smoother, to_log(colour) + 1.5, colour, seen)
    np.testing.assert_allclose(fitness, 0, atol=1e-9)

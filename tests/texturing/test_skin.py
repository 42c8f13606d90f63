from __future__ import annotations

import numpy as np
import pytest

from facefuse.texturing import kernels
from facefuse.texturing.skin import (
    HAIR_FLOOR,
    NO_COLOUR,
    SKIN_FLOOR,
    colour_model,
    could_be_hair,
    model_of,
    smoothstep,
    weighted_median,
)


def test_colour_model_ignores_a_minority_of_other_colours() -> None:
    rng = np.random.default_rng(0)
    skin = np.array([0.7, 0.55, 0.48]) + rng.normal(0, 0.03, (800, 1)) + rng.normal(0, 0.01, (800, 3))
    beard = np.array([0.2, 0.15, 0.12]) + rng.normal(0, 0.02, (250, 3))
    model = colour_model(np.concatenate((skin, beard)), np.ones(1050), SKIN_FLOOR)
    np.testing.assert_allclose(model.colour, [0.7, 0.55, 0.48], atol=0.02)
    assert np.median(model.distance(skin)) < 1.5
    assert model.distance(beard).min() > 4


def test_darker_skin_of_the_same_hue_is_nearer_than_blue() -> None:
    skin = np.array([0.7, 0.55, 0.48]) * np.linspace(0.8, 1.05, 300)[:, None]
    model = colour_model(skin, np.ones(300), SKIN_FLOOR)
    shaded, blue = np.array([0.56, 0.44, 0.384]), np.array([0.4, 0.55, 0.75])
    assert model.distance(shaded) < model.distance(blue)


def test_trust_by_colour_and_role() -> None:
    skin = colour_model(np.tile([0.7, 0.52, 0.45], (50, 1)), np.ones(50), SKIN_FLOOR)
    hair = colour_model(np.tile([0.2, 0.15, 0.12], (50, 1)), np.ones(50), HAIR_FLOOR)
    names = ("skin", "white", "hair", "green")
    colours = np.array([[[0.7, 0.52, 0.45], [0.8, 0.79, 0.78], [0.2, 0.15, 0.12], [0.1, 0.9, 0.1]]], np.float32)

    def trust(strict: float, maybe_hair: float, lid: float, hairy: bool = True) -> dict[str, float]:
        roles = np.tile(np.array([strict, maybe_hair, lid], np.float32), (1, 4, 1))
        out = np.ones((1, 4), np.float32)
        kernels.trust_colours(
            colours,
            roles,
            np.zeros((1, 4), np.int32),
            *skin.affine,
            *(hair.affine if hairy else NO_COLOUR),
            skin.redness,
            out,
            out,
        )
        return dict(zip(names, out[0], strict=True))

    cheek, neck, scalp, lid = trust(0, 0, 0), trust(1, 0, 0), trust(1, 1, 0), trust(0, 0, 1)
    assert cheek["skin"] == neck["skin"] == scalp["skin"] == lid["skin"] == 1
    assert cheek["hair"] == 1  # a brow or a beard
    assert neck["hair"] < 0.01
    assert scalp["hair"] == 1
    assert trust(1, 1, 0, hairy=False)["hair"] < 0.01
    assert lid["white"] < 0.1
    assert max(cheek["green"], neck["green"], lid["green"], scalp["green"]) < 0.01


def test_too_few_colours_make_no_model() -> None:
    assert model_of(np.ones((5, 3)), np.ones(5), HAIR_FLOOR, least=6) is None
    assert model_of(np.ones((7, 3)), np.ones(7), HAIR_FLOOR, least=6) is not None


def test_weighted_median_and_smoothstep() -> None:
    assert weighted_median(np.array([3.0, 1, 2]), np.array([1.0, 1, 5])) == 2
    np.testing.assert_allclose(smoothstep(1, 3, np.array([0.0, 2, 4])), [0, 0.5, 1])
    assert weighted_median(np.array([4.0]), np.array([0.1])) == pytest.approx(4)


@pytest.mark.parametrize(
    ("colour", "natural"),
    [
        ((0.08, 0.07, 0.07), True),
        ((0.10, 0.11, 0.14), True),  # black hair in cool light
        ((0.35, 0.22, 0.14), True),
        ((0.62, 0.34, 0.18), True),  # ginger
        ((0.85, 0.75, 0.55), True),
        ((0.70, 0.70, 0.72), True),
        ((0.15, 0.30, 0.70), False),
        ((0.20, 0.55, 0.25), False),
        ((0.75, 0.10, 0.12), False),
    ],
)
def test_hats_and_cloths_are_no_hair(colour: tuple[float, float, float], natural: bool) -> None:
    assert could_be_hair(np.array(colour)) is natural

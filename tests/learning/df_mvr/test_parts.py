import numpy as np
import pytest

from facefuse.learning.df_mvr.parts import PARTS, SWAPPED, from_celebamask, mirrored, part_table, photometric_weights
from facefuse.morphable.registry import load_model


def test_every_part_is_on_the_base_model_and_its_skull_is_background():
    model = load_model()
    table = part_table(model.region_names)
    assert set(table) == set(range(len(PARTS)))
    of = dict(zip(model.region_names, (PARTS[k] for k in table), strict=True))
    assert of["iris_left"] == "eye_left"
    assert of["eyelid_right"] == "skin"
    assert of["neck"] == of["scalp"] == of["ear_left"] == "background"


def test_weights_by_hand():
    labels = np.zeros((40, 40), np.uint8)
    labels[5:35, 5:35] = 1
    labels[20, 20] = PARTS.index("nose")
    weights = photometric_weights(labels)
    assert weights[0, 0] == 32
    assert weights[10, 10] == 128
    assert weights[20, 20] == weights[17, 22] == 254
    assert (weights == 254).sum() == 100
    labels[20, 20], labels[34, 34] = 1, PARTS.index("nose")
    assert (photometric_weights(labels)[35:] == 32).all()  # a rim is skin; it does not reach into the background


def test_mirroring_twice_changes_nothing_and_once_exchanges_the_sides():
    labels = np.random.default_rng(0).integers(0, 10, (2, 6, 8)).astype(np.uint8)
    np.testing.assert_array_equal(mirrored(mirrored(labels)), labels)
    eye = np.zeros((2, 4), np.uint8)
    eye[0, 0] = PARTS.index("eye_right")
    assert mirrored(eye)[0, 3] == PARTS.index("eye_left")
    assert all(PARTS[SWAPPED[k]] == swap_words(name) for k, name in enumerate(PARTS))


def swap_words(name):
    return name.replace("left", "?").replace("right", "left").replace("?", "right")


def test_celebamask_labels():
    assert from_celebamask(np.array([[0, 1, 10], [13, 17, 4]])).tolist() == [[0, 1, 6], [9, 0, 4]]
    with pytest.raises(ValueError, match="0 to 18"):
        from_celebamask(np.array([19]))

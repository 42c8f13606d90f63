from __future__ import annotations

import numpy as np
import pytest

from facefuse.detection.crop import Square
from facefuse.detection.parts import OCCLUDER, PARTS, FaceParts

SIZE = 48


def smooth_parts(square: Square) -> FaceParts:
    """Skin left of a slanted line, nose right of it; an occluder far below."""
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    probability = np.zeros((len(PARTS), SIZE, SIZE), np.float32)
    share = np.clip((x + 0.5 * y - 34.3) * 0.25 + 0.5, 0, 1)
    low = np.clip((y - 40.0) * 0.5, 0, 1)
    probability[1], probability[6], probability[OCCLUDER] = (1 - share) * (1 - low), share * (1 - low), low
    return FaceParts(probability, square)


def test_labels_and_face():
    parts = smooth_parts(Square(np.array([24.0, 24.0]), 48.0))
    assert set(np.unique(parts.labels)) == {1, 6, OCCLUDER}
    np.testing.assert_allclose(parts.face, 1 - parts.probability[OCCLUDER], atol=1e-6)


def test_map_to_the_crop():
    parts = smooth_parts(Square(np.array([70.0, 55.0]), 60.0, 0.7))
    points = np.random.default_rng(0).uniform(0, 100, (20, 2))
    linear = parts.to_crop
    np.testing.assert_allclose(points @ linear[:, :2].T + linear[:, 2], parts.square.to_crop(points, SIZE), atol=1e-9)


def test_outer_skin_is_neither_eyes_nor_what_is_between_the_lips():
    for label, name in enumerate(PARTS):
        probability = np.zeros((len(PARTS), 4, 4), np.float32)
        probability[label] = 1
        skin = FaceParts(probability, Square(np.zeros(2), 4.0)).skin
        inside = name in ("background", "eye_right", "eye_left", "mouth", "occluder")
        assert (skin == (0 if inside else 1)).all(), name


@pytest.mark.parametrize("roll", [0.0, 0.4, -2.0])
def test_labels_in_the_photo_follow_the_square(roll):
    square = Square(np.array([70.0, 55.0]), 60.0, roll)
    labels = smooth_parts(square).labels_in(120, 150)
    assert labels.shape == (120, 150)
    y, x = np.mgrid[:120, :150]
    at = square.to_crop(np.stack([x, y], axis=-1).astype(float), SIZE)
    outside = (at < -0.6).any(axis=-1) | (at > SIZE - 0.4).any(axis=-1)
    assert (labels[outside] == 0).all()
    inside = (at > 0).all(axis=-1) & (at < SIZE - 1).all(axis=-1) & (at[..., 1] < 40)
    line = at[..., 0] + 0.5 * at[..., 1] - 34.3
    # the line is found to a fraction of a crop pixel
    assert (labels[inside & (line < -0.2)] == 1).all()
    assert (labels[inside & (line > 0.2)] == 6).all()


def test_square_beyond_the_photo():
    assert smooth_parts(Square(np.array([-200.0, 10.0]), 60.0)).labels_in(40, 50).max() == 0
    assert smooth_parts(Square(np.array([0.0, 0.0]), 60.0, 0.3)).labels_in(40, 50)[5, 5] > 0


def test_view_of_a_photo():
    """A view enlarged about a corner shows the same part at the same place."""
    parts = smooth_parts(Square(np.array([70.0, 55.0]), 60.0, 0.4))
    whole = parts.labels_in(120, 150)
    view = parts.viewed((40, 30), 3.0).labels_in(180, 240)
    assert (view[1::3, 1::3] == whole[30:90, 40:120]).mean() > 0.999

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("onnx")

from colour_networks import class_colours, upright_points, write_parser

from facefuse.detection.crop import Square
from facefuse.detection.parsing import OCCLUDER, PARTS, FaceParts, ParserNetwork
from facefuse.errors import AssetError, UsageError

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


@pytest.fixture
def network(tmp_path):
    write_parser(tmp_path / "parser.onnx", SIZE, ",".join(PARTS))
    return ParserNetwork(tmp_path / "parser.onnx", threads=1)


@pytest.mark.parametrize("roll", [0.0, 0.5])
def test_painted_parts_are_found_where_they_are(network, roll):
    colours = class_colours(len(PARTS)).astype(np.uint8)
    photo = np.empty((160, 200, 3), np.uint8)
    photo[:] = colours[0]
    photo[60:110, 70:130] = colours[1]
    photo[80:90, 95:105] = colours[6]
    points = upright_points((100.0, 85.0), 60.0)
    turn = np.array([[math.cos(roll), -math.sin(roll)], [math.sin(roll), math.cos(roll)]])
    parts = network.parse(photo, (points - (100, 85)) @ turn.T + (100, 85))
    assert parts.square.roll == pytest.approx(roll, abs=1e-6)
    found = parts.labels_in(160, 200)
    truth = np.zeros((160, 200), np.uint8)
    truth[60:110, 70:130] = 1
    truth[80:90, 95:105] = 6
    seen = np.zeros_like(truth, dtype=bool)
    seen[48:122, 63:137] = True  # within the crop whatever its turn
    assert (found == truth)[seen].mean() > 0.93
    assert found[85, 100] == 6
    assert found[70, 80] == 1


def test_landmarks_without_extent(network):
    with pytest.raises(UsageError):
        network.parse(np.zeros((50, 50, 3), np.uint8), np.full((68, 2), 20.0))


def test_other_networks_are_refused(tmp_path):
    write_parser(tmp_path / "plain.onnx", SIZE, None)
    with pytest.raises(AssetError, match="crop size"):
        ParserNetwork(tmp_path / "plain.onnx")
    write_parser(tmp_path / "other.onnx", SIZE, "background,dog")
    with pytest.raises(AssetError, match="dog"):
        ParserNetwork(tmp_path / "other.onnx")
    with pytest.raises(AssetError, match="absent"):
        ParserNetwork(tmp_path / "absent.onnx")

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("onnx")

from colour_networks import class_colours, upright_points, write_parser

from facefuse.detection.parsing import ParserNetwork
from facefuse.detection.parts import PARTS
from facefuse.errors import AssetError, UsageError

SIZE = 48


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

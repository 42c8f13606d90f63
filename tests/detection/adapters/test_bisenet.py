from __future__ import annotations

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from colour_networks import class_colours, upright_points, write_bisenet  # noqa: E402

from facefuse.detection.adapters.bisenet import CLASSES, SIZE, BiSeNetParser  # noqa: E402
from facefuse.detection.parts import OCCLUDER, PARTS  # noqa: E402
from facefuse.errors import AssetError  # noqa: E402

POINTS = upright_points((150.0, 150.0), 100.0)
EXPECTED = {0: 0, 1: 1, 6: OCCLUDER, 7: 0, 10: 6, 11: 7, 12: 8, 13: 9, 14: 0, 17: 0, 18: 0}


def painted() -> tuple[np.ndarray, dict[int, tuple[int, int]]]:
    """A photo with a patch of every class, and the middle of each patch: row, column."""
    colours = class_colours(CLASSES).astype(np.uint8)
    photo = np.empty((300, 300, 3), np.uint8)
    photo[:] = colours[0]
    middles = {}
    for label in range(1, CLASSES):
        row, column = 90 + 24 * (label // 6), 80 + 24 * (label % 6)
        photo[row - 8 : row + 8, column - 8 : column + 8] = colours[label]
        middles[label] = row, column
    return photo, middles


@pytest.fixture(scope="module")
def parser(tmp_path_factory) -> BiSeNetParser:
    path = tmp_path_factory.mktemp("bisenet") / "bisenet.onnx"
    write_bisenet(path)
    return BiSeNetParser(path, threads=1)


def test_classes_become_parts(parser):
    photo, middles = painted()
    parts = parser.parse(photo, POINTS)
    assert parts.probability.shape == (len(PARTS), SIZE, SIZE)
    np.testing.assert_allclose(parts.probability.sum(axis=0), 1, atol=1e-4)
    labels = parts.labels_in(300, 300)
    for label, (row, column) in middles.items():
        if label in EXPECTED:
            assert labels[row, column] == EXPECTED[label], label


def test_sides_are_told_by_the_landmarks(parser):
    """Whichever brow or eye the network says, it is the subject's right one left of the middle of the eyes."""
    colours = class_colours(CLASSES).astype(np.uint8)
    brows, eyes = ("brow_right", "brow_left"), ("eye_right", "eye_left")
    for label, names in ((2, brows), (3, brows), (5, eyes)):
        photo = np.empty((300, 300, 3), np.uint8)
        photo[:] = colours[label]
        labels = parser.parse(photo, POINTS).labels_in(300, 300)
        assert labels[150, 110] == PARTS.index(names[0])
        assert labels[150, 190] == PARTS.index(names[1])


def test_open_size(tmp_path):
    write_bisenet(tmp_path / "open.onnx", size="side")
    assert BiSeNetParser(tmp_path / "open.onnx", threads=1).crop_size == SIZE


@pytest.mark.parametrize(
    ("other", "said"),
    [({"classes": 11}, "19"), ({"channels": 4}, "inputs"), ({"size": 4096}, "inputs")],
)
def test_other_networks_are_refused(tmp_path, other, said):
    write_bisenet(tmp_path / "other.onnx", **other)
    with pytest.raises(AssetError, match=said):
        BiSeNetParser(tmp_path / "other.onnx")


def test_damaged_and_absent_files(tmp_path):
    (tmp_path / "damaged.onnx").write_bytes(b"no network")
    for name in ("damaged.onnx", "absent.onnx"):
        with pytest.raises(AssetError, match=name):
            BiSeNetParser(tmp_path / name)


def test_output_that_is_no_number(tmp_path):
    write_bisenet(tmp_path / "bad.onnx")
    model = onnx.load(tmp_path / "bad.onnx")
    for tensor in model.graph.initializer:
        if tensor.name == "biases":
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.full(CLASSES, np.nan, np.float32), "biases"))
    onnx.save(model, tmp_path / "bad.onnx")
    with pytest.raises(AssetError, match="finite"):
        BiSeNetParser(tmp_path / "bad.onnx", threads=1).parse(painted()[0], POINTS)

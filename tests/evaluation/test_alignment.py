import json

import numpy as np
import pytest
from aflw_files import NAMES, published_points, write_aflw

from facefuse.detection.types import DetectedFace
from facefuse.errors import UsageError
from facefuse.evaluation.aflw2000 import AflwDataset
from facefuse.evaluation.alignment import FacePrediction, best_overlapping, evaluate_aflw2000, evaluate_landmarks
from facefuse.evaluation.boxes import square_box
from facefuse.evaluation.metrics import face_size


def truth_by_box():
    """The true points of each image (our pixels), to be looked up by photo size-independent order of calls."""
    return [published_points(k).T - [1, 1, 0] for k in range(len(NAMES))]


class Shifted:
    """Answers the truth moved by so many percent of the face's size."""

    def __init__(self, percent, depth_factor=1.0):
        self.truths, self.percent, self.calls, self.boxes = truth_by_box(), percent, 0, []
        self.depth_factor = depth_factor

    def __call__(self, pixels, box):
        truth = min(self.truths, key=lambda t: np.abs(square_box(t[:, :2]) - box).sum())
        self.boxes.append(box)
        move = np.array([0.6, 0.8]) * self.percent / 100 * face_size(truth)
        return FacePrediction(truth[:, :2] + move, truth[:, 2] + 70, np.diag([1.0, -1.0, -1.0]))


def test_a_known_error_comes_out(tmp_path):
    data = AflwDataset(write_aflw(tmp_path / "data"))
    seen = []
    result = evaluate_landmarks(data, Shifted(4.0), "shifted", progress=lambda done, all_: seen.append((done, all_)))
    np.testing.assert_allclose(result.original.bins, 4.0)
    assert result.original.counts == (2, 1, 1)
    assert result.original.balanced == pytest.approx(4.0)
    assert result.reannotated is None
    assert result.nme_3d.mean == pytest.approx(4.0)
    assert (result.pose.yaw, result.pose.pitch) == (
        pytest.approx((5 + 45 + 80 + 10) / 4),
        pytest.approx(5.7296, abs=1e-3),
    )
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    plain = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert plain["original"]["balanced"] == pytest.approx(4.0)
    assert set(plain["errors"]) == set(NAMES)


def test_published_boxes_reach_the_method(tmp_path):
    data = AflwDataset(write_aflw(tmp_path / "data"))
    method = Shifted(0.0)
    evaluate_landmarks(data, method, "exact")
    for index, box in enumerate(method.boxes):
        np.testing.assert_allclose(box, square_box(data[index].points[:, :2]), atol=1.2)


class Finder:
    """Finds each face somewhat beside its place, and none in the second photo."""

    def __init__(self, data):
        self.faces = {data[k].pixels.tobytes(): data[k].box for k in range(len(data)) if k != 1}

    def detect(self, pixels):
        box = self.faces.get(pixels.tobytes())
        if box is None:
            return [DetectedFace(np.array([0.0, 0, 5, 5]), np.zeros((5, 2)), 0.99)]
        return [
            DetectedFace(box + 40, np.zeros((5, 2)), 0.99),
            DetectedFace(box + np.array([3, 0, 3, 0]), np.zeros((5, 2)), 0.6),
        ]


def test_detector_boxes_and_missed_faces(tmp_path):
    data = AflwDataset(write_aflw(tmp_path / "data"))
    method = Shifted(2.0)
    result = evaluate_landmarks(data, method, "shifted", boxes="detector", detector=Finder(data))
    assert (result.images, result.original.missed, result.original.counts) == (4, 1, (2, 0, 1))
    assert result.original.failure_rate == 25.0
    assert result.original.mean == pytest.approx(2.0)
    assert np.isnan(result.errors[1])
    np.testing.assert_allclose(method.boxes[0], data[0].box + np.array([3, 0, 3, 0]))
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False))["errors"][NAMES[1]] is None


def test_best_overlapping_prefers_overlap_over_score():
    face = np.array([10.0, 10, 20, 20])
    near = DetectedFace(face + 1, np.zeros((5, 2)), 0.3)
    far = DetectedFace(face + 6, np.zeros((5, 2)), 0.9)
    np.testing.assert_array_equal(best_overlapping([far, near], face), near.box)
    assert best_overlapping([], face) is None
    assert best_overlapping([DetectedFace(face + 50, np.zeros((5, 2)), 0.9)], face) is None


def test_an_unknown_method_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="no method 'magic'"):
        evaluate_aflw2000(tmp_path, method="magic")

import numpy as np
import pytest

pytest.importorskip("torch")

from facefuse.detection.types import DetectedFace, FaceLandmarks
from facefuse.learning.detector.agreement import face_evidences, false_evidences, fit_weights
from facefuse.learning.detector.data import Source, pyramid
from facefuse.learning.landmarks.data import FaceSet


class Finder:
    """One sure detection in the middle of every photo."""

    def detect(self, pixels):
        height, width = pixels.shape[:2]
        half = min(height, width) / 4
        box = np.array([width / 2 - half, height / 2 - half, width / 2 + half, height / 2 + half])
        return [DetectedFace(box, np.zeros((5, 2)), 0.8)]


class Marker:
    def landmarks(self, pixels, box):
        points = box[:2] + (box[2] - box[0]) * np.random.default_rng(0).random((68, 2))
        none = np.zeros(0)
        return FaceLandmarks(points, np.full(68, 2.0), np.zeros((0, 2)), none, none.astype(int), 0.9)


@pytest.fixture
def backgrounds():
    return [np.random.default_rng(k).integers(0, 256, (120, 160, 3), dtype=np.uint8) for k in range(3)]


def test_weights_separate_what_differs():
    rng = np.random.default_rng(0)
    right = rng.normal([2.0, -4.0, 5.0], [1.0, 0.3, 2.0], (400, 3))
    wrong = rng.normal([1.0, -2.0, 5.0], [1.0, 0.3, 2.0], (60, 3))
    weights = fit_weights(right, wrong)
    assert weights[0] > 0 > weights[1]
    assert abs(weights[2]) < 0.3 * weights[0]  # says nothing
    limit = np.quantile(right @ weights, 0.01)
    assert (wrong @ weights >= limit).mean() < 0.1


def test_detections_are_sorted_into_faces_and_others(backgrounds):
    points = np.random.default_rng(1).uniform(25, 95, (4, 68, 2)).astype(np.float32)
    points[:, 36:42], points[:, 42:48], points[:, 48:60] = [44, 48], [76, 48], [60, 85]
    photos = np.random.default_rng(2).integers(0, 256, (4, 120, 120, 3), dtype=np.uint8)
    yaw = np.array([0.0, 10.0, -75.0, 80.0], np.float32)
    weight, none = np.ones((4, 68), np.float32), np.zeros(0, np.intp)
    faces = FaceSet(photos, points, weight, yaw, np.arange(4), none, np.arange(68), np.arange(4))
    scenery = [Source(pyramid(photo, 3)) for photo in backgrounds]
    right, yaws, wrong = face_evidences(Finder(), Marker(), faces, scenery)
    assert right.shape == (len(yaws), 3)
    assert len(right) + len(wrong) <= 2 + 2 * 3  # three scenes for each profile
    assert len(wrong) > 0
    assert set(yaws) <= {0.0, 10.0, 75.0, 80.0}
    false = false_evidences(Finder(), Marker(), backgrounds)
    assert false.shape == (9, 3)
    np.testing.assert_allclose(false[:, 0], np.log(4.0))

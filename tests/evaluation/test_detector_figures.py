import numpy as np
import pytest
from aflw_files import NAMES, write_aflw
from PIL import Image

from facefuse.detection.types import DetectedFace, FaceLandmarks
from facefuse.errors import UnusableInput
from facefuse.evaluation.detector_figures import CheckedDetector, evaluate_detector, median_ms


class Everywhere:
    """One face in every photo, wherever it is asked."""

    def __init__(self):
        self.shapes = []

    def detect(self, pixels):
        self.shapes.append(pixels.shape)
        return [DetectedFace(np.array([5.0, 5, 25, 25]), np.zeros((5, 2)), 0.7)]


class Doubting:
    """Landmarks over the box, and a face score by the photo's colour."""

    def landmarks(self, pixels, box):
        points = box[:2] + (box[2] - box[0]) * np.random.default_rng(0).random((68, 2))
        none = np.zeros(0)
        return FaceLandmarks(points, np.full(68, 0.1), np.zeros((0, 2)), none, none.astype(int), pixels[0, 0, 0] / 255)


def test_what_the_folder_holds_is_measured(tmp_path):
    with pytest.raises(UnusableInput, match="photos/no_face"):
        evaluate_detector(tmp_path, Everywhere())
    empty = tmp_path / "photos" / "no_face"
    empty.mkdir(parents=True)
    for k in range(2):
        Image.new("RGB", (40, 30), (k, 0, 0)).save(empty / f"{k}.png")
    found = evaluate_detector(tmp_path, Everywhere())
    assert found.recall == {}
    assert found.false_alarms["no_face"].alarms == 2
    write_aflw(tmp_path / "aflw2000")
    seen = []
    found = evaluate_detector(tmp_path, Everywhere(), progress=lambda done, count: seen.append((done, count)))
    assert found.recall["AFLW2000-3D"].faces == len(NAMES)
    assert (len(NAMES), len(NAMES)) in seen
    assert set(found.milliseconds) == {"640x480", "1155x866"}
    assert found.to_dict()["false_alarms"]["no_face"]["where"] == ("0.png", "1.png")


def test_a_checked_detector_reports_what_the_landmark_network_agrees_with():
    detector = CheckedDetector(Everywhere(), Doubting())
    assert len(detector.detect(np.full((60, 60, 3), 250, np.uint8))) == 1
    assert detector.detect(np.full((60, 60, 3), 20, np.uint8)) == []


def test_timing_uses_photos_of_the_size_asked_for():
    detector = Everywhere()
    assert median_ms(detector, 48, 64, repeats=3) >= 0
    assert set(detector.shapes) == {(48, 64, 3)}

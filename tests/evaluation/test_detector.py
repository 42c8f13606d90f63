import numpy as np
import pytest
from aflw_files import NAMES, write_aflw
from PIL import Image

from facefuse.detection.types import DetectedFace
from facefuse.errors import UnusableInput
from facefuse.evaluation.aflw2000 import AflwDataset
from facefuse.evaluation.boxes import square_box
from facefuse.evaluation.detector import (
    Miss,
    count_false_alarms,
    eye_centres,
    matched,
    read_annotations,
    recall_on_aflw2000,
    recall_on_annotations,
)


class Canned:
    """Answers by the photo's content."""

    def __init__(self, answers):
        self.answers = answers

    def detect(self, pixels):
        boxes = self.answers.get(pixels.tobytes(), [])
        # Five points at the box's upper left corner.
        return [DetectedFace(np.asarray(box, float), np.tile(np.asarray(box, float)[:2], (5, 1)), 0.8) for box in boxes]


def test_matching_by_hand():
    truth = np.array([[0.0, 0, 10, 10], [4.0, 0, 14, 10], [50.0, 50, 60, 60]])
    assert matched(truth, truth).tolist() == [0, 1, 2]
    assert matched(truth, np.zeros((0, 4))).tolist() == [-1, -1, -1]
    # one detection between two faces (IoU 80/120 with both) serves one of them
    assert sorted(matched(truth, np.array([[2.0, 0, 12, 10]])).tolist()) == [-1, -1, 0]
    # the pairing that helps most faces is taken although the first face prefers the second detection
    found = np.array([[-4.0, 0, 6, 10], [2.0, 0, 12, 10]])
    assert matched(truth, found).tolist() == [0, 1, -1]
    shifted = truth[2:] + np.array([4.0, 0, 4.0, 0])  # IoU 60/140 = 0.43
    assert matched(truth[2:], shifted).tolist() == [0]
    assert matched(truth[2:], shifted, min_iou=0.45).tolist() == [-1]
    # of two detections on one face the closer one counts
    assert matched(truth[2:], np.concatenate([shifted, truth[2:]])).tolist() == [1]


def test_recall_by_yaw_bin(tmp_path):
    folder = write_aflw(tmp_path / "data")
    data = AflwDataset(folder)
    answers = {data[k].pixels.tobytes(): [square_box(data[k].points[:, :2])] for k in (0, 1)}
    answers[data[2].pixels.tobytes()] = [np.array([0.0, 0, 20, 20])]
    recall = recall_on_aflw2000(folder, Canned(answers))
    assert (recall.found, recall.faces, recall.rate) == (2, 4, 50.0)
    assert (recall.bin_found, recall.bin_faces) == ((1, 1, 0), (2, 1, 1))
    assert [miss.photo for miss in recall.missed] == [NAMES[2], NAMES[3]]
    truth = data[2].points[:, :2]
    low, high = truth.min(axis=0), truth.max(axis=0)
    assert recall.missed[0].side_px == pytest.approx((high - low).max())
    assert recall.missed[0].yaw_deg == pytest.approx(float(data[2].angles[0]))
    assert recall.missed[1].best_iou == 0.0
    assert recall.median_iou == pytest.approx(1.0)
    errors = []
    for k in (0, 1):
        box = square_box(data[k].points[:, :2])
        away = np.linalg.norm(eye_centres(data[k].points[:, :2]) - box[:2], axis=1).mean()
        errors.append(100 * away / (box[2] - box[0]))
    assert recall.eye_error == pytest.approx(np.mean(errors))
    assert recall.interval[0] < 50 < recall.interval[1]
    assert recall.other == 1
    assert recall.latency_ms >= 0


XML = """<?xml version='1.0' encoding='ISO-8859-1'?>
<dataset><name>n</name><images>
<image file='a.png'><box top='10' left='20' width='30' height='40'/>
<box top='1' left='1' width='9' height='9' ignore='1'/>
</image><image file='b.png'>{box}</image><image file='a.png'/></images></dataset>"""
PARTS = "".join(f"<part name='{k:02d}' x='{10 + k % 20}' y='{40 + k % 11}'/>" for k in range(68))


@pytest.fixture
def annotated(tmp_path):
    for k, name in enumerate(("a.png", "b.png")):
        Image.new("RGB", (60, 60), (k, 0, 0)).save(tmp_path / name)
    path = tmp_path / "faces.xml"
    path.write_text(XML.format(box=f"<box top='30' left='0' width='40' height='40'>{PARTS}</box>"))
    return path


def test_annotations_give_boxes_or_squares_about_parts(annotated):
    photos = read_annotations(annotated)
    assert [photo.file for photo in photos] == ["a.png", "b.png", "a.png"]
    assert photos[0].boxes.tolist() == [[20, 10, 50, 50]]
    assert photos[1].boxes.tolist() == [[10, 35.5, 29, 54.5]]
    assert photos[2].boxes.shape == (0, 4)
    assert photos[2].eyes.shape == (0, 2, 2)
    assert np.isnan(photos[0].eyes).all()
    parts = np.array([[10 + k % 20, 40 + k % 11] for k in range(68)])
    np.testing.assert_allclose(photos[1].eyes[0], [parts[36:42].mean(0), parts[42:48].mean(0)])
    red = np.zeros((60, 60, 3), np.uint8)
    other = red + np.array([1, 0, 0], np.uint8)
    recall = recall_on_annotations(annotated, Canned({x.tobytes(): [[22, 12, 52, 52]] for x in (red, other)}))
    assert (recall.found, recall.faces, recall.other) == (1, 2, 2)
    # IoU of b's square (10, 35.5, 29, 54.5) and the detection (22, 12, 52, 52)
    common = 7 * 16.5
    assert recall.missed[0].best_iou == pytest.approx(common / (19 * 19 + 30 * 40 - common))
    assert recall.missed[0] == Miss("b.png", 19.0, pytest.approx(float("nan"), nan_ok=True), recall.missed[0].best_iou)
    assert np.isnan(recall.eye_error)
    assert recall.bin_faces == (0, 0, 0)


@pytest.mark.parametrize(
    "text",
    [
        "<?xml version='1.0'?><!DOCTYPE d [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]><d>&b;</d>",
        "<?xml version='1.0'?><!DOCTYPE d SYSTEM 'http://example.org/d.dtd'><d/>",
        "<dataset><images><image file='../a.png'/></images></dataset>",
        "<dataset><images><image file='/etc/a.png'/></images></dataset>",
        "<dataset><images><image/></images></dataset>",
        "<dataset><images><image file='a.png'><box top='x' left='1' width='1' height='1'/></image></images></dataset>",
        "<dataset><images>",
        "<dataset/>",
        "",
    ],
)
def test_other_xml_is_refused(tmp_path, text):
    path = tmp_path / "faces.xml"
    path.write_text(text)
    with pytest.raises(UnusableInput, match="dlib"):
        read_annotations(path)


def test_false_alarms_are_counted_and_named(tmp_path):
    for k in range(3):
        Image.new("RGB", (40, 30), (k, 9, 9)).save(tmp_path / f"{k}.png")
    second = np.zeros((30, 40, 3), np.uint8) + np.array([1, 9, 9], np.uint8)
    detector = Canned({second.tobytes(): [[0, 0, 9, 9], [20, 20, 30, 30]]})
    alarms = count_false_alarms(tmp_path, detector)
    assert (alarms.alarms, alarms.photos, alarms.where, alarms.scores) == (2, 3, ("1.png", "1.png"), (0.8, 0.8))
    assert alarms.boxes == ((0, 0, 9, 9), (20, 20, 30, 30))
    assert count_false_alarms(tmp_path, detector, last=1).alarms == 0
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(UnusableInput, match="no photo"):
        count_false_alarms(empty, detector)

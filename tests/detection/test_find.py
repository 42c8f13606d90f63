"""What counts as a face, which comes first, and what people are told otherwise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facefuse.detection.find import MIN_SIDE, face_evidence, find_faces, no_face_reason
from facefuse.detection.types import DetectedFace, FaceLandmarks
from facefuse.photos import Photo, read_photo

PHOTO = Photo(np.zeros((200, 300, 3), np.uint8), "wall.jpg")


class Networks:
    """A detector and landmark network that say what they are told to say."""

    def __init__(self) -> None:
        self.faces: list[DetectedFace] = []
        self.marks: list[FaceLandmarks] = []

    def add(
        self,
        centre: tuple[float, float],
        side: float,
        *,
        found: float = 0.95,
        score: float = 0.99,
        spread: float = 0.02,
        detected_side: float | None = None,
    ) -> DetectedFace:
        grid = np.random.default_rng(0).random((66, 2)) - 0.5
        points = np.array(centre) + side * np.concatenate([[[-0.5, -0.5], [0.5, 0.5]], grid])
        half = (detected_side or side) / 2
        box = np.array([centre[0] - half, centre[1] - half, centre[0] + half, centre[1] + half])
        self.faces.append(DetectedFace(box, points[:5], found))
        none = np.zeros(0)
        self.marks.append(
            FaceLandmarks(points, np.full(68, spread * side), np.zeros((0, 2)), none, none.astype(int), score)
        )
        return self.faces[-1]

    def detect(self, pixels: np.ndarray) -> list[DetectedFace]:
        return list(self.faces)

    def landmarks(self, pixels: np.ndarray, box: np.ndarray) -> FaceLandmarks:
        centres = np.array([face.box[:2] + face.box[2:] for face in self.faces])
        return self.marks[int(np.abs(centres - box[:2] - box[2:]).sum(axis=1).argmin())]

    def found(self) -> list[DetectedFace]:
        return [face for face, _ in find_faces(PHOTO, self, self)]


def test_the_largest_comes_first() -> None:
    networks = Networks()
    small, large = networks.add((60, 60), 40), networks.add((200, 100), 90)
    assert networks.found() == [large, small]


def test_a_doubtful_face_counts_as_smaller() -> None:
    networks = Networks()
    sure, doubtful = networks.add((60, 60), 70), networks.add((200, 100), 80, found=0.8, score=0.8)
    assert networks.found() == [sure, doubtful]


@pytest.mark.parametrize(
    "doubts",
    [
        {"score": 0.05, "found": 0.7},
        {"spread": 0.4, "found": 0.65},
        {"score": 0.3, "spread": 0.2, "found": 0.75},
    ],
)
def test_what_both_networks_doubt_is_no_face(doubts: dict[str, float]) -> None:
    networks = Networks()
    networks.add((100, 100), 90, **doubts)
    face = networks.add((60, 60), 40)
    assert networks.found() == [face]


@pytest.mark.parametrize("doubts", [{"found": 0.66}, {"score": 0.5, "found": 0.97}, {"spread": 0.2, "found": 0.97}])
def test_what_one_network_is_sure_of_is_a_face(doubts: dict[str, float]) -> None:
    networks = Networks()
    face = networks.add((100, 100), 90, **doubts)
    assert len(networks.found()) == 1
    assert networks.found()[0].score == face.score


def test_evidence_by_hand() -> None:
    networks = Networks()
    networks.add((100, 100), 90, found=0.8, score=0.9, spread=0.02)
    np.testing.assert_allclose(
        face_evidence(networks.faces[0], networks.marks[0]), [np.log(4), np.log(0.02), np.log(9)], rtol=1e-6
    )
    networks.add((100, 100), 90, found=1.0, score=0.0, spread=0.0)
    assert np.isfinite(face_evidence(networks.faces[1], networks.marks[1])).all()


def test_detections_drawn_to_the_same_place_are_one_face() -> None:
    networks = Networks()
    networks.add((101, 99), 88, found=0.7, detected_side=50)
    best = networks.add((100, 100), 90, found=0.98)
    networks.add((98, 101), 92, found=0.8, detected_side=140)
    neighbour = networks.add((170, 100), 80)
    assert networks.found() == [best, neighbour]


@pytest.mark.parametrize(("spread", "corrected"), [(0.01, True), (0.1, False)])
def test_a_box_far_from_certain_landmarks_is_corrected(spread: float, corrected: bool) -> None:
    networks = Networks()
    networks.add((140, 95), 120, detected_side=60, spread=spread)
    ((face, landmarks),) = find_faces(PHOTO, networks, networks)
    np.testing.assert_allclose(face.box, [80, 35, 200, 155] if corrected else [110, 65, 170, 125])
    np.testing.assert_allclose(landmarks.square, [80, 35, 200, 155])
    assert landmarks.spread == pytest.approx(spread)


def test_photos_smaller_than_any_face_are_not_searched() -> None:
    tiny = Photo(np.zeros((MIN_SIDE - 1, 100, 3), np.uint8))
    assert find_faces(tiny) == []
    assert f"only 100 x {MIN_SIDE - 1} pixels" in no_face_reason(tiny)
    assert "use a photo with the face in view" in no_face_reason(PHOTO)


def test_one_person_is_one_face(shared_data: Path) -> None:
    folder = shared_data / "multiview"
    photos = [*sorted((folder / "zoom").glob("*.jpg")), *sorted((folder / "pixel_face_crops").rglob("*.png"))]
    assert len(photos) == 13
    assert [len(find_faces(read_photo(path))) for path in photos] == [1] * 13

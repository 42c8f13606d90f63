"""What counts as a face, which comes first, and what people are told otherwise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facefuse.detection.find import MIN_SIDE, find_faces, no_face_reason
from facefuse.detection.types import DetectedFace, FaceLandmarks
from facefuse.photos import Photo, read_photo

PHOTO = Photo(np.zeros((200, 300, 3), np.uint8), "wall.jpg")


class Networks:
    """A detector and landmark network that say what they are told to say."""

    def __init__(self) -> None:
        self.faces: list[DetectedFace] = []
        self.marks: list[FaceLandmarks] = []
        self.wider: dict[int, FaceLandmarks] = {}

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
        index = int(np.abs(centres - box[:2] - box[2:]).sum(axis=1).argmin())
        if np.ptp(box[::2]) > 1.2 * np.ptp(self.faces[index].box[::2]):
            return self.wider.get(index, self.marks[index])
        return self.marks[index]

    def found(self) -> list[DetectedFace]:
        return [face for face, _ in find_faces(PHOTO, self, self)]


def test_the_largest_comes_first() -> None:
    networks = Networks()
    small, large = networks.add((60, 60), 40), networks.add((200, 100), 90)
    assert networks.found() == [large, small]


def test_a_doubtful_face_counts_as_smaller() -> None:
    networks = Networks()
    sure, doubtful = networks.add((60, 60), 70), networks.add((200, 100), 80, found=0.55, score=0.6)
    assert networks.found() == [sure, doubtful]


@pytest.mark.parametrize("doubts", [{"score": 0.4}, {"spread": 0.07}])
def test_what_the_landmark_network_doubts_is_no_face(doubts: dict[str, float]) -> None:
    networks = Networks()
    networks.add((100, 100), 90, **doubts)
    face = networks.add((60, 60), 40)
    assert networks.found() == [face]


def test_detections_drawn_to_the_same_place_are_one_face() -> None:
    networks = Networks()
    networks.add((101, 99), 88, found=0.7, detected_side=50)
    best = networks.add((100, 100), 90, found=0.98)
    networks.add((98, 101), 92, found=0.8, detected_side=140)
    neighbour = networks.add((170, 100), 80)
    assert networks.found() == [best, neighbour]


def test_a_box_too_small_for_the_face_is_widened() -> None:
    networks = Networks()
    networks.add((150, 100), 60, spread=0.04)
    small = networks.faces.pop(), networks.marks.pop()
    networks.add((140, 95), 120, spread=0.01)
    networks.faces, networks.wider, networks.marks = [small[0]], {0: networks.marks[0]}, [small[1]]
    ((face, landmarks),) = find_faces(PHOTO, networks, networks)
    assert landmarks is networks.wider[0]
    assert np.allclose(face.box, [80, 35, 200, 155])
    assert face.score == small[0].score


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

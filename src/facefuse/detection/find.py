"""The faces of one photo: boxes, landmarks, and only what is a face to both networks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np

from facefuse.detection.types import DetectedFace, FaceDetector, FaceLandmarks, FloatArray, LandmarkDetector
from facefuse.photos import Photo

MIN_SIDE = 24
"""Pixels: side of the smallest face that is found; no smaller photo is searched."""

MIN_FACE_SCORE = 0.5
"""Below this probability that its crop shows a face, a detection is dropped."""

MAX_SPREAD = 0.045
"""A detection whose landmarks are more uncertain (median standard deviation over the face's size) is dropped: of 400
crops of AFLW 99 % are below, most of what merely looks like a face is above."""

DOUBTFUL_SPREAD, WIDER = 0.02, 1.5
"""Landmarks less certain than this are looked for again in a box so many times as wide: the detected box may be too
small for a large face. The more certain ones are kept."""

MAX_OVERLAP = 0.5
"""Faces whose landmarks overlap more (intersection over union) are the same one."""


@lru_cache(maxsize=1)
def default_detector() -> FaceDetector:
    """Return the built-in face detector, loaded once."""
    from facefuse.detection.faces import FaceNetwork  # late: starts ONNX Runtime

    return FaceNetwork()


@lru_cache(maxsize=2)
def default_landmark_detector(passes: int = 1) -> LandmarkDetector:
    """Return the built-in landmark network, loaded once for each number of passes."""
    from facefuse.detection.landmarks import LandmarkNetwork  # late: starts ONNX Runtime

    return LandmarkNetwork(passes=passes)


def find_faces(
    photo: Photo, detector: FaceDetector | None = None, landmark_detector: LandmarkDetector | None = None
) -> list[tuple[DetectedFace, FaceLandmarks]]:
    """Find every face of a photo and its landmarks.

    Parameters
    ----------
    photo : Photo
    detector, landmark_detector : optional
        Instead of the built-in networks.

    Returns
    -------
    list of (DetectedFace, FaceLandmarks)
        The largest first, where a doubtful one counts as smaller; empty where there is none (`no_face_reason` says
        what to tell people).
    """
    if min(photo.width, photo.height) < MIN_SIDE:
        return []
    network = landmark_detector or default_landmark_detector(passes=2)  # detected boxes are rough, heads tilted
    kept: list[_Candidate] = []
    for face in sorted((detector or default_detector()).detect(photo.pixels), key=lambda face: -face.score):
        one = _look(network, photo, face)
        # detections that landmarks draw to the same place are one face, found several times
        if one.is_a_face() and not any(one.overlap(other) > MAX_OVERLAP for other in kept):
            kept.append(one)
    kept.sort(key=lambda one: one.prominence(), reverse=True)
    return [(one.face, one.landmarks) for one in kept]


@dataclass(frozen=True)
class _Candidate:
    """A detection and the landmarks found there."""

    face: DetectedFace
    landmarks: FaceLandmarks

    @cached_property
    def square(self) -> FloatArray:
        """Centre x, y and side of the square about the landmarks."""
        low, high = self.landmarks.points68.min(axis=0), self.landmarks.points68.max(axis=0)
        return np.array([*(low + high) / 2, (high - low).max()])

    def is_a_face(self) -> bool:
        return self.landmarks.score >= MIN_FACE_SCORE and self.spread() <= MAX_SPREAD

    def spread(self) -> float:
        """Median standard deviation of the landmarks over the face's size."""
        return float(np.median(self.landmarks.sigma68)) / max(float(self.square[2]), 1e-6)

    def prominence(self) -> float:
        return float(self.square[2]) * self.face.score * self.landmarks.score

    def overlap(self, other: _Candidate) -> float:
        """Intersection over union of the squares about the landmarks."""
        gap = np.abs(self.square[:2] - other.square[:2])
        reach = (self.square[2] + other.square[2]) / 2 - gap
        common = float(np.clip(np.minimum(reach, np.minimum(self.square[2], other.square[2])), 0, None).prod())
        return common / float(self.square[2] ** 2 + other.square[2] ** 2 - common)


def _look(network: LandmarkDetector, photo: Photo, face: DetectedFace) -> _Candidate:
    first = _Candidate(face, network.landmarks(photo.pixels, face.box))
    if first.spread() <= DOUBTFUL_SPREAD:
        return first
    centre, half = (face.box[:2] + face.box[2:]) / 2, (face.box[2:] - face.box[:2]) / 2 * WIDER
    again = _Candidate(face, network.landmarks(photo.pixels, np.concatenate([centre - half, centre + half])))
    if again.spread() >= first.spread():
        return first
    x, y, side = again.square
    box = np.array([x - side / 2, y - side / 2, x + side / 2, y + side / 2])
    return _Candidate(replace(face, box=box), again.landmarks)


def no_face_reason(photo: Photo) -> str:
    """Return why no face may have been found in a photo, and what would help."""
    if min(photo.width, photo.height) < MIN_SIDE:
        return (
            f"no face found: it is only {photo.width} x {photo.height} pixels, and a face needs at least {MIN_SIDE}; "
            "use the original photo"
        )
    return f"no face found; use a photo with the face in view, at least {MIN_SIDE} pixels wide and not upside down"

"""The faces of one photo: boxes, landmarks, and only what is a face to both networks."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache

import numpy as np

from facefuse.detection.crop import square_overlap
from facefuse.detection.parts import FaceParser
from facefuse.detection.types import DetectedFace, FaceDetector, FaceLandmarks, FloatArray, LandmarkDetector
from facefuse.photos import Photo

MIN_SIDE = 24
"""Pixels: side of the smallest face that is found; no smaller photo is searched."""

EVIDENCE_WEIGHTS = np.array([2.11, -0.41, 0.39])
LEAST_EVIDENCE = 4.54
"""A detection counts as a face if the weighted sum of its `face_evidence` is at least this. Logistic regression of
faces held out from the landmark network's training against false detections
(`python -m facefuse.learning.detector.agreement`); 98.5 % of these faces are above the limit."""

MAX_SPREAD = 0.25
"""`FaceLandmarks.spread` of a face at most, whatever else speaks for it: of 250 AFLW faces none had more."""

MAX_OVERLAP = 0.5
"""Faces whose landmarks overlap more (intersection over union) are the same one. A detected box that overlaps its own
landmarks less is replaced by the square about them, where they are certain."""

CERTAIN_SPREAD = 0.04
"""`FaceLandmarks.spread` up to which landmarks are certain."""


@lru_cache(maxsize=1)
def default_detector() -> FaceDetector:
    """Return the built-in face detector, loaded once."""
    from facefuse.detection.faces import FaceNetwork  # late: starts ONNX Runtime

    return FaceNetwork()


@lru_cache(maxsize=2)
def default_landmark_detector(passes: int = 1) -> LandmarkDetector:
    """Return the built-in landmark network, loaded once for each number of passes; one thread, as it is small."""
    from facefuse.detection.landmarks import LandmarkNetwork  # late: starts ONNX Runtime

    return LandmarkNetwork(passes=passes, threads=1)


@lru_cache(maxsize=1)
def default_parser() -> FaceParser:
    """Return the built-in face parser, loaded once; one thread, as it is small."""
    from facefuse.detection.parsing import ParserNetwork  # late: starts ONNX Runtime

    return ParserNetwork(threads=1)


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
    detected = sorted((detector or default_detector()).detect(photo.pixels), key=lambda face: -face.score)
    kept: list[tuple[DetectedFace, FaceLandmarks]] = []
    for face, landmarks in zip(detected, _look_at_all(photo, detected, landmark_detector), strict=True):
        evidence = float(EVIDENCE_WEIGHTS @ face_evidence(face, landmarks))
        if evidence < LEAST_EVIDENCE or landmarks.spread > MAX_SPREAD:
            continue
        square = landmarks.square
        if landmarks.spread <= CERTAIN_SPREAD and square_overlap(square, face.box) < MAX_OVERLAP:
            face = replace(face, box=square)
        # detections that landmarks draw to the same place are one face, found several times
        if not any(square_overlap(square, other.square) > MAX_OVERLAP for _, other in kept):
            kept.append((face, landmarks))
    return sorted(kept, key=lambda one: -prominence(*one))


def _look_at_all(
    photo: Photo, faces: list[DetectedFace], landmark_detector: LandmarkDetector | None
) -> list[FaceLandmarks]:
    """Landmarks of every detection. The built-in network looks at two at a time, another one may not be made for it."""
    if landmark_detector is not None:
        return [landmark_detector.landmarks(photo.pixels, face.box) for face in faces]
    network = default_landmark_detector(passes=2)  # detected boxes are rough, heads tilted
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda face: network.landmarks(photo.pixels, face.box), faces))


def prominence(face: DetectedFace, landmarks: FaceLandmarks) -> float:
    """Side of the face in pixels, less where either network doubts it."""
    return float(landmarks.square[2] - landmarks.square[0]) * face.score * landmarks.score


def face_evidence(face: DetectedFace, landmarks: FaceLandmarks) -> FloatArray:
    """What speaks for a face (3,): log-odds of the detector, log of the landmarks' spread, log-odds of their score."""
    found, seen = np.clip([face.score, landmarks.score], 1e-4, 1.0 - 1e-4)
    return np.array([np.log(found / (1.0 - found)), np.log(max(landmarks.spread, 1e-3)), np.log(seen / (1.0 - seen))])


def no_face_reason(photo: Photo) -> str:
    """Return why no face may have been found in a photo, and what would help."""
    if min(photo.width, photo.height) < MIN_SIDE:
        return (
            f"no face found: it is only {photo.width} x {photo.height} pixels, and a face needs at least {MIN_SIDE}; "
            "use the original photo"
        )
    return f"no face found; use a photo with the face in view, at least {MIN_SIDE} pixels wide and not upside down"

"""Face detection measured: recall on annotated faces, false alarms on photos without a face, latency."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from xml.parsers import expat

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from facefuse.detection.types import FaceDetector
from facefuse.errors import UnusableInput
from facefuse.evaluation.aflw2000 import AflwDataset
from facefuse.evaluation.boxes import box_iou, square_box
from facefuse.evaluation.files import FileCollection
from facefuse.evaluation.metrics import wilson_interval, yaw_bin
from facefuse.photos import read_photo

FloatArray = npt.NDArray[np.floating[Any]]
Progress = Callable[[int, int], None]

MIN_IOU = 0.4
_MAX_XML_BYTES = 50_000_000


@dataclass(frozen=True)
class Miss:
    """An annotated face that was not found.

    Attributes
    ----------
    photo : str
    side_px : float
        Longer side of its box.
    yaw_deg : float
        NaN where it is not known.
    best_iou : float
        Largest intersection over union with any detection: 0 means that nothing was seen there.
    """

    photo: str
    side_px: float
    yaw_deg: float
    best_iou: float


@dataclass(frozen=True)
class Recall:
    """Share of annotated faces that were found.

    Attributes
    ----------
    found, faces : int
    rate : float
        Percent; NaN without faces.
    interval : (float, float)
        95 % interval of the rate (Wilson 1927).
    bin_found, bin_faces : (int, int, int)
        By yaw bin (`yaw_bin`); zeros where yaw is not known.
    missed : tuple of Miss
    median_iou : float
        Of the found faces; NaN where there is none.
    eye_error : float
        Mean distance of the two eye points to the true eye centres in percent of the box's side, over the found faces
        whose eyes are annotated; NaN where there is none.
    other : int
        Detections that match no annotated face: false alarms, or faces that nobody annotated.
    latency_ms : float
        Median time of a photo.
    """

    found: int
    faces: int
    rate: float
    interval: tuple[float, float]
    bin_found: tuple[int, int, int]
    bin_faces: tuple[int, int, int]
    missed: tuple[Miss, ...]
    median_iou: float
    eye_error: float
    other: int
    latency_ms: float

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class FalseAlarms:
    """Detections in photos without a face.

    Attributes
    ----------
    alarms, photos : int
    where : tuple of str
        The photo of each false alarm.
    boxes : tuple of (float, float, float, float)
        The box of each, in whole pixels.
    scores : tuple of float
        The score of each.
    latency_ms : float
        Median time of a photo.
    """

    alarms: int
    photos: int
    where: tuple[str, ...]
    boxes: tuple[tuple[float, ...], ...]
    scores: tuple[float, ...]
    latency_ms: float

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class AnnotatedPhoto:
    """A photo of an annotation file: its name, (N, 4) face boxes in pixels from (0, 0), and the eye centres (N, 2, 2).

    Eyes are NaN where a face has no 68 parts.
    """

    file: str
    boxes: FloatArray
    eyes: FloatArray


@dataclass(frozen=True)
class _Truth:
    """One photo to measure on, with its annotated faces; yaw NaN where it is not known."""

    name: str
    pixels: npt.NDArray[np.uint8]
    boxes: FloatArray
    eyes: FloatArray
    yaw_deg: float


def recall_on_aflw2000(
    data: str | Path, detector: FaceDetector, min_iou: float = MIN_IOU, progress: Progress | None = None
) -> Recall:
    """Measure recall on AFLW2000-3D, one annotated face a photo: the square about its 68 points.

    Parameters
    ----------
    data : str or Path
        See `AflwDataset`.
    detector : FaceDetector
    min_iou : float
        Least intersection over union of a face that was found.
    progress : callable, optional
        Called with the number of photos done and their total.

    Raises
    ------
    UnusableInput
        If the data cannot be read.
    """
    dataset = AflwDataset(data)

    def photo(index: int) -> _Truth:
        sample = dataset[index]
        points = sample.points[:, :2]
        return _Truth(
            sample.name, sample.pixels, square_box(points)[None], eye_centres(points)[None], float(sample.angles[0])
        )

    return _recall(len(dataset), photo, detector, min_iou, progress)


def recall_on_annotations(
    annotations: str | Path, detector: FaceDetector, min_iou: float = MIN_IOU, progress: Progress | None = None
) -> Recall:
    """Measure recall on the photos of an annotation file of dlib's format, which lie beside it.

    A face is the square about its 68 parts where it has them, else its box.

    Raises
    ------
    UnusableInput
        If the file or a photo cannot be read.
    """
    photos = read_annotations(annotations)
    folder = Path(annotations).parent

    def photo(index: int) -> _Truth:
        one = photos[index]
        return _Truth(one.file, read_photo(folder / one.file).pixels, one.boxes, one.eyes, float("nan"))

    return _recall(len(photos), photo, detector, min_iou, progress)


def count_false_alarms(
    data: str | Path, detector: FaceDetector, last: int | None = None, progress: Progress | None = None
) -> FalseAlarms:
    """Count detections over the photos of a folder or zip file in which there is no face.

    Parameters
    ----------
    data : str or Path
    detector : FaceDetector
    last : int, optional
        Only so many photos, the last in sorted order.
    progress : callable, optional

    Raises
    ------
    UnusableInput
        If there is no photo, or one cannot be read.
    """
    files = FileCollection(data)
    names = files.photos() if last is None else files.photos()[-last:]
    if not names:
        raise UnusableInput(f"{data}: no photo in it")
    where, boxes, scores, seconds = [], [], [], []
    for index, name in enumerate(names):
        pixels = files.read_pixels(name)
        start = time.perf_counter()
        faces = detector.detect(pixels)
        seconds.append(time.perf_counter() - start)
        where += [name] * len(faces)
        boxes += [tuple(float(x) for x in np.round(face.box)) for face in faces]
        scores += [float(face.score) for face in faces]
        if progress is not None:
            progress(index + 1, len(names))
    latency_ms = 1000 * float(np.median(seconds))
    return FalseAlarms(len(where), len(names), tuple(where), tuple(boxes), tuple(scores), latency_ms)


def eye_centres(points68: FloatArray) -> FloatArray:
    """Centres of the right and the left eye (2, 2) of 68 points (68, 2)."""
    return np.stack([points68[36:42].mean(axis=0), points68[42:48].mean(axis=0)])


def matched(truth: FloatArray, found: FloatArray, min_iou: float = MIN_IOU) -> npt.NDArray[np.intp]:
    """Which detection is which annotated face, each detection serving at most one face.

    Parameters
    ----------
    truth, found : (N, 4), (M, 4) float
        Boxes x0, y0, x1, y1.
    min_iou : float
        Least intersection over union.

    Returns
    -------
    (N,) int
        Index of the detection, -1 for a face that was not found; from the pairing with the most matches, among these
        the one with the largest overlaps.
    """
    result = np.full(len(truth), -1, dtype=np.intp)
    if len(truth) and len(found):
        overlap = np.array([box_iou(box, found) for box in truth])
        enough = overlap >= min_iou
        # A match outweighs any sum of overlaps.
        rows, columns = linear_sum_assignment(np.where(enough, -len(truth) - overlap, 0.0))
        result[rows] = np.where(enough[rows, columns], columns, -1)
    return result


def read_annotations(path: str | Path) -> tuple[AnnotatedPhoto, ...]:
    """Read an annotation file of dlib's format: ``image`` elements with ``box`` elements with ``part`` elements.

    Boxes marked ``ignore`` are left out. Document types and entities are refused, so nothing expands or is fetched.

    Raises
    ------
    UnusableInput
        If the file is missing, too large, not such a file, or names a photo outside its folder.
    """
    path = Path(path)
    if not path.is_file() or path.stat().st_size > _MAX_XML_BYTES:
        raise UnusableInput(f"{path}: expected an XML file of at most {_MAX_XML_BYTES} bytes")
    photos: list[AnnotatedPhoto] = []
    boxes: list[FloatArray] = []
    eyes: list[FloatArray] = []
    parts: list[tuple[float, float]] = []
    current: dict[str, str] = {}

    def refuse(*_: object) -> None:
        raise ValueError("document types and entities are not accepted")

    def start(tag: str, values: dict[str, str]) -> None:
        if tag == "image":
            boxes.clear()
            eyes.clear()
            current["file"] = values["file"]
        elif tag == "box":
            parts.clear()
            current.update({"ignore": "0", **values})
        elif tag == "part":
            parts.append((float(values["x"]), float(values["y"])))

    def end(tag: str) -> None:
        if tag == "box" and current["ignore"] != "1":
            left, top, width, height = (float(current[side]) for side in ("left", "top", "width", "height"))
            points = np.array(parts)
            whole = len(parts) == 68
            boxes.append(square_box(points) if whole else np.array([left, top, left + width, top + height]))
            eyes.append(eye_centres(points) if whole else np.full((2, 2), np.nan))
        elif tag == "image":
            file = current["file"]
            if Path(file).is_absolute() or ".." in Path(file).parts:
                raise ValueError(f"the photo {file} lies outside the folder of the file")
            photos.append(AnnotatedPhoto(file, np.array(boxes).reshape(-1, 4), np.array(eyes).reshape(-1, 2, 2)))

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    try:
        parser.Parse(path.read_bytes(), True)
    except (expat.ExpatError, KeyError, ValueError) as error:
        raise UnusableInput(f"{path}: not an annotation file of dlib's format ({error})") from error
    if not photos:
        raise UnusableInput(f"{path}: holds no image element; expected an annotation file of dlib's format")
    return tuple(photos)


def _recall(
    count: int,
    photo: Callable[[int], _Truth],
    detector: FaceDetector,
    min_iou: float,
    progress: Progress | None,
) -> Recall:
    bin_found, bin_faces = np.zeros(3, dtype=int), np.zeros(3, dtype=int)
    other, seconds = 0, []
    missed: list[Miss] = []
    overlaps: list[float] = []
    eye_errors: list[float] = []
    for index in range(count):
        truth = photo(index)
        start = time.perf_counter()
        detections = detector.detect(truth.pixels)
        seconds.append(time.perf_counter() - start)
        boxes = np.array([face.box for face in detections]).reshape(-1, 4)
        match = matched(truth.boxes, boxes, min_iou)
        other += len(detections) - int((match >= 0).sum())
        for face, which in enumerate(match):
            box = truth.boxes[face]
            side, overlap = float((box[2:] - box[:2]).max()), box_iou(box, boxes)
            if which < 0:
                missed.append(Miss(truth.name, side, truth.yaw_deg, float(overlap.max(initial=0.0))))
                continue
            overlaps.append(float(overlap[which]))
            error = np.linalg.norm(detections[which].points5[:2] - truth.eyes[face], axis=1).mean()
            eye_errors.append(100 * float(error) / side)
        if np.isfinite(truth.yaw_deg):
            bin_found[yaw_bin(truth.yaw_deg)] += int((match >= 0).sum())
            bin_faces[yaw_bin(truth.yaw_deg)] += len(match)
        if progress is not None:
            progress(index + 1, count)
    found, faces = len(overlaps), len(overlaps) + len(missed)
    known = np.array(eye_errors)[np.isfinite(eye_errors)]
    return Recall(
        found=found,
        faces=faces,
        rate=100 * found / faces if faces else float("nan"),
        interval=wilson_interval(found, faces),
        bin_found=(int(bin_found[0]), int(bin_found[1]), int(bin_found[2])),
        bin_faces=(int(bin_faces[0]), int(bin_faces[1]), int(bin_faces[2])),
        missed=tuple(missed),
        median_iou=float(np.median(overlaps)) if overlaps else float("nan"),
        eye_error=float(known.mean()) if len(known) else float("nan"),
        other=other,
        latency_ms=1000 * float(np.median(seconds)),
    )

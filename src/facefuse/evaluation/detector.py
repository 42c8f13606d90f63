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
from facefuse.evaluation.metrics import yaw_bin
from facefuse.photos import read_photo

FloatArray = npt.NDArray[np.floating[Any]]
Progress = Callable[[int, int], None]

MIN_IOU = 0.4
_MAX_XML_BYTES = 50_000_000


@dataclass(frozen=True)
class Recall:
    """Share of annotated faces that were found.

    Attributes
    ----------
    found, faces : int
    rate : float
        Percent; NaN without faces.
    bin_found, bin_faces : (int, int, int)
        By yaw bin (`yaw_bin`); zeros where yaw is not known.
    missed : tuple of str
        The photo of each missed face.
    other : int
        Detections that match no annotated face: false alarms, or faces that nobody annotated.
    latency_ms : float
        Median time of a photo.
    """

    found: int
    faces: int
    rate: float
    bin_found: tuple[int, int, int]
    bin_faces: tuple[int, int, int]
    missed: tuple[str, ...]
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
    scores : tuple of float
        The score of each.
    latency_ms : float
        Median time of a photo.
    """

    alarms: int
    photos: int
    where: tuple[str, ...]
    scores: tuple[float, ...]
    latency_ms: float

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class AnnotatedPhoto:
    """A photo of an annotation file: its name, and (N, 4) face boxes in pixels from (0, 0)."""

    file: str
    boxes: FloatArray


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

    def photo(index: int) -> tuple[str, npt.NDArray[np.uint8], FloatArray, float]:
        sample = dataset[index]
        return sample.name, sample.pixels, square_box(sample.points[:, :2])[None], float(sample.angles[0])

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

    def photo(index: int) -> tuple[str, npt.NDArray[np.uint8], FloatArray, float]:
        one = photos[index]
        return one.file, read_photo(folder / one.file).pixels, one.boxes, float("nan")

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
    where, scores, seconds = [], [], []
    for index, name in enumerate(names):
        pixels = files.read_pixels(name)
        start = time.perf_counter()
        faces = detector.detect(pixels)
        seconds.append(time.perf_counter() - start)
        where += [name] * len(faces)
        scores += [float(face.score) for face in faces]
        if progress is not None:
            progress(index + 1, len(names))
    return FalseAlarms(len(where), len(names), tuple(where), tuple(scores), 1000 * float(np.median(seconds)))


def matched(truth: FloatArray, found: FloatArray, min_iou: float = MIN_IOU) -> npt.NDArray[np.bool_]:
    """Which annotated faces were found, each detection serving at most one face.

    Parameters
    ----------
    truth, found : (N, 4), (M, 4) float
        Boxes x0, y0, x1, y1.
    min_iou : float
        Least intersection over union.

    Returns
    -------
    (N,) bool
        From the pairing with the most matches.
    """
    result = np.zeros(len(truth), dtype=bool)
    if len(truth) and len(found):
        enough = np.array([box_iou(box, found) for box in truth]) >= min_iou
        rows, columns = linear_sum_assignment(~enough)
        result[rows] = enough[rows, columns]
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
    parts: list[tuple[float, float]] = []
    current: dict[str, str] = {}

    def refuse(*_: object) -> None:
        raise ValueError("document types and entities are not accepted")

    def start(tag: str, values: dict[str, str]) -> None:
        if tag == "image":
            boxes.clear()
            current["file"] = values["file"]
        elif tag == "box":
            parts.clear()
            current.update({"ignore": "0", **values})
        elif tag == "part":
            parts.append((float(values["x"]), float(values["y"])))

    def end(tag: str) -> None:
        if tag == "box" and current["ignore"] != "1":
            left, top, width, height = (float(current[side]) for side in ("left", "top", "width", "height"))
            whole = len(parts) == 68
            boxes.append(square_box(np.array(parts)) if whole else np.array([left, top, left + width, top + height]))
        elif tag == "image":
            file = current["file"]
            if Path(file).is_absolute() or ".." in Path(file).parts:
                raise ValueError(f"the photo {file} lies outside the folder of the file")
            photos.append(AnnotatedPhoto(file, np.array(boxes).reshape(-1, 4)))

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
    photo: Callable[[int], tuple[str, npt.NDArray[np.uint8], FloatArray, float]],
    detector: FaceDetector,
    min_iou: float,
    progress: Progress | None,
) -> Recall:
    bin_found, bin_faces = np.zeros(3, dtype=int), np.zeros(3, dtype=int)
    found, faces, other, missed, seconds = 0, 0, 0, [], []
    for index in range(count):
        name, pixels, truth, yaw = photo(index)
        start = time.perf_counter()
        detections = detector.detect(pixels)
        seconds.append(time.perf_counter() - start)
        hit = matched(truth, np.array([face.box for face in detections]).reshape(-1, 4), min_iou)
        found, faces, other = found + int(hit.sum()), faces + len(hit), other + len(detections) - int(hit.sum())
        missed += [name] * int((~hit).sum())
        if np.isfinite(yaw):
            bin_found[yaw_bin(yaw)] += int(hit.sum())
            bin_faces[yaw_bin(yaw)] += len(hit)
        if progress is not None:
            progress(index + 1, count)
    return Recall(
        found=found,
        faces=faces,
        rate=100 * found / faces if faces else float("nan"),
        bin_found=(int(bin_found[0]), int(bin_found[1]), int(bin_found[2])),
        bin_faces=(int(bin_faces[0]), int(bin_faces[1]), int(bin_faces[2])),
        missed=tuple(missed),
        other=other,
        latency_ms=1000 * float(np.median(seconds)),
    )

"""All figures of a face detector over a folder of data sets."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from facefuse.detection.find import find_faces
from facefuse.detection.types import DetectedFace, FaceDetector, LandmarkDetector
from facefuse.errors import UnusableInput
from facefuse.evaluation.detector import (
    FalseAlarms,
    Progress,
    Recall,
    count_false_alarms,
    recall_on_aflw2000,
    recall_on_annotations,
)
from facefuse.photos import Photo

BACKGROUNDS_KEPT_FOR_TESTING = 57
"""The last backgrounds in sorted order are not trained on."""
TIMED_SIZES = ((480, 640), (866, 1155))
"""Height and width in pixels of the photos that are timed; the second has one megapixel."""
_PARTS = {
    "AFLW2000-3D": "aflw2000",
    "groups": "photos/groups/*.xml",
    "backgrounds": "backgrounds/photos.zip",
    "no_face": "photos/no_face",
}


class CheckedDetector:
    """A detector with the landmark network's opinion: what `find_faces` returns of a photo.

    Parameters
    ----------
    detector : FaceDetector
    landmarks : LandmarkDetector
    """

    def __init__(self, detector: FaceDetector, landmarks: LandmarkDetector) -> None:
        self._networks = (detector, landmarks)

    def detect(self, pixels: npt.NDArray[np.uint8]) -> list[DetectedFace]:
        """Faces that both networks take for one."""
        return [face for face, _ in find_faces(Photo(pixels), *self._networks)]


@dataclass(frozen=True)
class DetectorFigures:
    """What a detector finds, what it mistakes for faces, and how long it takes.

    Attributes
    ----------
    recall : dict of str to Recall
        By data set: ``AFLW2000-3D``, ``groups``; what the folder does not hold is left out.
    false_alarms : dict of str to FalseAlarms
        Likewise: ``backgrounds``, ``no_face``.
    milliseconds : dict of str to float
        Median processor time by size of the photo, ``640x480`` and ``1155x866``; of a detector on one thread this is
        the time that a photo takes on an idle machine.
    """

    recall: dict[str, Recall]
    false_alarms: dict[str, FalseAlarms]
    milliseconds: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain values for JSON."""
        return asdict(self)


def evaluate_detector(data: str | Path, detector: FaceDetector, progress: Progress | None = None) -> DetectorFigures:
    """Measure a detector on the data sets of a folder.

    Parameters
    ----------
    data : str or Path
        Folder with some of ``aflw2000/`` (`AflwDataset`: its zip file or photos), ``photos/groups/*.xml`` (annotation
        file of dlib's format beside its photos), ``backgrounds/photos.zip`` (photos without faces, of which the last
        57 are used) and ``photos/no_face/``.
    detector : FaceDetector
    progress : callable, optional
        Called with the number of photos done and their total, for each data set.

    Raises
    ------
    UnusableInput
        If the folder holds none of them, or one cannot be read.
    """
    folder = Path(data)
    found = {name: path for name, pattern in _PARTS.items() for path in sorted(folder.glob(pattern))[:1]}
    if not found:
        raise UnusableInput(f"{data}: holds none of {', '.join(_PARTS.values())}; give the folder of these data sets")
    recall: dict[str, Recall] = {}
    alarms: dict[str, FalseAlarms] = {}
    if "AFLW2000-3D" in found:
        archives = sorted(found["AFLW2000-3D"].glob("*.zip"))
        source = archives[0] if archives else found["AFLW2000-3D"]
        recall["AFLW2000-3D"] = recall_on_aflw2000(source, detector, progress=progress)
    if "groups" in found:
        recall["groups"] = recall_on_annotations(found["groups"], detector, progress=progress)
    if "backgrounds" in found:
        alarms["backgrounds"] = count_false_alarms(
            found["backgrounds"], detector, BACKGROUNDS_KEPT_FOR_TESTING, progress=progress
        )
    if "no_face" in found:
        alarms["no_face"] = count_false_alarms(found["no_face"], detector, progress=progress)
    times = {f"{width}x{height}": median_ms(detector, height, width) for height, width in TIMED_SIZES}
    return DetectorFigures(recall, alarms, times)


def median_ms(detector: FaceDetector, height: int, width: int, repeats: int = 30) -> float:
    """Median processor time in milliseconds of a warm call on a smooth random photo of this size."""
    small = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    photo = np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))
    times = []
    for _ in range(repeats + 3):
        start = time.process_time()
        detector.detect(photo)
        times.append(time.process_time() - start)
    return 1000 * float(np.median(times[3:]))

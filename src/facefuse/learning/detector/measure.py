"""Measure a detector: recall, false alarms, time. `python -m facefuse.learning.detector.measure --data DIR`."""

from __future__ import annotations

import io
import json
import sys
import time
import xml.etree.ElementTree as ElementTree
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import tyro
from PIL import Image

from facefuse.detection.adapters.yunet import YuNetDetector
from facefuse.detection.faces import FaceNetwork
from facefuse.detection.types import FaceDetector
from facefuse.learning.detector.data import U8, face_square, read_backgrounds

MATCH_IOU = 0.4


@dataclass(frozen=True)
class Miss:
    """An annotated face that was not found.

    `best_iou` is the largest IoU with any detected face: 0 means that nothing was seen there.
    """

    file: str
    yaw_deg: float
    side_px: float
    best_iou: float


def box_iou(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boxes (4,) x0, y0, x1, y1."""
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    common = float(np.prod(np.maximum(high - low, 0)))
    return common / float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - common)


def square_box(points68: np.ndarray) -> np.ndarray:
    """Box (4,) of the square about points (68, 2)."""
    x, y, side = face_square(points68)
    return np.array([x - side / 2, y - side / 2, x + side / 2, y + side / 2])


def read(data: bytes) -> U8:
    """Pixels of an encoded image."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def aflw2000(detector: FaceDetector, data: Path) -> dict[str, object]:
    """Recall on the AFLW2000 photos, in all and by yaw, with the misses; and the IoU and point errors of the found."""
    protocol = np.load(data / "aflw2000" / "protocol.npz")
    names, truth = protocol["names"], protocol["landmarks68"]
    yaw = np.abs((protocol["yaw_deg"] + 180.0) % 360.0 - 180.0)
    hit = np.zeros(len(names), bool)
    ious, misses, extra, eye_errors = [], [], 0, []
    with zipfile.ZipFile(data / "aflw2000" / "AFLW2000-3D.zip") as archive:
        for k, name in enumerate(names):
            faces = detector.detect(read(archive.read(f"AFLW2000/{name}.jpg")))
            points = truth[k, :2].T
            box = square_box(points)
            overlap = [box_iou(face.box, box) for face in faces]
            best = max(overlap, default=0.0)
            hit[k] = best >= MATCH_IOU
            extra += sum(o < MATCH_IOU for o in overlap)
            if hit[k]:
                face = faces[int(np.argmax(overlap))]
                ious.append(best)
                eyes = np.stack([points[36:42].mean(0), points[42:48].mean(0)])
                eye_errors.append(np.linalg.norm(face.points5[:2] - eyes, axis=1).mean() / (box[2] - box[0]))
            else:
                misses.append(Miss(str(name), float(yaw[k]), float(box[2] - box[0]), round(best, 2)))
    bins = {"0-30": yaw < 30, "30-60": (yaw >= 30) & (yaw < 60), "60-90": yaw >= 60}
    return {
        "photos": len(names),
        "recall": float(hit.mean()),
        **{f"recall_yaw_{key}": float(hit[mask].mean()) for key, mask in bins.items()},
        "median_iou": float(np.median(ious)),
        "eye_error_percent_of_side": 100 * float(np.mean(eye_errors)),
        "other_detections": extra,
        "misses": [asdict(m) for m in misses],
    }


def groups(detector: FaceDetector, data: Path) -> dict[str, object]:
    """Recall of the annotated faces in the group photos."""
    folder = data / "photos" / "groups"
    found, total, others, misses = 0, 0, 0, []
    for entry in ElementTree.parse(folder / "training_with_face_landmarks.xml").getroot().iter("image"):
        file = entry.attrib["file"]
        if not (folder / file).is_file():
            continue
        faces = detector.detect(read((folder / file).read_bytes()))
        matched = set()
        for annotated in entry.iter("box"):
            points = np.array([[float(p.attrib["x"]), float(p.attrib["y"])] for p in annotated.iter("part")])
            overlap = [box_iou(face.box, square_box(points)) for face in faces]
            total += 1
            if max(overlap, default=0.0) >= MATCH_IOU:
                found += 1
                matched.add(int(np.argmax(overlap)))
            else:
                misses.append(Miss(file, float("nan"), face_square(points)[2], round(max(overlap, default=0.0), 2)))
        others += len(faces) - len(matched)
    return {"annotated": total, "found": found, "not_annotated": others, "misses": [asdict(m) for m in misses]}


def false_alarms(detector: FaceDetector, data: Path) -> dict[str, object]:
    """Detections in the last backgrounds and in the photos without a human face."""
    alarms = []
    _, _, last = read_backgrounds(data)
    photos = [(f"background {k}", pixels) for k, pixels in enumerate(last)]
    photos += [(p.name, read(p.read_bytes())) for p in sorted((data / "photos" / "no_face").iterdir())]
    for name, pixels in photos:
        alarms += [
            {"photo": name, "box": face.box.round().tolist(), "score": face.score} for face in detector.detect(pixels)
        ]
    return {"photos": len(photos), "false_alarms": len(alarms), "where": alarms}


def median_ms(detector: FaceDetector, height: int, width: int, repeats: int = 30) -> float:
    """Median processor time of one call on a random smooth photo of this size, in milliseconds.

    The detectors measured here run on one thread, where this is the time that a call takes on an idle machine.
    """
    small = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    photo = np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))
    times = []
    for _ in range(repeats):
        started = time.process_time()
        detector.detect(photo)
        times.append(time.process_time() - started)
    return 1000 * float(np.median(times[3:]))


def main(
    data: Path,
    model: Path | None = None,
    yunet: Path | None = None,
    threshold: float | None = None,
    out: Path | None = None,
) -> None:
    """Print the figures of the shipped detector, of another file, or of YuNet, on one thread.

    Parameters
    ----------
    data
        Folder with aflw2000/, backgrounds/ and photos/.
    model
        ONNX file of the built-in kind, instead of the shipped one.
    yunet
        YuNet file to measure instead.
    threshold
        Least score, instead of the detector's default.
    out
        JSON file to write as well.
    """
    given = {} if threshold is None else {"threshold": threshold}
    detector: FaceDetector = (
        FaceNetwork(model, threads=1, **given) if yunet is None else YuNetDetector(yunet, threads=1, **given)
    )
    result = {
        "aflw2000": aflw2000(detector, data),
        "groups": groups(detector, data),
        "face_free": false_alarms(detector, data),
        "ms_640x480": median_ms(detector, 480, 640),
        "ms_1_megapixel": median_ms(detector, 866, 1155),
    }
    text = json.dumps(result, indent=1)
    sys.stdout.write(text + "\n")
    if out is not None:
        out.write_text(text)


if __name__ == "__main__":
    tyro.cli(main)

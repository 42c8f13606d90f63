"""Measure the shipped detector and landmark network and print the tables of docs/benchmarks.

    python scripts/measure_detection.py DATA

DATA is a folder with ``aflw2000/AFLW2000-3D.zip`` (and ``protocol.npz``), ``photos/groups/*.xml``, ``photos/no_face``
and ``backgrounds/photos.zip``; tables whose data are absent are left out.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from facefuse.detection.faces import FaceNetwork
from facefuse.detection.landmarks import LandmarkNetwork
from facefuse.detection.types import DetectedFace, FaceDetector
from facefuse.evaluation.aflw2000 import AflwDataset
from facefuse.evaluation.alignment import AflwResult, evaluate_landmarks, fit_predictor, landmark_predictor
from facefuse.evaluation.detector import Recall
from facefuse.evaluation.detector_figures import CheckedDetector, DetectorFigures, evaluate_detector
from facefuse.evaluation.metrics import NmeSummary
from facefuse.morphable import load_model

TRUTHS = (
    ("original ground truth", "original"),
    ("re-annotated ground truth", "reannotated"),
    ("3D, original ground truth, mean-z", "nme_3d"),
)


class RememberingDetector:
    """A detector that looks at each photo once, however many methods start from its boxes."""

    def __init__(self, detector: FaceDetector) -> None:
        self._detector = detector
        self._found: dict[bytes, list[DetectedFace]] = {}

    def detect(self, pixels: npt.NDArray[np.uint8]) -> list[DetectedFace]:
        """Faces of a photo."""
        key = hashlib.sha256(pixels.tobytes()).digest()
        if key not in self._found:
            self._found[key] = self._detector.detect(pixels)
        return self._found[key]


def main() -> int:
    """Print every table whose data are there."""
    parser = argparse.ArgumentParser(description="Measure the shipped detector and landmark network.")
    parser.add_argument("data", type=Path, help="the folder of data sets")
    parser.add_argument("--skip-fit", action="store_true", help="leave out the 3D fit, which takes longest")
    options = parser.parse_args()
    detector, landmarks = FaceNetwork(threads=1), LandmarkNetwork(threads=1)
    print_detection(options.data, detector, landmarks)
    print_alignment(options.data, detector, landmarks, with_fit=not options.skip_fit)
    return 0


def print_detection(data: Path, detector: FaceNetwork, landmarks: LandmarkNetwork) -> None:
    """Recall, false alarms and latency of the detector, alone and with the landmark network's score."""
    both: dict[str, FaceDetector] = {
        "network": detector,
        "network + landmark score": CheckedDetector(detector, LandmarkNetwork(passes=2, threads=1)),
    }
    figures = {name: evaluate_detector(data, one) for name, one in both.items()}
    say("| detector | photos | faces | recall % [95 %] | ≤30° | 30–60° | >60° | IoU | other detections | median ms |")
    say("|---|---|---|---|---|---|---|---|---|---|")
    for name, found in figures.items():
        for photos, recall in found.recall.items():
            say(recall_row(name, photos, recall))
    say()
    say("| detector | face-free photos | false alarms | where (score) |")
    say("|---|---|---|---|")
    for name, found in figures.items():
        for photos, alarms in found.false_alarms.items():
            where = ", ".join(f"{w} ({s:.2f})" for w, s in zip(alarms.where, alarms.scores, strict=True))
            say(f"| {name} | {alarms.photos} of {photos} | {alarms.alarms} | {where} |")
    say()
    print_misses(figures["network"])
    times = ", ".join(f"{size.replace('x', '×')} {ms:.1f} ms" for size, ms in figures["network"].milliseconds.items())
    say(f"Detector, one thread, processor time: {times}.")
    noise = np.random.default_rng(0).integers(0, 255, (480, 640, 3), dtype=np.uint8)
    box = np.array([200.0, 120, 440, 360])
    say(f"Landmarks, one face, one thread: {median_ms(lambda: landmarks.landmarks(noise, box)):.1f} ms.")
    say()


def print_misses(found: DetectorFigures) -> None:
    """Every face that the detector alone misses."""
    say("| missed | yaw | side of the face | best IoU |")
    say("|---|---|---|---|")
    for recall in found.recall.values():
        for miss in recall.missed:
            yaw = f"{miss.yaw_deg:.0f}°" if np.isfinite(miss.yaw_deg) else ""
            say(f"| {miss.photo} | {yaw} | {miss.side_px:.0f} px | {miss.best_iou:.2f} |")
    say()


def print_alignment(data: Path, detector: FaceNetwork, landmarks: LandmarkNetwork, with_fit: bool) -> None:
    """NME on AFLW2000-3D for the landmark network and the 3D fit, from published and detected boxes."""
    path = data / "aflw2000" / "AFLW2000-3D.zip"
    if not path.is_file():
        return
    dataset = AflwDataset(path)
    boxes = RememberingDetector(detector)
    once, twice = landmark_predictor(landmarks), landmark_predictor(LandmarkNetwork(passes=2, threads=1))
    results = [
        evaluate_landmarks(dataset, once, "landmarks, one pass", "published"),
        evaluate_landmarks(dataset, once, "landmarks, one pass", "detector", boxes),
        evaluate_landmarks(dataset, twice, "landmarks, two passes", "detector", boxes),
    ]
    if with_fit:
        fit = fit_predictor(landmarks, load_model())
        results.append(evaluate_landmarks(dataset, fit, "fit", "published"))
        results.append(evaluate_landmarks(dataset, fit, "fit", "detector", boxes))
    for title, key in TRUTHS:
        chosen = [(one, getattr(one, key)) for one in results if getattr(one, key) is not None]
        if chosen:
            say(f"NME %, {title}, {len(dataset)} photos")
            say()
            say(
                "| method | boxes | ≤30° | 30–60° | >60° | balanced [95 %] | plain [95 %] | >10 % | AUC | missed | ms |"
            )
            say("|---|---|---|---|---|---|---|---|---|---|---|")
            for one, summary in chosen:
                say(nme_row(one, summary))
            say()
    posed = [one for one in results if one.pose is not None]
    if posed:
        say("| method | boxes | yaw° | pitch° | roll° | mean° | bias yaw, pitch, roll | photos |")
        say("|---|---|---|---|---|---|---|---|")
        for one in posed:
            assert one.pose is not None
            p = one.pose
            errors = f"{p.yaw:.2f} | {p.pitch:.2f} | {p.roll:.2f} | {p.mean:.2f}"
            bias = ", ".join(f"{b:+.2f}" for b in p.bias)
            say(f"| {one.method} | {one.boxes} | {errors} | {bias} | {p.count} |")
        say()
    worst = results[0]
    order = np.argsort(-worst.errors)[:8]
    say("Worst photos of the first row: " + ", ".join(f"{worst.names[k]} {worst.errors[k]:.1f} %" for k in order))


def recall_row(name: str, photos: str, recall: Recall) -> str:
    """One row of the recall table."""
    bins = [f"{100 * f / n:.1f} ({n})" if n else "–" for f, n in zip(recall.bin_found, recall.bin_faces, strict=True)]
    low, high = recall.interval
    share = f"{recall.rate:.1f} [{low:.1f}, {high:.1f}]"
    return (
        f"| {name} | {photos} | {recall.faces} | {share} | {' | '.join(bins)} | {recall.median_iou:.2f} | "
        f"{recall.other} | {recall.latency_ms:.1f} |"
    )


def nme_row(one: AflwResult, s: NmeSummary) -> str:
    """One row of an NME table."""
    bins = " | ".join(f"{value:.2f}" for value in s.bins)
    return (
        f"| {one.method} | {one.boxes} | {bins} | **{s.balanced:.2f}** [{s.balanced_interval[0]:.2f}, "
        f"{s.balanced_interval[1]:.2f}] | {s.mean:.2f} [{s.mean_interval[0]:.2f}, {s.mean_interval[1]:.2f}] | "
        f"{s.failure_rate:.1f} | {s.auc:.3f} | {s.missed} | {one.latency_ms:.1f} |"
    )


def median_ms(call: Callable[[], object], repeats: int = 30) -> float:
    """Median time of a warm call."""
    times = []
    for _ in range(repeats + 3):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times[3:]))


def say(line: str = "") -> None:
    """Write a line of the report."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

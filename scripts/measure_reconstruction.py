"""Measure reconstructed shape against a scan and against itself, and print the tables of docs/benchmarks.

    python scripts/measure_reconstruction.py DATA

DATA is a folder with ``scans/lee_perry_smith``, ``multiview/zoom`` and ``multiview/pixel_face_crops``; tables whose
data are absent are left out.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from facefuse.evaluation.agreement import mesh_agreement
from facefuse.evaluation.mesh_files import NOW_LANDMARKS
from facefuse.evaluation.multiview import evaluate_multiview
from facefuse.evaluation.people import find_people, see_face
from facefuse.evaluation.scan import DistanceSummary, ScanEvaluation, evaluate_scan
from facefuse.fitting import FaceFit, FitOptions, fit_face
from facefuse.geometry import Mesh
from facefuse.methods import METHODS, SeenFace
from facefuse.morphable import FaceModel, load_model

FloatArray = npt.NDArray[np.floating[Any]]

LPS_CHOICES = {"frontal": (2,), "frontal and both sides (±35°)": (1, 2, 3), "all seven": tuple(range(7))}


def main() -> int:
    """Print every table whose data are there."""
    parser = argparse.ArgumentParser(description="Measure reconstructed shape against a scan and against itself.")
    parser.add_argument("data", type=Path, help="the folder of data sets")
    data = parser.parse_args().data
    model = load_model()
    print_scan(data / "scans" / "lee_perry_smith", model)
    print_zoom(data / "multiview" / "zoom", model)
    print_people(data / "multiview" / "pixel_face_crops")
    return 0


def print_scan(folder: Path, model: FaceModel) -> None:
    """Scan-to-mesh distance of the mean face and of heads from one, three and seven photos."""
    if not folder.is_dir():
        return
    (person,) = find_people(folder)
    scan, photos = person.read_scan(), person.photos
    if scan is None:
        return
    seen = [see_face(photo) for photo in photos]
    heads = {"mean face": model.vertices()}
    heads |= {name: head(model, [seen[k] for k in which]) for name, which in LPS_CHOICES.items()}
    heads |= {
        f"{photos[k].name} alone": head(model, [seen[k]]) for k in range(len(photos)) if (k,) != LPS_CHOICES["frontal"]
    }
    say("LeePerrySmith, scan to mesh, mm, median / mean (rms)")
    say()
    say("| head | similarity, ICP on 90 % | own scale | ICP on all | mesh to scan | scale found |")
    say("|---|---|---|---|---|---|")
    for name, vertices in heads.items():
        points = model.landmarks(vertices)[list(NOW_LANDMARKS)]
        say(scan_row(name, evaluate_scan(Mesh(vertices, model.triangles), scan.mesh, points, scan.landmarks)))
    say()


def print_zoom(folder: Path, model: FaceModel) -> None:
    """Agreement of the heads made from single photos of one person at growing distance."""
    photos = sorted(folder.glob("*.jpg"))
    if len(photos) < 2:
        return
    seen = [see_face(photo) for photo in photos]
    say("One person from several distances, each photo alone: distance between the heads over the face, mm RMS")
    say()
    names = [photo.stem for photo in photos]
    pairs = list(itertools.combinations(range(len(photos)), 2))
    say(
        "| camera | "
        + " | ".join(f"{names[a]}–{names[b]}" for a, b in pairs)
        + " | mean of pairs | from the mean face | width / length |"
    )
    say("|---|" + "---|" * (len(pairs) + 3))
    kinds: tuple[Literal["perspective", "orthographic"], ...] = ("perspective", "orthographic")
    for camera in kinds:
        fits = [fit_face(model, [one.observation()], FitOptions(camera=camera)) for one in seen]
        heads = [model.vertices(fit.identity) for fit in fits]
        apart = [mesh_agreement(heads[a], heads[b], model.face_mask).rms for a, b in pairs]
        own = np.mean([mesh_agreement(one, model.vertices(), model.face_mask).rms for one in heads])
        proportions = " ".join(f"{face_proportion(model, one):.3f}" for one in heads)
        say(
            f"| {camera} | "
            + " | ".join(f"{rms:.2f}" for rms in apart)
            + f" | {np.mean(apart):.2f} | {own:.2f} | {proportions} |"
        )
        if camera == "perspective":
            distances = ", ".join(
                f"{name} {eye_distance(fit) / 10:.0f} cm" for name, fit in zip(names, fits, strict=True)
            )
    say()
    say(f"Camera distances found with perspective: {distances}.")
    say()


def print_people(folder: Path) -> None:
    """Agreement of heads of one person from disjoint photos, against the distance between people."""
    agreement = evaluate_multiview(folder, method="fit").agreement if folder.is_dir() else None
    if agreement is None:
        return
    say("People from disjoint photos: distance between the heads over the face, mm RMS")
    say()
    say("| same person | mean | different people (min – mean) | same closer than different |")
    say("|---|---|---|---|")
    listed = ", ".join(f"{who} {rms:.2f}" for who, rms in agreement.same.items())
    mean = float(np.mean(list(agreement.same.values())))
    others = f"{agreement.nearest:.2f} – {agreement.different:.2f}"
    say(f"| {listed} | {mean:.2f} | {others} | {100 * agreement.separation:.0f} % |")
    say()


def head(model: FaceModel, seen: Sequence[SeenFace]) -> FloatArray:
    """Vertices of the neutral head that explains the landmarks."""
    vertices: FloatArray = model.vertices(METHODS["fit"](model, seen, "per-photo").identity)
    return vertices


def eye_distance(fit: FaceFit) -> float:
    """Distance from the camera to the model's origin, mm."""
    return float(np.linalg.norm(fit.photos[0].camera.translation))


def face_proportion(model: FaceModel, vertices: FloatArray) -> float:
    """Width between the ears over the length from nose root to chin: perspective taken for shape changes it."""
    points = model.landmarks(vertices)
    return float(np.linalg.norm(points[16] - points[0]) / np.linalg.norm(points[27] - points[8]))


def scan_row(name: str, found: ScanEvaluation) -> str:
    """One row of the scan table."""
    summaries = [found.similarity.summary, found.rigid.summary, found.untrimmed.summary, found.reverse]
    cells = " | ".join(distance_cell(one) for one in summaries)
    return f"| {name} | {cells} | {found.similarity.similarity.scale:.3f} |"


def distance_cell(summary: DistanceSummary | None) -> str:
    """Median, mean and root mean square of distances."""
    return "–" if summary is None else f"{summary.median:.2f} / {summary.mean:.2f} ({summary.rms:.2f})"


def say(line: str = "") -> None:
    """Write a line of the report."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

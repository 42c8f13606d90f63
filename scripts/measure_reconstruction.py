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

from facefuse.detection.find import find_faces
from facefuse.errors import NoFaceFound
from facefuse.evaluation.agreement import mesh_agreement
from facefuse.evaluation.mesh_files import NOW_LANDMARKS, read_landmarks, read_mesh
from facefuse.evaluation.scan import DistanceSummary, ScanEvaluation, evaluate_scan
from facefuse.fitting import FaceFit, FitOptions, Observation, fit_face
from facefuse.geometry import Mesh
from facefuse.morphable import FaceModel, load_model
from facefuse.photos import read_photo

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
    print_people(data / "multiview" / "pixel_face_crops", model)
    return 0


def print_scan(folder: Path, model: FaceModel) -> None:
    """Scan-to-mesh distance of the mean face and of heads from one, three and seven photos."""
    if not folder.is_dir():
        return
    scan, landmarks = read_mesh(folder / "scan.ply"), read_landmarks(folder / "scan_landmarks7.txt")
    photos = sorted((folder / "photos").glob("*.jpg"))
    seen = [observe(photo) for photo in photos]
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
        say(scan_row(name, evaluate_scan(Mesh(vertices, model.triangles), scan, points, landmarks)))
    say()


def print_zoom(folder: Path, model: FaceModel) -> None:
    """Agreement of the heads made from single photos of one person at growing distance."""
    photos = sorted(folder.glob("*.jpg"))
    if len(photos) < 2:
        return
    seen = [observe(photo) for photo in photos]
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
        fits = [fit_face(model, [one], FitOptions(camera=camera)) for one in seen]
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


def print_people(folder: Path, model: FaceModel) -> None:
    """Agreement of heads of one person from disjoint views, against the distance between people."""
    if not folder.is_dir():
        return
    people = {one.name: [observe(photo) for photo in sorted(one.glob("*.png"))] for one in sorted(folder.iterdir())}
    first = {name: head(model, views[:1]) for name, views in people.items()}
    second = {name: head(model, views[1:2]) for name, views in people.items()}
    third = {name: head(model, views[2:]) for name, views in people.items()}
    pair = {name: head(model, [views[0], views[2]]) for name, views in people.items()}
    say("People from disjoint views: distance between the heads over the face, mm RMS")
    say()
    say("| views | same person | mean | different people (min – mean) | from the mean face |")
    say("|---|---|---|---|---|")
    views = {
        "0 and 1": (first, second),
        "1 and 2": (second, third),
        "0 and 2": (first, third),
        "1 and 0+2": (second, pair),
    }
    for name, (a, b) in views.items():
        same = [mesh_agreement(a[who], b[who], model.face_mask).rms for who in people]
        other = [mesh_agreement(a[x], b[y], model.face_mask).rms for x, y in itertools.permutations(people, 2)]
        own = np.mean([mesh_agreement(a[who], model.vertices(), model.face_mask).rms for who in people])
        listed = ", ".join(f"{who} {rms:.2f}" for who, rms in zip(people, same, strict=True))
        say(f"| {name} | {listed} | {np.mean(same):.2f} | {min(other):.2f} – {np.mean(other):.2f} | {own:.2f} |")
    say()


def observe(path: Path) -> Observation:
    """Read a photo and find the landmarks of its largest face."""
    photo = read_photo(path)
    faces = find_faces(photo)
    if not faces:
        raise NoFaceFound(f"{path}: no face found")
    found = faces[0][1]
    return Observation(
        found.points68,
        found.sigma68,
        found.mesh,
        found.mesh_sigma,
        found.mesh_indices,
        size=(photo.width, photo.height),
        focal_px=photo.focal_px,
    )


def head(model: FaceModel, observations: Sequence[Observation]) -> FloatArray:
    """Vertices of the neutral head that explains the observations."""
    vertices: FloatArray = model.vertices(fit_face(model, observations).identity)
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

"""The main job on one photo of 1 megapixel: every station warm, and the whole command in fresh processes."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image
from skimage import data
from timing import median_ms, processor_ms

from facefuse.detection.find import default_detector, default_landmark_detector, find_faces
from facefuse.export.glb import head_to_glb
from facefuse.export.writer import save
from facefuse.fitting.fit import fit_face
from facefuse.fitting.types import Observation
from facefuse.photos import read_photo
from facefuse.reconstruction import reconstruct
from facefuse.texturing.bake import bake_texture

SIDE = 1000


def _process(words: list[str], environment: dict[str, str]) -> tuple[float, float, float]:
    """Seconds by the clock, seconds of processor time and peak memory in MB of one ``facefuse`` process."""
    start = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, "-m", "facefuse", *words],
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(child.pid, 0)
    if status != 0:
        raise RuntimeError(f"facefuse {' '.join(words)} ended with {os.waitstatus_to_exitcode(status)}")
    return time.perf_counter() - start, used.ru_utime + used.ru_stime, _megabytes(used)


def _megabytes(used: resource.struct_rusage) -> float:
    return used.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def run() -> list[tuple[str, float, str]]:
    """Return (name, value, unit) rows."""
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder) / "portrait.jpg", str(Path(folder) / "out")
        Image.fromarray(data.astronaut()).resize((SIDE, SIDE)).save(path, quality=90)
        return [*_stations(path, out), *_processes(path, out, Path(folder) / "kernels")]


def _stations(path: Path, out: str) -> list[tuple[str, float, str]]:
    head = reconstruct(path)
    seen = head.photos[0]
    pixels, marks = seen.photo.pixels, seen.landmarks
    observation = Observation(
        marks.points68, marks.sigma68, marks.mesh, marks.mesh_sigma, marks.mesh_indices, (SIDE, SIDE)
    )
    detector, network = default_detector(), default_landmark_detector(passes=2)
    posed = head.posed_mesh(0).vertices
    to_glb = partial(_whole, path, out, formats=("glb",), report=False)
    to_everything = partial(_whole, path, out)
    stations: dict[str, Callable[[], Any]] = {
        "read (JPEG)": lambda: read_photo(path),
        "detect": lambda: detector.detect(pixels),
        "landmarks, two passes": lambda: network.landmarks(pixels, seen.face.box),
        "detect and landmarks, false detections included": lambda: find_faces(seen.photo),
        "fit one photo": lambda: fit_face(head.model, [observation]),
        "fit three photos": lambda: fit_face(head.model, [observation] * 3),
        "texture 1024": lambda: bake_texture(head.model, [posed], [seen.camera], [pixels], 1024, [1.0]),
        "export GLB": lambda: head_to_glb(head),
        "export everything": lambda: save(head, out),
        "photo to GLB, overlay and JSON, warm": to_glb,
        "photo to everything, warm": to_everything,
    }
    rows = [(name, median_ms(call), "ms") for name, call in stations.items()]
    rows.append(("photo to GLB, overlay and JSON, processor time", processor_ms(to_glb), "ms"))
    rows.append(("photo to everything, processor time", processor_ms(to_everything), "ms"))
    return rows


def _whole(path: Path, out: str, **options: Any) -> None:
    """Do what the command does with a photo."""
    save(reconstruct(path), out, **options)


def _processes(path: Path, out: str, kernels: Path) -> list[tuple[str, float, str]]:
    words = ["reconstruct", str(path), "--out", out, "--quiet"]
    cache = {"NUMBA_CACHE_DIR": str(kernels)}
    first, *_ = _process(words, cache)
    later = [_process(words, cache) for _ in range(3)]
    help_only = [_process(["--help"], cache)[0] for _ in range(3)]
    return [
        ("command, very first run (compiles)", first, "s"),
        ("command, cold process", statistics.median(seconds for seconds, _, _ in later), "s"),
        ("command, cold process, processor time", min(seconds for _, seconds, _ in later), "s"),
        ("command, peak memory", statistics.median(memory for *_, memory in later), "MB"),
        ("facefuse --help", 1e3 * statistics.median(help_only), "ms"),
    ]

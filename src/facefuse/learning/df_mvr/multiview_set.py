"""The synthetic multi-view test set: people of the full ICT-FaceKit model, photographed, with their true faces.

    python -m facefuse.learning.df_mvr.multiview_set --ict ict_facekit_light.npz --out DIR [--textures DIR]
        [--backgrounds ZIP] [--people 200] [--views 5] [--size 448]

It writes ``DIR/synchronous`` and ``DIR/asynchronous``, each a data set for ``facefuse evaluate multiview``: one folder
per person with ``photos``, ``scan.ply`` (points of the true neutral face), ``scan_landmarks7.txt`` and ``head.ply``
(the whole true head). The people are the same in both; an interrupted run goes on where it stopped. Training must not
draw from the series `SEED`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import trimesh
from PIL import Image

from facefuse.evaluation.mesh_files import NOW_LANDMARKS
from facefuse.evaluation.people import LANDMARKS_NAME
from facefuse.learning.synthesis.generator import Settings, Synthesizer
from facefuse.learning.synthesis.identity import IdentitySource, convert_ict
from facefuse.learning.synthesis.sample import SyntheticPhoto, SyntheticRig
from facefuse.morphable.model import FaceModel
from facefuse.morphable.registry import load_model

FloatArray = npt.NDArray[np.floating[Any]]

SEED = 982_451_653
"""The series of random people and photos that is kept for testing."""
SCAN_STEP = 3
"""Every so many vertices of the true face are measured: about 1300 points tell as much as all of them, sooner."""


def neutral_head(model: FaceModel, photo: SyntheticPhoto) -> FloatArray:
    """Take the expression off the true head of a photo: (V, 3) mm; exact, expressions being displacements."""
    moved = np.asarray(model.vertices(None, photo.expression), dtype=float) - np.asarray(model.mean, dtype=float)
    head: FloatArray = np.asarray(photo.vertices, dtype=float) - moved
    return head


def view_order(count: int) -> list[int]:
    """Order views that go from left to right so that the first n of them look from as many sides as n can.

    The middle one comes first, then the outermost, then those between: of five, 2 0 4 1 3.
    """
    order = [(count - 1) // 2]
    left, right = 0, count - 1
    while len(order) < count:
        order += [view for view in dict.fromkeys((left, right)) if view not in order]
        left, right = left + 1, right - 1
    return order


def write_person(folder: Path, model: FaceModel, rig: SyntheticRig, order: list[int]) -> None:
    """Write one person's photos, in the given order, and truth; a folder is there once it is complete."""
    partial = folder.with_name(folder.name + ".partial")
    photos = partial / "photos"
    photos.mkdir(parents=True, exist_ok=True)
    for number, view in enumerate(order):
        Image.fromarray(rig[view].pixels).save(photos / f"{number:02}.png")
    head = neutral_head(model, rig[0])
    np.savetxt(partial / LANDMARKS_NAME, np.asarray(model.landmarks(head))[list(NOW_LANDMARKS)], fmt="%.4f")
    scan = head[np.flatnonzero(np.asarray(model.face_mask))[::SCAN_STEP]]
    trimesh.PointCloud(scan.astype(np.float32)).export(partial / "scan.ply")
    trimesh.Trimesh(head.astype(np.float32), model.triangles, process=False).export(partial / "head.ply")
    partial.rename(folder)


def write_set(
    out: Path,
    settings: Settings,
    source: IdentitySource,
    people: int,
    views: int,
    progress: Callable[[int], None] = lambda done: None,
) -> None:
    """Write both halves of the test set; people whose folders are there already are left as they are.

    Parameters
    ----------
    out : Path
        Made where missing.
    settings : Settings
        Size, textures, backgrounds.
    source : IdentitySource
        Where the people come from.
    people, views : int
    progress : callable
        Told the number of people done.
    """
    model = load_model("base")
    synthesizer = Synthesizer(settings, source)
    for index in range(people):
        for name, synchronous in (("synchronous", True), ("asynchronous", False)):
            folder = out / name / f"person_{index:03}"
            if not folder.exists():
                rig = synthesizer.rig(SEED, index, views, synchronous=synchronous)
                write_person(folder, model, rig, view_order(views) if synchronous else list(range(views)))
        progress(index + 1)
    facts = {"seed": SEED, "people": people, "views": views, "size": settings.size, "model": "ICT-FaceKit, 100 modes"}
    (out / "set.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")


def main(words: list[str] | None = None) -> int:
    """Write the test set."""
    parser = argparse.ArgumentParser(description="Write the synthetic multi-view test set.")
    parser.add_argument("--ict", type=Path, required=True, help="ict_facekit_light.npz")
    parser.add_argument("--out", type=Path, required=True, help="folder for the set; made where missing")
    parser.add_argument("--textures", type=Path, help="folder of albedo textures; the model's colours without it")
    parser.add_argument("--backgrounds", type=Path, help="zip of photos without faces; patterns without it")
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--views", type=int, default=5)
    parser.add_argument("--size", type=int, default=448, help="side of the photos, pixels")
    options = parser.parse_args(words)
    settings = Settings(options.size, options.textures, options.backgrounds, ict_share=1.0)

    def say(done: int) -> None:
        sys.stderr.write(f"\r{done} of {options.people} people")
        sys.stderr.flush()

    write_set(options.out, settings, convert_ict(options.ict), options.people, options.views, say)
    sys.stderr.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Learn the common skin detail: ``python -m facefuse.learning.skin_detail --data DATA --out FILE.safetensors``.

Every neutral photo of the Face Research Lab London Set is fitted by the package itself; its detail without lighting
(`facefuse.fitting.appearance.skin_detail`) is averaged. With ``--measure`` every other person is left out of the
average, and the share of pairs of the others that would be taken for different people is printed.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tyro
from safetensors.numpy import save

from facefuse.detection.find import find_faces
from facefuse.fitting.appearance import SEPARATE_CORRELATION, SkinDetail, correlation, skin_detail
from facefuse.fitting.fit import fit_face
from facefuse.fitting.types import Observation
from facefuse.morphable import FaceModel, load_model
from facefuse.photos import read_photo


@dataclass(frozen=True)
class Options:
    """Learn what the skin of all faces has in common."""

    data: Path
    """Folder that holds london/ and, for --measure, multiview/pixel_face_crops/ and scans/lee_perry_smith/photos/."""

    out: Path | None = None
    """Where to write the asset."""

    measure: bool = False
    """Learn from every other person and measure on the rest."""


def detail_of(model: FaceModel, path: Path) -> SkinDetail | None:
    """Return the skin detail of one photo; None without a face."""
    photo = read_photo(path)
    faces = find_faces(photo)
    if not faces:
        return None
    marks = faces[0][1]
    fit = fit_face(
        model,
        [
            Observation(
                marks.points68, marks.sigma68, marks.mesh, marks.mesh_sigma, marks.mesh_indices,
                (photo.width, photo.height), photo.focal_px,
            )
        ],
    )  # fmt: skip
    vertices = np.asarray(model.vertices(fit.identity, fit.photos[0].expression))
    return skin_detail(model, vertices, fit.photos[0].camera, photo.pixels)


def average(details: Sequence[SkinDetail]) -> npt.NDArray[np.float64]:
    """Average details, each vertex over the photos that see it: (V,)."""
    weights = sum(detail.weights for detail in details)
    return np.asarray(sum(detail.values * detail.weights for detail in details) / np.maximum(weights, 1e-6))


def people_of(model: FaceModel, data: Path) -> dict[str, list[SkinDetail]]:
    """Return the details of all photos by person: neutral first for the London set, then the multi-view people."""
    groups: dict[str, list[Path]] = {}
    for path in sorted((data / "london").glob("*.jpg")):
        groups.setdefault(f"london {path.stem[:3]}", []).append(path)
    for folder in sorted((data / "multiview" / "pixel_face_crops").iterdir()):
        groups[folder.name] = sorted(folder.glob("*.png"))
    groups["zoom"] = sorted((data / "multiview" / "zoom").glob("*.jpg"))
    groups["scan"] = sorted((data / "scans" / "lee_perry_smith" / "photos").glob("*.jpg"))
    found = {name: [detail_of(model, path) for path in paths] for name, paths in groups.items()}
    return {name: [one for one in details if one is not None] for name, details in found.items()}


def measure(people: dict[str, list[SkinDetail]]) -> str:
    """Learn from every other person of the London set and report correlations on everybody else."""
    london = [name for name in people if name.startswith("london")]
    common = average([people[name][0] for name in london[::2]])
    tested = {name: details for name, details in people.items() if name not in london[::2]}
    same: list[float] = []
    different: list[float] = []
    for (name, one), (other, two) in itertools.combinations(
        [(name, detail) for name, details in tested.items() for detail in details], 2
    ):
        value = correlation(one, two, common)
        if np.isfinite(value):
            (same if name == other else different).append(value)
    warned = [100 * float(np.mean(np.array(values) < SEPARATE_CORRELATION)) for values in (same, different)]
    return (
        f"{len(same)} pairs of one person: correlation {np.min(same):.2f} to {np.max(same):.2f}, "
        f"median {np.median(same):.2f}; {warned[0]:.1f} % below {SEPARATE_CORRELATION}\n"
        f"{len(different)} pairs of two people: median {np.median(different):.2f}, 95th percentile "
        f"{np.percentile(different, 95):.2f}; {warned[1]:.1f} % below {SEPARATE_CORRELATION}\n"
    )


def main() -> None:
    """Run the recipe."""
    options = tyro.cli(Options)
    model = load_model()
    people = people_of(model, options.data)
    if options.measure:
        sys.stdout.write(measure(people))
    if options.out is not None:
        common = average([details[0] for name, details in people.items() if name.startswith("london") and details])
        places = np.asarray(model.mean)[np.asarray(model.face_mask)].astype(np.float16)
        options.out.write_bytes(save({"places": places, "values": common.astype(np.float16)}))


if __name__ == "__main__":
    main()

"""Synthetic faces for landmark training: rendered once into small files, then mixed with real ones.

Command: ``python -m facefuse.learning.landmarks.synthetic --textures DIR --backgrounds ZIP --out DIR``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from numpy.typing import NDArray

from facefuse.errors import UsageError
from facefuse.geometry.rotations import rotmat_to_euler
from facefuse.learning.synthesis.generator import Settings, Synthesizer
from facefuse.learning.synthesis.identity import convert_ict
from facefuse.learning.synthesis.sample import SyntheticPhoto

from .data import FaceSet

PHOTO_PX = 120
"""Side of the photos, that of the real ones."""
_CHUNK = 100
_OCCLUDED = 0.5
"""Weight of a point that cannot be seen, relative to one that can: its place is known, but has to be guessed."""


def pack(photos: list[SyntheticPhoto]) -> dict[str, NDArray[np.generic]]:
    """Collect what training needs: photos, points (68, then 468), which are visible, yaw."""
    yaw = [float(rotmat_to_euler(photo.camera.rotation)[0]) for photo in photos]
    return {
        "photos": np.stack([photo.pixels for photo in photos]),
        "points": np.stack([np.concatenate([photo.landmarks68, photo.mesh]) for photo in photos]).astype(np.float32),
        "visible": np.stack([np.concatenate([photo.visible68, photo.mesh_visible]) for photo in photos]),
        "yaw_deg": np.array(yaw, np.float32),
    }


def read_packs(folder: Path, like: FaceSet) -> FaceSet:
    """Read rendered faces as a set with the points of ``like``.

    Points that the renderer does not know (irises) have weight 0; all points of a face that are not visible count half.

    Raises
    ------
    UsageError
        If there are none.
    """
    files = sorted(folder.glob("faces_*.npz"))
    if not files:
        raise UsageError(
            f"{folder} holds no faces_*.npz; make them with python -m facefuse.learning.landmarks.synthetic"
        )
    parts = []
    for file in files:
        with np.load(file) as data:
            parts.append({name: data[name] for name in ("photos", "points", "visible", "yaw_deg")})
    photos, points, visible, yaw = (np.concatenate([part[name] for part in parts]) for name in parts[0])
    known = like.mesh_indices < points.shape[1] - 68
    chosen = np.concatenate([np.arange(68), 68 + np.where(known, like.mesh_indices, 0)])
    weight = np.where(visible, 1.0, _OCCLUDED)[:, chosen]
    weight[:, 68:][:, ~known] = 0.0
    count = len(photos)
    return FaceSet(
        photos=photos,
        points=points[:, chosen],
        weight=weight.astype(np.float32),
        yaw_deg=yaw,
        group=np.arange(count),
        mesh_indices=like.mesh_indices,
        mirror=like.mirror,
        row=np.full(count, -1),
    )


@dataclass(frozen=True)
class Command:
    """Render faces for landmark training; goes on where an earlier run stopped.

    Attributes
    ----------
    out
        Folder of the files ``faces_NNNN.npz``.
    textures
        Folder of textures.
    backgrounds
        Zip of photos without faces.
    ict
        ICT-FaceKit Light, from which half of the people come.
    count
        Number of faces, rounded up to hundreds.
    seed
        Seed of the series.
    first
        Number of the first file, so that several processes can share the work.
    step
        Distance to the next file.
    """

    out: Path
    textures: Path | None = None
    backgrounds: Path | None = None
    ict: Path | None = None
    count: int = 12000
    seed: int = 11
    first: int = 0
    step: int = 1


def main() -> None:
    """Run the command line."""
    command = tyro.cli(Command)
    command.out.mkdir(parents=True, exist_ok=True)
    settings = Settings(size=PHOTO_PX, textures=command.textures, backgrounds=command.backgrounds)
    synthesizer = Synthesizer(settings, convert_ict(command.ict) if command.ict else None)
    for number in range(command.first, -(-command.count // _CHUNK), command.step):
        file = command.out / f"faces_{number:04d}.npz"
        if file.exists():
            continue
        photos = [synthesizer.photo(command.seed, number * _CHUNK + i) for i in range(_CHUNK)]
        partial = file.with_suffix(".partial.npz")
        np.savez(partial, **pack(photos))  # type: ignore[arg-type]
        partial.replace(file)


if __name__ == "__main__":
    main()

"""Reading the training material: AFLW face crops with their labels, and photos without faces."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .labels import build_targets, mean_frontal_shape
from .points import IBUG_MIRROR, IBUG_POINTS, mirror_partners

# The manual points and the mesh count from the corner of the top-left pixel, half a pixel off from its centre; the
# 68-point predictions count from its centre. Seen without any test data: a network trained on mirrored copies as well
# cannot learn a shift in x, and its predictions lie 0.44 px left of the mesh labels and level with the 68-point ones;
# pupils and irises agree between manual points and mesh in both axes.
CORNER_TO_CENTRE_PX = -0.5


@dataclass(frozen=True)
class FaceSet:
    """Face crops and their targets. Coordinates in crop pixels, centre of the top-left pixel at (0, 0).

    Attributes
    ----------
    photos
        (N, S, S, 3) uint8 sRGB.
    points, weight
        (N, P, 2) float32, the 68 iBUG points first, then the mesh; (N, P) float32, 0 where a point has no label.
    yaw_deg
        (N,) float32.
    group
        (N,) int, photos of one group show the same picture and stay on one side of a split.
    mesh_indices
        (P - 68,) vertex numbers in MediaPipe's mesh.
    mirror
        (P,) mirror partner of each point.
    row
        (N,) row of each photo in the label files; -1 for rendered faces.
    """

    photos: NDArray[np.uint8]
    points: NDArray[np.float32]
    weight: NDArray[np.float32]
    yaw_deg: NDArray[np.float32]
    group: NDArray[np.integer]
    mesh_indices: NDArray[np.integer]
    mirror: NDArray[np.intp]
    row: NDArray[np.integer]

    def __len__(self) -> int:
        return len(self.photos)

    def subset(self, chosen: NDArray[np.integer]) -> FaceSet:
        """The faces of the given indices."""
        return FaceSet(
            self.photos[chosen],
            self.points[chosen],
            self.weight[chosen],
            self.yaw_deg[chosen],
            self.group[chosen],
            self.mesh_indices,
            self.mirror,
            self.row[chosen],
        )


def joined(first: FaceSet, second: FaceSet) -> FaceSet:
    """Both sets in one; the photos have one size and the points are the same."""
    return FaceSet(
        np.concatenate([first.photos, second.photos]),
        np.concatenate([first.points, second.points]),
        np.concatenate([first.weight, second.weight]),
        np.concatenate([first.yaw_deg, second.yaw_deg]),
        np.concatenate([first.group, second.group + first.group.max() + 1]),
        first.mesh_indices,
        first.mirror,
        np.concatenate([first.row, second.row]),
    )


def read_faces(folder: Path) -> FaceSet:
    """Read ``labels.npz``, ``mesh_labels.npz`` and ``photos.zip`` of the AFLW folder; fuse the labels.

    Photos whose labels contradict each other grossly are left out.
    """
    with np.load(folder / "labels.npz") as labels, np.load(folder / "mesh_labels.npz") as mesh_labels:
        names = labels["names"]
        yaw = labels["yaw_deg"].astype(float)
        group = labels["duplicate_group"]
        a = labels["landmarks68_a"].astype(float)
        b = labels["landmarks68_b"].astype(float)
        disagreement = labels["landmarks68_a_disagreement"].astype(float)
        manual = labels["landmarks21"].astype(float) + CORNER_TO_CENTRE_PX
        mesh = mesh_labels["mesh_xyz"][..., :2].astype(float) + CORNER_TO_CENTRE_PX
        mesh_indices = mesh_labels["mesh_indices"].astype(np.int32)
    b[np.isnan(mesh[:, 0, 0])] = np.nan
    targets = build_targets(a, disagreement, b, mesh, manual, yaw)
    frontal = mean_frontal_shape(a, mesh, yaw, IBUG_MIRROR)[1]
    mirror = np.concatenate([IBUG_MIRROR, IBUG_POINTS + mirror_partners(frontal)])
    keep = np.flatnonzero(~targets.doubtful)
    return FaceSet(
        photos=read_photos(folder / "photos.zip", [str(names[i]) for i in keep]),
        points=np.concatenate([targets.points68, targets.mesh], axis=1)[keep].astype(np.float32),
        weight=np.concatenate([targets.weight68, targets.mesh_weight], axis=1)[keep].astype(np.float32),
        yaw_deg=yaw[keep].astype(np.float32),
        group=group[keep],
        mesh_indices=mesh_indices,
        mirror=mirror,
        row=keep,
    )


def read_photos(archive: Path, names: list[str]) -> NDArray[np.uint8]:
    """Photos of one size (N, S, S, 3) out of a zip archive."""
    with zipfile.ZipFile(archive) as opened:
        first = _decode(opened.read(names[0]))
        photos = np.empty((len(names), *first.shape), np.uint8)
        for i, name in enumerate(names):
            photos[i] = _decode(opened.read(name))
    return photos


def read_backgrounds(archive: Path, count: int, side: int) -> NDArray[np.uint8]:
    """Central squares, ``side`` pixels, of the first ``count`` photos of the archive in sorted order."""
    with zipfile.ZipFile(archive) as opened:
        names = sorted(n for n in opened.namelist() if Path(n).suffix.lower() in {".jpg", ".jpeg", ".png", ".webp"})
        squares = []
        for name in names[:count]:
            photo = Image.open(io.BytesIO(opened.read(name))).convert("RGB")
            short = min(photo.size)
            left, top = (photo.width - short) // 2, (photo.height - short) // 2
            box = (left, top, left + short, top + short)
            squares.append(np.asarray(photo.resize((side, side), Image.Resampling.BICUBIC, box)))
    return np.stack(squares)


def split(faces: FaceSet, held_out: int, seed: int) -> tuple[FaceSet, FaceSet]:
    """Training and held-out faces; groups are not divided."""
    groups = np.random.default_rng(seed).permutation(np.unique(faces.group))
    sizes = np.bincount(np.searchsorted(np.sort(groups), faces.group))[np.searchsorted(np.sort(groups), groups)]
    out = np.isin(faces.group, groups[np.cumsum(sizes) <= held_out])
    return faces.subset(np.flatnonzero(~out)), faces.subset(np.flatnonzero(out))


def _decode(content: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))

"""Photos and labels that the detector is trained on, held in memory as small image pyramids."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facefuse.detection.adapters.mediapipe import MESH_TO_68

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]

VALIDATION_BACKGROUNDS = 40
VALIDATION_FACES = 600
PROFILE_YAW_DEG = 55.0
TEST_BACKGROUNDS = 57
"""The last backgrounds in sorted order; kept for counting false alarms."""
IGNORED_ROLL_DEG = 65.0
"""Faces rolled further than this in the scene are neither faces nor background to the loss."""

COMMON_21 = (6, 8, 9, 11, 14, 17, 19, 20)
COMMON_68 = (36, 39, 42, 45, 30, 48, 54, 8)
"""The same eye corners, nose tip, mouth corners and chin among AFLW's 21 points and iBUG's 68."""


@dataclass(frozen=True)
class Source:
    """An image with its half-size copies.

    If it shows a face: points68 (68, 2) in pixels of the full size, and its roll in radians (clockwise positive).
    """

    levels: tuple[U8, ...]
    points68: F32 | None = None
    trusted: bool = True
    roll: float = 0.0

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the full size."""
        return self.levels[0].shape[1], self.levels[0].shape[0]


@dataclass(frozen=True)
class TrainingData:
    """Sources of one side of the split; `profiles` are the places in `faces` of those turned far to a side."""

    faces: list[Source]
    studio: list[Source]
    backgrounds: list[Source]
    profiles: tuple[int, ...] = ()


def pyramid(pixels: U8, count: int) -> tuple[U8, ...]:
    """`count` images, each half the size of the one before (area averaging)."""
    levels = [np.ascontiguousarray(pixels)]
    for _ in range(count - 1):
        height, width = (levels[-1].shape[0] // 2 * 2, levels[-1].shape[1] // 2 * 2)
        even = levels[-1][:height, :width].astype(np.uint16)
        levels.append(
            ((even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2] + 2) // 4).astype(np.uint8)
        )
    return tuple(levels)


def blend_landmarks(points_a: F32, points_b: F32, yaw_deg: F32) -> tuple[F32, NDArray[np.bool_]]:
    """One set of 68 points from the two noisy predictions, and whether the two can be trusted.

    Their mean below 20 degrees of yaw, prediction b to 30 degrees, prediction a beyond or where b is missing.

    Parameters
    ----------
    points_a, points_b : (N, 68, 2) pixels, b NaN where missing.
    yaw_deg : (N,)

    Returns
    -------
    (N, 68, 2) points and (N,) trusted: the two agree to 8 % of the face side, or b is missing.
    """
    missing = np.isnan(points_b[:, :1, :1])
    b = np.where(missing, points_a, points_b)
    yaw = np.abs(yaw_deg)[:, None, None]
    points = np.where(yaw < 20.0, (points_a + b) / 2, np.where(yaw < 30.0, b, points_a)).astype(np.float32)
    side = (points.max(1) - points.min(1)).max(1)
    trusted = np.linalg.norm(points_a - b, axis=2).mean(1) < 0.08 * side
    return points, trusted


def agrees_with_manual(points68: F32, manual21: F32) -> NDArray[np.bool_]:
    """Whether predicted points (N, 68, 2) lie near AFLW's manual ones (N, 21, 2), NaN where not visible.

    The median distance over eye corners, nose tip, mouth corners and chin is at most 12 % of the face's side.
    """
    distance = np.linalg.norm(points68[:, COMMON_68] - manual21[:, COMMON_21], axis=2)
    side = (points68.max(1) - points68.min(1)).max(1)
    # NaN counts as far away; the smaller of two middle distances is taken.
    middle = (np.isfinite(distance).sum(1) - 1) // 2
    ranked = np.sort(np.where(np.isfinite(distance), distance, np.inf), axis=1)
    near: NDArray[np.bool_] = ranked[np.arange(len(ranked)), np.maximum(middle, 0)] <= 0.12 * side
    return near


def face_square(points68: F32) -> tuple[float, float, float]:
    """Centre x, y and side of the square about the tight bounding box of points (P, 2)."""
    low, high = points68.min(axis=0), points68.max(axis=0)
    centre = (low + high) / 2
    return float(centre[0]), float(centre[1]), float((high - low).max())


def face_roll(points68: F32) -> float:
    """Roll in radians of 68 points (68, 2): from the eyes, or from nose bridge to mouth where the eyes are in line."""
    eyes = points68[42:48].mean(0) - points68[36:42].mean(0)
    down = points68[48:60].mean(0) - points68[27]
    if np.hypot(*eyes) < 0.5 * np.hypot(*down):
        return float(np.arctan2(-down[0], down[1]))
    return float(np.arctan2(eyes[1], eyes[0]))


def five_points(points68: F32) -> F32:
    """Right-eye centre, left-eye centre, nose tip and mouth corners (5, 2) of 68 iBUG points."""
    return np.stack(
        [points68[36:42].mean(0), points68[42:48].mean(0), points68[30], points68[48], points68[54]]
    ).astype(np.float32)


def read_backgrounds(data_dir: Path) -> tuple[list[U8], list[U8], list[U8]]:
    """Training, validation and test backgrounds (H, W, 3), split by sorted name."""
    with zipfile.ZipFile(data_dir / "backgrounds" / "photos.zip") as archive:
        names = sorted(n for n in archive.namelist() if n.lower().endswith((".jpg", ".png", ".webp")))
        images = [_decode(archive.read(name)) for name in names]
    usable, test = images[:-TEST_BACKGROUNDS], images[-TEST_BACKGROUNDS:]
    step = len(usable) / VALIDATION_BACKGROUNDS
    held = {int(k * step) for k in range(VALIDATION_BACKGROUNDS)}
    return [x for k, x in enumerate(usable) if k not in held], [usable[k] for k in sorted(held)], test


def _decode(data: bytes) -> U8:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def load_training_data(data_dir: Path, limit: int | None = None) -> tuple[TrainingData, TrainingData]:
    """Read the training and the validation side; `limit` keeps only so many AFLW crops (for tests)."""
    labels = np.load(data_dir / "aflw" / "labels.npz")
    yaw_deg = labels["yaw_deg"].astype(np.float32)
    points, trusted = blend_landmarks(
        labels["landmarks68_a"].astype(np.float32),
        labels["landmarks68_b"].astype(np.float32),
        yaw_deg,
    )
    trusted &= agrees_with_manual(points, labels["landmarks21"].astype(np.float32))
    group, names = labels["duplicate_group"], labels["names"]
    order = np.random.default_rng(20).permutation(np.unique(group))
    sizes = np.bincount(group)
    held_groups = order[: int(np.searchsorted(np.cumsum(sizes[order]), VALIDATION_FACES)) + 1]
    held = np.isin(group, held_groups)
    chosen = np.arange(len(group)) if limit is None else np.linspace(0, len(group) - 1, limit).astype(int)
    faces: tuple[list[Source], list[Source]] = ([], [])
    profiles: tuple[list[int], list[int]] = ([], [])
    with zipfile.ZipFile(data_dir / "aflw" / "photos.zip") as archive:
        for k in chosen:
            pixels = _decode(archive.read(str(names[k])))
            if abs(yaw_deg[k]) > PROFILE_YAW_DEG:
                profiles[int(held[k])].append(len(faces[int(held[k])]))
            faces[int(held[k])].append(Source(pyramid(pixels, 4), points[k], bool(trusted[k]), face_roll(points[k])))
    train_backgrounds, validation_backgrounds, _ = read_backgrounds(data_dir)
    studio = _load_studio(data_dir)
    return (
        TrainingData(faces[0], studio, [Source(pyramid(x, 3)) for x in train_backgrounds], tuple(profiles[0])),
        TrainingData(faces[1], [], [Source(pyramid(x, 3)) for x in validation_backgrounds], tuple(profiles[1])),
    )


def _load_studio(data_dir: Path) -> list[Source]:
    labels = np.load(data_dir / "london" / "mesh_labels.npz")
    sources = []
    for name, mesh in zip(labels["names"], labels["mesh_xyz"].astype(np.float32), strict=True):
        if np.isnan(mesh).any():
            continue
        with Image.open(data_dir / "london" / str(name)) as image:
            small = image.convert("RGB").resize((image.width // 2, image.height // 2), Image.Resampling.BOX)
        points = (mesh[list(MESH_TO_68), :2] + 0.5) / 2 - 0.5
        sources.append(Source(pyramid(np.asarray(small), 4), points.astype(np.float32), True, face_roll(points)))
    return sources

"""What training scenes are made of: outlines, windows that show no face, patterns, and spoilt pictures."""

from __future__ import annotations

import io
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from facefuse.learning.detector.data import Source, face_square

F32 = NDArray[np.float32]
Window = tuple[float, float, float, float]
"""Centre x, y and half extents in source pixels."""


def random_outline(rng: np.random.Generator) -> F32:
    """A random outline in polar form: rectangle (empty), superellipse or irregular blob."""
    kind = rng.random()
    if kind < 0.4:
        return np.empty(0, np.float32)
    angle = np.linspace(-math.pi, math.pi, 96, endpoint=False)
    if kind < 0.75:
        power = rng.uniform(1.8, 6)
        return ((np.abs(np.cos(angle)) ** power + np.abs(np.sin(angle)) ** power) ** (-1 / power)).astype(np.float32)
    waves = sum(rng.uniform(-0.12, 0.12) * np.cos(k * angle + rng.uniform(0, 2 * math.pi)) for k in range(2, 7))
    return np.clip(1.0 + np.asarray(waves), 0.75, 1.3).astype(np.float32)


def background_angle(rng: np.random.Generator) -> float:
    """By how much to turn something that is no face, in radians: often not at all, or by little."""
    kind = rng.random()
    if kind < 0.4:
        return 0.0
    return float(rng.normal(0, 0.15) if kind < 0.6 else rng.uniform(-math.pi, math.pi))


def corner_window(source: Source, rng: np.random.Generator) -> Window | None:
    """A window of a crop that stays clear of its face but for its outermost part, or None if there is no room."""
    assert source.points68 is not None
    cx, cy, side = face_square(source.points68)
    width, height = source.size
    edges = (cx - 0.46 * side, width - cx - 0.46 * side, cy - 0.46 * side, height - cy - 0.46 * side)
    k = int(rng.integers(4))
    if edges[k] < 14:
        return None
    thick = edges[k] / 2
    along = min(thick * rng.uniform(1.0, 2.2), width / 2)
    place = rng.uniform(along, width - along)
    if k == 0:
        return thick, place, thick, along
    if k == 1:
        return width - thick, place, thick, along
    if k == 2:
        return place, thick, along, thick
    return place, height - thick, along, thick


def clothes_window(source: Source, rng: np.random.Generator) -> Window | None:
    """A window of a studio photo below the chin, or None if there is no room."""
    assert source.points68 is not None
    low = float(source.points68[:, 1].max()) + 4
    room = source.size[1] - low
    if room < 24:
        return None
    half_height = rng.uniform(0.25, 0.5) * room
    half_width = min(half_height * rng.uniform(0.7, 1.6), source.size[0] / 2)
    cy = rng.uniform(low + half_height, source.size[1] - half_height)
    cx = rng.uniform(half_width, source.size[0] - half_width)
    return cx, cy, half_width, half_height


def similarity(scale: float, angle: float, mirror: bool) -> tuple[float, float, float, float]:
    """The four numbers, by rows, of a scaling, rotation and, before them, mirroring of x."""
    cosine, sine = scale * math.cos(angle), scale * math.sin(angle)
    return (-cosine if mirror else cosine), -sine, (-sine if mirror else sine), cosine


def soften(canvas: F32, radius: float) -> F32:
    """The canvas (H, W, 3) after a box blur of this radius in pixels."""
    image = Image.fromarray(np.clip(canvas, 0, 255).astype(np.uint8))
    return np.asarray(image.filter(ImageFilter.BoxBlur(radius)), np.float32)


def compress(pixels: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """The picture after saving as JPEG of this quality."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    with Image.open(buffer) as image:
        return np.asarray(image)


def shuffled_tiles(source: Source, rng: np.random.Generator) -> Source:
    """A face crop cut into 4 x 4 tiles in random order: the face's colours and edges without its arrangement."""
    pixels = source.levels[0]
    size = min(pixels.shape[:2]) // 4 * 4
    tiles = (
        pixels[:size, :size].reshape(4, size // 4, 4, size // 4, 3).swapaxes(1, 2).reshape(16, size // 4, size // 4, 3)
    )
    mixed = tiles[rng.permutation(16)].reshape(4, 4, size // 4, size // 4, 3).swapaxes(1, 2).reshape(size, size, 3)
    return Source((np.ascontiguousarray(mixed), np.ascontiguousarray(mixed[::2, ::2])))


def texture(rng: np.random.Generator) -> Source:
    """A random pattern: smooth noise, stripes, dots or a gradient, in random colours."""
    y, x = np.mgrid[0:64, 0:64] / 64.0
    angle, turns = rng.uniform(0, math.pi), rng.uniform(0.5, 10)
    along = math.cos(angle) * x + math.sin(angle) * y
    across = math.cos(angle) * y - math.sin(angle) * x
    kind = rng.integers(4)
    if kind == 0:
        small = rng.random((int(rng.integers(2, 9)),) * 2, np.float32)
        value = np.asarray(Image.fromarray(small).resize((64, 64), Image.Resampling.BICUBIC))
    elif kind == 1:
        value = 0.5 + 0.5 * np.sin(2 * math.pi * turns * along)
    elif kind == 2:
        value = (np.sin(2 * math.pi * turns * along) * np.sin(2 * math.pi * turns * across) > 0.3).astype(np.float64)
    else:
        value = along
    first, second = rng.uniform(0, 255, 3), rng.uniform(0, 255, 3)
    pixels = first + value[..., None] * (second - first)
    return Source((np.clip(pixels, 0, 255).astype(np.uint8),))


MIRROR_68 = np.array(
    [
        *range(16, -1, -1),
        *range(26, 16, -1),
        *(27, 28, 29, 30, 35, 34, 33, 32, 31),
        *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),
        *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55),
        *(64, 63, 62, 61, 60, 67, 66, 65),
    ]
)
"""Order of the 68 iBUG points in the mirror image."""

"""Random crops for training: where to cut (NumPy) and the cutting itself (Numba)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .config import AugmentConfig
from .network import CROP_SIZE
from .points import IBUG_POINTS

Array = NDArray[np.floating]

_FILLS = (0.45, 0.15, 0.15, 0.25)  # chances of black, edge, reflection, another photo outside the source


@dataclass(frozen=True)
class Batch:
    """A training batch: crops (N, S, S, 3) uint8; targets (N, P, 2) in px of a `CROP_SIZE` crop; weight (N, P);
    is_face (N,) float32. Non-faces have weight 0.
    """

    crops: NDArray[np.uint8]
    target: NDArray[np.float32]
    weight: NDArray[np.float32]
    is_face: NDArray[np.float32]


@dataclass(frozen=True)
class Placement:
    """Squares cut from photos: x_photo = centre + side * rotation (turned by ``roll``, mirrored where ``flip``).

    ``centre`` (N, 2) px, ``side`` (N,) px, ``roll`` (N,) rad, ``flip`` (N,) bool.
    """

    centre: Array
    side: Array
    roll: Array
    flip: NDArray[np.bool_]

    def matrices(self, size: int) -> Array:
        """(N, 2, 3) maps from the pixels of a crop of ``size`` to the pixels of the photo."""
        cos, sin = np.cos(self.roll), np.sin(self.roll)
        sign = np.where(self.flip, -1.0, 1.0)
        turn = np.stack([np.stack([cos * sign, -sin], -1), np.stack([sin * sign, cos], -1)], -2)
        linear = turn * (self.side / size)[:, None, None]
        middle = np.array([(size - 1) / 2.0, (size - 1) / 2.0])
        return np.concatenate([linear, (self.centre - linear @ middle)[..., None]], axis=-1)

    def to_crop(self, points: Array, size: int) -> Array:
        """Photo points (N, P, 2) in pixels of a crop of ``size``."""
        matrices = self.matrices(size)
        inverse = np.linalg.inv(matrices[:, :, :2])
        placed: Array = np.einsum("nij,npj->npi", inverse, points - matrices[:, None, :, 2])
        return placed


def face_square(points68: Array, roll: Array) -> tuple[Array, Array]:
    """Centre (N, 2) and side (N,), in photo pixels, of the crop the published rule gives for faces turned by ``roll``.

    The side is √2 times the longer side of the tight box about the points in the turned frame.
    """
    cos, sin = np.cos(roll), np.sin(roll)
    turn = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], -2)
    turned = np.einsum("nji,npj->npi", turn, points68)
    low, high = turned.min(axis=1), turned.max(axis=1)
    return np.einsum("nij,nj->ni", turn, (low + high) / 2.0), math.sqrt(2.0) * (high - low).max(axis=1)


def random_placement(points68: Array, config: AugmentConfig, rng: np.random.Generator) -> Placement:
    """Crops about faces (N, 68, 2) with random roll, size, shift and mirroring."""
    n = len(points68)
    limit = math.radians(config.roll_limit_deg)
    roll = np.clip(rng.normal(0.0, math.radians(config.roll_deg), n), -limit, limit)
    roll = np.where(rng.random(n) < config.any_roll, rng.uniform(-np.pi, np.pi, n), roll)
    centre, side = face_square(points68, roll)
    loose = np.where(rng.random(n) < config.loose, 3.0, 1.0)
    scale = np.exp(np.clip(rng.normal(0.0, config.log_scale, n) * loose, -0.35, 0.35))
    shift = np.clip(rng.normal(0.0, config.shift, (n, 2)) * loose[:, None], -0.2, 0.2)
    return Placement(centre + shift * (side / math.sqrt(2.0))[:, None], side * scale, roll, rng.random(n) < 0.5)


def missed_placement(points68: Array, rng: np.random.Generator) -> Placement:
    """Crops that count as a miss: far off the face, or much too small or large for it (overlap below 0.3)."""
    n = len(points68)
    roll = rng.normal(0.0, 0.3, n)
    centre, side = face_square(points68, roll)
    angle, off = rng.uniform(0.0, 2.0 * np.pi, n), rng.random(n) < 0.7
    far = np.where(off, rng.uniform(0.75, 1.1, n), rng.uniform(0.0, 0.2, n))
    scale = np.where(off, rng.uniform(0.8, 1.2, n), np.where(rng.random(n) < 0.5, 0.4, 2.4))
    face_side = side / math.sqrt(2.0)
    shift = np.stack([np.cos(angle), np.sin(angle)], -1) * (far * face_side)[:, None]
    return Placement(centre + shift, side * scale, roll, rng.random(n) < 0.5)


def background_placement(n: int, photo_side: int, rng: np.random.Generator) -> Placement:
    """Crops anywhere in photos without faces, from 24 px to the whole photo."""
    side = np.exp(rng.uniform(math.log(24.0), math.log(photo_side), n))
    centre = rng.uniform(0.0, photo_side, (n, 2))
    return Placement(centre, side, rng.normal(0.0, 0.3, n), rng.random(n) < 0.5)


def random_colours(n: int, config: AugmentConfig, rng: np.random.Generator) -> Array:
    """(N, 3, 4) colour changes (3×3 matrix and offset, on 0–255): brightness, contrast, cast, saturation."""
    luma = np.array([0.299, 0.587, 0.114])
    keep = np.where(rng.random(n) < config.grey, 0.0, np.clip(rng.normal(1.0, 0.25, n), 0.0, 1.8))
    saturation = keep[:, None, None] * np.eye(3) + (1.0 - keep)[:, None, None] * luma[None, None, :]
    contrast = np.exp(rng.normal(0.0, 0.22, n))
    gain = contrast[:, None] * np.exp(rng.normal(0.0, 0.06, (n, 3)) * (keep > 0.0)[:, None])
    offset = 118.0 * (1.0 - contrast) + rng.normal(0.0, 22.0, n)
    offset = np.broadcast_to(offset[:, None, None], (n, 3, 1))
    return np.concatenate([saturation * gain[:, :, None], offset], axis=2)


def random_covers(n: int, size: int, share: float, rng: np.random.Generator) -> tuple[NDArray[np.int32], Array]:
    """Rectangles (N, 2, 4) x0, y0, x1, y1 (empty where nothing is covered) and their colours (N, 2, 3)."""
    extent = rng.uniform(0.08, 0.4, (n, 2, 2)) * size
    corner = rng.uniform(-0.1, 0.95, (n, 2, 2)) * size
    used = rng.random((n, 2)) < np.array([share, 0.3 * share])
    boxes = np.concatenate([corner, corner + extent * used[..., None]], axis=-1)
    return np.clip(boxes, 0, size).astype(np.int32), rng.uniform(0.0, 255.0, (n, 2, 3))


@njit(cache=True, nogil=True, fastmath=True)
def _cut(  # type: ignore[no-untyped-def]
    sources, chosen, matrices, others, other, fill, colours, covers, cover_colours, taps, spread, noise, seed, out
):
    """Fill ``out`` (N, S, S, 3): bilinear samples, averaged over taps×taps places within ``spread`` crop pixels."""
    count, size = out.shape[0], out.shape[1]
    height, width = sources.shape[1], sources.shape[2]
    other_side = others.shape[1]
    for n in range(count):
        photo = sources[chosen[n]]
        second = others[other[n]]
        m = matrices[n]
        state = np.uint64(seed + 7919 * n + 1)
        mean = np.empty(3, np.float32)
        for row in range(size):
            for column in range(size):
                mean[:] = 0.0
                for tap in range(taps[n] * taps[n]):
                    sub_x = sub_y = 0.0
                    if taps[n] > 1:
                        sub_x = ((tap % taps[n]) / (taps[n] - 1) - 0.5) * spread[n]
                        sub_y = ((tap // taps[n]) / (taps[n] - 1) - 0.5) * spread[n]
                    x = m[0, 0] * (column + sub_x) + m[0, 1] * (row + sub_y) + m[0, 2]
                    y = m[1, 0] * (column + sub_x) + m[1, 1] * (row + sub_y) + m[1, 2]
                    if x < 0.0 or y < 0.0 or x > width - 1.0 or y > height - 1.0:
                        if fill[n] == 0:
                            continue
                        if fill[n] == 3:
                            i, j = int(abs(y)) % other_side, int(abs(x)) % other_side
                            for c in range(3):
                                mean[c] += second[i, j, c]
                            continue
                        if fill[n] == 2:
                            x = abs(x)
                            y = abs(y)
                            x = width - 1.0 - abs(width - 1.0 - x)
                            y = height - 1.0 - abs(height - 1.0 - y)
                        x = min(max(x, 0.0), width - 1.0)
                        y = min(max(y, 0.0), height - 1.0)
                    j, i = min(int(x), width - 2), min(int(y), height - 2)
                    u, v = np.float32(x - j), np.float32(y - i)
                    for c in range(3):
                        top = photo[i, j, c] * (1 - u) + photo[i, j + 1, c] * u
                        bottom = photo[i + 1, j, c] * (1 - u) + photo[i + 1, j + 1, c] * u
                        mean[c] += top * (1 - v) + bottom * v
                for c in range(3):
                    mean[c] /= taps[n] * taps[n]
                for k in range(2):
                    box = covers[n, k]
                    if box[0] <= column < box[2] and box[1] <= row < box[3]:
                        for c in range(3):
                            mean[c] = cover_colours[n, k, c]
                for c in range(3):
                    value = colours[n, c, 3]
                    for d in range(3):
                        value += colours[n, c, d] * mean[d]
                    if noise[n] > 0.0:
                        state ^= (state << np.uint64(13)) & np.uint64(0xFFFFFFFFFFFFFFFF)
                        state ^= state >> np.uint64(7)
                        state ^= (state << np.uint64(17)) & np.uint64(0xFFFFFFFFFFFFFFFF)
                        value += noise[n] * ((state & np.uint64(0xFFFF)) / 32768.0 - 1.0)
                    out[n, row, column, c] = min(max(value + 0.5, 0.0), 255.0)


def cut(
    sources: NDArray[np.uint8],
    chosen: NDArray[np.integer],
    placement: Placement,
    others: NDArray[np.uint8],
    size: int,
    config: AugmentConfig,
    rng: np.random.Generator,
) -> NDArray[np.uint8]:
    """Crops (N, size, size, 3) of photos ``sources[chosen]`` with random colours, covers, blur, noise and surroundings.

    ``others`` are photos of one size that may fill what lies outside the source.
    """
    n = len(chosen)
    shrink = placement.side / size
    blurred = rng.random(n) < config.blur
    taps = np.where(blurred, 3, np.where(shrink > 1.7, 2, 1)).astype(np.int32)
    spread = np.where(blurred, np.maximum(rng.uniform(0.8, 3.5, n) * size / CROP_SIZE, 0.6), 0.5)
    noise = np.where(rng.random(n) < config.noise, rng.uniform(4.0, 35.0, n), 0.0)
    covers, cover_colours = random_covers(n, size, config.cutout, rng)
    out = np.empty((n, size, size, 3), np.uint8)
    _cut(
        sources,
        chosen.astype(np.int64),
        placement.matrices(size),
        others,
        rng.integers(0, len(others), n),
        rng.choice(len(_FILLS), n, p=_FILLS),
        random_colours(n, config, rng),
        covers,
        cover_colours,
        taps,
        spread,
        noise,
        int(rng.integers(1, 2**31)),
        out,
    )
    return out


def plain_crops(
    photos: NDArray[np.uint8], points: NDArray[np.float32], size: int
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Crops (N, size, size, 3) by the published rule, nothing random, and their points in `CROP_SIZE` pixels."""
    n = len(photos)
    centre, side = face_square(points[:, :IBUG_POINTS].astype(float), np.zeros(n))
    placement = Placement(centre, side, np.zeros(n), np.zeros(n, bool))
    out = np.empty((n, size, size, 3), np.uint8)
    identity = np.concatenate([np.tile(np.eye(3), (n, 1, 1)), np.zeros((n, 3, 1))], axis=2)
    nothing = np.zeros((n, 2, 4), np.int32)
    taps = np.where(side / size > 1.25, 2, 1).astype(np.int32)
    zero = np.zeros(n, np.int64)
    _cut(
        photos,
        np.arange(n),
        placement.matrices(size),
        photos[:1],
        zero,
        zero,
        identity,
        nothing,
        np.zeros((n, 2, 3)),
        taps,
        np.full(n, 0.5),
        np.zeros(n),
        1,
        out,
    )
    return out, placement.to_crop(points.astype(float), CROP_SIZE).astype(np.float32)

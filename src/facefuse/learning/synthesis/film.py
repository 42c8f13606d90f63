"""From linear light to the bytes of a photo: exposure, blur, noise, compression."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray
from PIL import Image

from facefuse.rendering.shading import linear_to_srgb

Floats = NDArray[np.float32]

_STEPS = 4096
_CURVE = (linear_to_srgb(np.linspace(0.0, 1.0, _STEPS + 1)) * 255.0).astype(np.float32)


@dataclass(frozen=True)
class Film:
    """What a camera does to light.

    Attributes
    ----------
    exposure : float
        Linear gain beyond automatic exposure.
    contrast : float
        Strength of an S curve, 0 for none.
    balance : (3,) float
        White balance error per channel.
    grey : bool
        Without colour.
    motion : float
        Pixels over which the picture moves, and
    motion_angle : float
        in which direction, radians.
    shrink : float
        Factor by which the photo is made smaller and enlarged again.
    noise : float
        Standard deviation in sRGB bytes.
    quality : int
        JPEG quality; 0 for none.
    """

    exposure: float = 1.0
    contrast: float = 0.0
    balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
    grey: bool = False
    motion: float = 0.0
    motion_angle: float = 0.0
    shrink: float = 1.0
    noise: float = 0.0
    quality: int = 0


def random_film(rng: np.random.Generator) -> Film:
    """Draw a camera: most photos are good, some are poor."""
    cast = np.exp(rng.normal(0.0, 0.04, 3))
    return Film(
        exposure=float(np.exp(rng.normal(0.0, 0.25))),
        contrast=float(rng.uniform(0.0, 0.6)),
        balance=(float(cast[0]), float(cast[1]), float(cast[2])),
        grey=bool(rng.random() < 0.07),
        motion=float(rng.uniform(1.5, 7.0)) if rng.random() < 0.1 else 0.0,
        motion_angle=float(rng.uniform(0, np.pi)),
        shrink=float(rng.uniform(1.3, 3.5)) if rng.random() < 0.15 else 1.0,
        noise=float(rng.uniform(0.5, 2.5) if rng.random() < 0.75 else rng.uniform(2.5, 14.0)),
        quality=int(rng.integers(70, 97)) if rng.random() < 0.8 else int(rng.integers(18, 70)),
    )


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def _expose(picture, gain, contrast, grey, curve, noise, seed, out):  # type: ignore[no-untyped-def]
    steps = curve.shape[0] - 1
    one, zero = np.float32(1.0), np.float32(0.0)
    toned = np.empty_like(curve)
    for n in range(steps + 1):
        t = curve[n] * np.float32(1 / 255.0)
        t = t + contrast * (t * t * (np.float32(3.0) - np.float32(2.0) * t) - t)
        toned[n] = t * np.float32(255.0)
    state = np.uint64(seed * 2 + 1)
    low = np.uint64(0xFFFF)
    level = np.empty(3, np.float32)
    for row in range(out.shape[0]):
        for col in range(out.shape[1]):
            for c in range(3):
                light = picture[row, col, c] * gain[c]
                if light > np.float32(0.8):  # highlights roll off
                    light = one - np.float32(0.04) / (light - np.float32(0.6))
                level[c] = max(light, zero) * np.float32(steps)
            luma = zero
            if grey:
                luma = np.float32(0.299) * curve[int(level[0])] + np.float32(0.587) * curve[int(level[1])]
                luma = (luma + np.float32(0.114) * curve[int(level[2])]) * np.float32(1 / 255.0)
                luma = luma + contrast * (luma * luma * (np.float32(3.0) - np.float32(2.0) * luma) - luma)
            common = zero
            for c in range(3):
                state ^= state << np.uint64(13)
                state ^= state >> np.uint64(7)
                state ^= state << np.uint64(17)
                # the sum of four 16-bit numbers is nearly normal
                total = (state & low) + ((state >> np.uint64(16)) & low)
                total += ((state >> np.uint64(32)) & low) + (state >> np.uint64(48))
                deviate = np.float32(np.int32(total)) * np.float32(1.732 / 65536.0) - np.float32(3.464)
                if c == 0:
                    common = deviate
                value = luma * np.float32(255.0) + noise * common if grey else toned[int(level[c])] + noise * deviate
                out[row, col, c] = np.uint8(np.int32(min(max(value + np.float32(0.5), zero), np.float32(255.0))))


def develop(picture: Floats, reference: float, film: Film, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Turn a linear picture (H, W, 3) into sRGB bytes; ``reference`` is the light to be exposed as middle grey."""
    if film.motion > 0.0:
        picture = _moved(picture, film.motion, film.motion_angle)
    gain = 0.26 / max(reference, 1e-3) * film.exposure * np.array(film.balance)
    height, width = picture.shape[:2]
    out = np.empty((height, width, 3), np.uint8)
    seed = int(rng.integers(1, 2**31))
    _expose(
        picture,
        gain.astype(np.float32),
        np.float32(film.contrast),
        film.grey,
        _CURVE,
        np.float32(film.noise),
        seed,
        out,
    )
    if film.shrink > 1.0:
        least = (max(int(width / film.shrink), 8), max(int(height / film.shrink), 8))
        small = Image.fromarray(out).resize(least, Image.Resampling.BOX)
        out = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))
    if film.quality:
        buffer = io.BytesIO()
        Image.fromarray(out).save(buffer, "JPEG", quality=film.quality)
        out = np.asarray(Image.open(buffer).convert("RGB"))
    return out


def _moved(picture: Floats, length: float, angle: float) -> Floats:
    """Blur along a line by averaging shifted copies, nearest pixels."""
    steps = max(int(np.ceil(length)), 2)
    out = np.zeros_like(picture)
    for t in np.linspace(-0.5, 0.5, steps):
        dx, dy = round(t * length * np.cos(angle)), round(t * length * np.sin(angle))
        out += np.roll(picture, (dy, dx), (0, 1))
    out /= np.float32(steps)
    return out

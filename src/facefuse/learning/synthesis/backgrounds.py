"""What stands behind a person: photos without faces, or patterns where there are none."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numba import njit
from numpy.typing import NDArray
from PIL import Image

from facefuse.errors import UsageError

from .textures import LINEAR

Floats = NDArray[np.float32]

PHOTO_COUNT = 300
"""Photos used; the rest of the archive measures false alarms elsewhere."""


@dataclass(frozen=True)
class Background:
    """What stands behind a person.

    Attributes
    ----------
    pixels : (H, W, 3) uint8
    linear : (256,) float32
        Linear value of each byte.
    """

    pixels: NDArray[np.uint8]
    linear: Floats


class Backgrounds:
    """Draws backgrounds.

    Parameters
    ----------
    archive : Path, optional
        Zip of photos without faces, of which the first `PHOTO_COUNT` in sorted order are used; without it colours and
        blurred patches are made up.

    Raises
    ------
    UsageError
        If the archive holds no photo.
    """

    def __init__(self, archive: Path | None = None) -> None:
        self.photos: list[bytes] = []
        if archive is not None:
            with zipfile.ZipFile(archive) as opened:
                names = [n for n in opened.namelist() if Path(n).suffix.lower() in {".jpg", ".jpeg", ".png", ".webp"}]
                self.photos = [opened.read(name) for name in sorted(names)[:PHOTO_COUNT]]
            if not self.photos:
                raise UsageError(f"{archive} holds no photo; expected .jpg, .png or .webp files")
        self._decoded: dict[int, Image.Image] = {}

    def draw(self, size: int, rng: np.random.Generator) -> Floats:
        """Draw a linear picture (size, size, 3), more or less out of focus."""
        background = self.pick(size, rng)
        return background.linear[background.pixels]

    def pick(self, size: int, rng: np.random.Generator) -> Background:
        """Draw a background (size, size), more or less out of focus."""
        if self.photos and rng.random() < 0.9:
            picture = self._photo(int(rng.integers(len(self.photos))))
            side = int(min(picture.size) * rng.uniform(0.35, 1.0))
            left, top = (int(rng.integers(0, extent - side + 1)) for extent in picture.size)
            coarse = size if rng.random() < 0.4 else max(int(size / np.exp(rng.uniform(0.3, 2.6))), 6)
            patch = picture.crop((left, top, left + side, top + side))
            patch = patch.resize((coarse, coarse), Image.Resampling.BILINEAR, reducing_gap=1.5)
            if rng.random() < 0.5:
                patch = patch.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        else:
            patch = _made_up(rng)
        if patch.size[0] != size:
            patch = patch.resize((size, size), Image.Resampling.BICUBIC)
        return Background(np.asarray(patch), LINEAR * np.float32(np.exp(rng.normal(0.0, 0.25))))

    def _photo(self, index: int) -> Image.Image:
        if index not in self._decoded:  # 300 small photos: they stay in memory
            self._decoded[index] = Image.open(io.BytesIO(self.photos[index])).convert("RGB")
        return self._decoded[index]


def _made_up(rng: np.random.Generator) -> Image.Image:
    """A wall, a room or a landscape out of focus: a gradient with patches and lights of related colours."""
    side = 72
    palette = np.clip(rng.uniform(30, 225) + rng.normal(0, 15, (3, 3)) + rng.normal(0, 38, (3, 1)), 8, 247)
    x = np.arange(side) / side
    y = x[:, None]
    slope = np.clip(y + rng.normal(0, 0.4) * (x - 0.5), 0, 1)[..., None] ** np.exp(rng.normal(0, 0.5))
    picture = palette[0] * (1 - slope) + palette[1] * slope
    for _ in range(int(rng.integers(0, 26))):
        cx, cy, wide, high = *rng.uniform(-0.1, 1.1, 2), *np.exp(rng.normal(np.log(0.12), 0.6, 2))
        ellipse = rng.random() < 0.5
        tone = palette[int(rng.integers(3))] * np.exp(rng.normal(0, 0.35)) + rng.normal(0, 8, 3)
        share = rng.uniform(0.3, 1.0)
        _lay(picture, cx, cy, wide, high, ellipse, 1.0 - share, share * tone)
    for _ in range(int(rng.integers(0, 14)) if rng.random() < 0.3 else 0):  # lights
        cx, cy, radius = rng.random(), rng.random(), rng.uniform(0.015, 0.06)
        _lay(picture, cx, cy, radius, radius, True, 1.0, rng.uniform(20, 110) * np.array([1.0, 0.9, 0.7]))
    picture += rng.normal(0, rng.uniform(0, 3), (side, side, 1))
    sharp = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    coarse = int(rng.integers(8, 27))
    return sharp.resize((coarse, coarse), Image.Resampling.BOX)


@njit(cache=True, nogil=True, error_model="numpy")
def _lay(picture, cx, cy, wide, high, ellipse, keep, add):  # type: ignore[no-untyped-def]
    """``picture = keep * picture + add`` in an ellipse or a rectangle; places are shares of the side."""
    side = picture.shape[0]
    for row in range(max(int((cy - high) * side), 0), min(int((cy + high) * side) + 1, side)):
        v = (row / side - cy) / high
        for col in range(max(int((cx - wide) * side), 0), min(int((cx + wide) * side) + 1, side)):
            u = (col / side - cx) / wide
            if (u * u + v * v < 1) if ellipse else (abs(u) < 1 and abs(v) < 1):
                for c in range(3):
                    picture[row, col, c] = keep * picture[row, col, c] + add[c]

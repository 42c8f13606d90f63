"""Albedo of people: a library of textures, mixed and tinted, or the base model's own colours."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from numba import njit
from numpy.typing import NDArray
from PIL import Image

from facefuse.errors import AssetError, UsageError
from facefuse.morphable.model import FaceModel
from facefuse.morphable.registry import load_model
from facefuse.rendering.interpolate import interpolate
from facefuse.rendering.rasterize import rasterize
from facefuse.rendering.shading import srgb_to_linear

Floats = NDArray[np.float32]

SIDE = 512
"""Side of every texture in pixels."""
LINEAR = srgb_to_linear(np.arange(256) / 255.0).astype(np.float32)
"""Linear value of each sRGB byte."""


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def _mix(first, second, share, gain, linear, out):  # type: ignore[no-untyped-def]
    for row in range(out.shape[0]):
        for col in range(out.shape[1]):
            for c in range(3):
                a, b = linear[first[row, col, c]], linear[second[row, col, c]]
                out[row, col, c] = min((a + (b - a) * share) * gain[c], np.float32(0.95))


def unwrap_colours(model: FaceModel, colours: NDArray[np.floating], side: int = SIDE) -> Floats:
    """Vertex colours (V, 3) as a texture (side, side, 3), gaps filled from the nearest texel."""
    from scipy.ndimage import distance_transform_edt

    screen = np.zeros((len(model.uv), 3))
    screen[:, 0] = model.uv[:, 0] * side - 0.5
    screen[:, 1] = (1 - model.uv[:, 1]) * side - 0.5
    screen[:, 2] = 1.0
    found = rasterize(screen, model.uv_triangles, side, side, perspective=False, cull_back=False)
    picture = interpolate(found, colours, model.triangles)
    nearest = distance_transform_edt(~found.mask, return_distances=False, return_indices=True)
    return np.ascontiguousarray(picture[nearest[0], nearest[1]])


@lru_cache(maxsize=1)
def model_texture() -> NDArray[np.uint8]:
    """The base model's mean albedo as an sRGB texture (512, 512, 3)."""
    from facefuse.rendering.shading import linear_to_srgb

    model = load_model("base")
    linear = unwrap_colours(model, np.asarray(model.albedo, np.float32))
    return np.asarray(linear_to_srgb(np.clip(linear, 0, 1)) * 255 + 0.5, np.uint8)


class TextureLibrary:
    """Textures of real people in the base model's atlas, sRGB, (512, 512, 3) uint8 each.

    Parameters
    ----------
    folder : Path, optional
        Folder of 512×512 PNG files; the base model's mean colours where it is not given.

    Raises
    ------
    UsageError
        If the folder holds no PNG file.
    AssetError
        If one cannot be read or has another size.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.textures: list[NDArray[np.uint8]] = []
        if folder is None:
            self.textures.append(model_texture())
            return
        files = sorted(folder.glob("*.png"))
        if not files:
            raise UsageError(f"{folder} holds no .png file; expected textures of {SIDE} x {SIDE} pixels")
        for file in files:
            try:
                texture = np.asarray(Image.open(file).convert("RGB"))
            except OSError as error:
                raise AssetError(f"{file} cannot be read ({error}); make the textures again") from error
            if texture.shape[:2] != (SIDE, SIDE):
                raise AssetError(f"{file} is {texture.shape[1]} x {texture.shape[0]}; expected {SIDE} x {SIDE}")
            self.textures.append(texture)

    def draw(self, rng: np.random.Generator) -> Floats:
        """Draw a linear albedo (512, 512, 3): one person's, with some of another's, in a shade of its own."""
        first, second = rng.integers(0, len(self.textures), 2)
        share = float(rng.uniform(0.0, 0.45)) if rng.random() < 0.6 else 0.0
        gain = np.exp(rng.normal(0.0, 0.14)) * np.exp(rng.normal(0.0, [0.03, 0.03, 0.05]))
        if len(self.textures) == 1:  # one colour for all: spread the shades of skin by hand
            gain = np.exp(rng.uniform(-1.4, 0.35)) ** np.array([0.75, 1.0, 1.15])
        out = np.empty((SIDE, SIDE, 3), np.float32)
        _mix(self.textures[first], self.textures[second], np.float32(share), gain.astype(np.float32), LINEAR, out)
        return out

"""A synthetic situation: the base head with a known texture, photographed by known cameras."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from facefuse.geometry import PinholeCamera
from facefuse.morphable import load_model
from facefuse.morphable.model import FaceModel
from facefuse.rendering.draw import StudioLight, draw_head, portrait_camera
from facefuse.rendering.shading import linear_to_srgb
from facefuse.texturing.atlas import atlas_of
from facefuse.texturing.bake import fill_empty


@dataclass(frozen=True)
class Sitter:
    model: FaceModel
    texture: np.ndarray
    shots: dict = field(default_factory=dict, repr=False)

    def photograph(self, yaw: float, size: int = 320, background: float = 0.5) -> tuple[np.ndarray, PinholeCamera]:
        """Return a photo (a copy), and the camera that took it; each is rendered once."""
        if (yaw, size, background) not in self.shots:
            self.shots[yaw, size, background] = self._shot(yaw, size, background)
        picture, camera = self.shots[yaw, size, background]
        return picture.copy(), camera

    def _shot(self, yaw: float, size: int, background: float) -> tuple[np.ndarray, PinholeCamera]:
        camera = portrait_camera(self.model.mean, size, yaw=yaw)
        picture = draw_head(
            self.model.mean,
            self.model.triangles,
            camera,
            (size, size),
            texture=self.texture,
            uv=self.model.uv,
            uv_triangles=self.model.uv_triangles,
            light=_Unlit(),
            background=(background, background),
        )
        return picture, camera


class _Unlit(StudioLight):
    """Shows albedo as it is."""

    def __init__(self) -> None:
        super().__init__(np.zeros((1, 3)), np.zeros((1, 3)), 0.0, np.zeros(3))

    def shade(self, normals: np.ndarray) -> np.ndarray:
        return np.ones_like(normals)


@pytest.fixture(scope="session")
def sitter() -> Sitter:
    """The mean head with the model's albedo, freckled: colours vary by ±12 % over a centimetre and finer."""
    model = load_model("base")
    size = 256
    atlas = atlas_of(model, size)
    albedo = linear_to_srgb(np.clip(model.albedo.astype(float), 0, 1))
    texels = np.arange(len(atlas.texel))
    position = atlas.interpolate(model.mean.astype(float), model.triangles, texels)
    pattern = np.sin(position[:, 0] * 0.9) * np.sin(position[:, 1] * 0.8) + 0.5 * np.sin(position @ [0.3, 0.4, 0.5])
    colour = atlas.interpolate(albedo, model.triangles, texels) * (1 + 0.08 * pattern[:, None])
    texture = np.zeros((size, size, 3), np.float32)
    texture.reshape(-1, 3)[atlas.texel] = colour
    fill_empty(texture, atlas.number >= 0)
    return Sitter(model, np.rint(texture * 255).clip(0, 255).astype(np.uint8))

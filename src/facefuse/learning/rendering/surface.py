"""The visible surface: one row for every covered pixel of a batch, differentiable."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from facefuse.learning.rendering import compiled, plain
from facefuse.learning.rendering.coverage import Coverage


@dataclass(frozen=True)
class Surface:
    """The covered pixels of a batch of pictures, ``P`` of them, in the order of the pictures.

    CPU tensors are worked on by compiled kernels, others by tensor operations.

    Attributes
    ----------
    place : (P,) int64
        Where in the batch of pictures, flattened.
    triangle : (P,) int64
        Which is seen.
    weights : (P, 3) float
        Perspective-correct barycentric coordinates, with gradients to the vertices.
    starts : tuple of int
        First row of each picture, and P.
    size : (int, int, int)
        Pictures, height, width.
    """

    place: Tensor
    triangle: Tensor
    weights: Tensor
    starts: tuple[int, ...]
    size: tuple[int, int, int]

    @property
    def image(self) -> Tensor:
        """The picture of each pixel, (P,)."""
        return torch.div(self.place, self.size[1] * self.size[2], rounding_mode="floor")

    def interpolate(self, attributes: Tensor, triangles: Tensor) -> Tensor:
        """Interpolate attributes (B or 1, A, C) of the corners of triangles (F, 3): (P, C)."""
        if self.weights.device.type == "cpu":
            return compiled.interpolate(self.weights, attributes, triangles, self.triangle, self.starts)
        return plain.interpolate(self.weights, attributes, triangles[self.triangle], self.image)

    def sample_texture(self, texture: Tensor, uv: Tensor) -> Tensor:
        """Sample textures (B or 1, C, S, T), row 0 at v = 1, at coordinates (P, 2), bilinearly: (P, C)."""
        if self.weights.device.type == "cpu":
            return compiled.sample_texture(texture, uv, self.starts)
        return plain.sample_texture(texture, uv, self.image)

    def shade(self, normals: Tensor, light: Tensor) -> Tensor:
        """Shading of normals (P, 3), of any length, by spherical harmonics (B or 1, 9, 3): (P, 3)."""
        if self.weights.device.type == "cpu":
            return compiled.shade(normals, light, self.starts)
        return plain.shade(normals, light, self.image)

    def spread(self, values: Tensor, background: Tensor) -> Tensor:
        """Put values (P, C) into pictures (B or 1, H, W, C) or (C,): (B, H, W, C)."""
        canvas = background.expand(*self.size, values.shape[1]).reshape(-1, values.shape[1])
        return canvas.index_copy(0, self.place, values).reshape(*self.size, -1)


def visible_surface(screen: Tensor, triangles: Tensor, coverage: Coverage, perspective: bool) -> Surface:
    """Return the surface seen in pictures.

    Parameters
    ----------
    screen : (B, V, 3) float
        x and y in pixels, and depth; gradients flow to them.
    triangles : (F, 3) int64
    coverage : Coverage
        Of this mesh.
    perspective : bool
        Whether x and y were divided by depth.

    Returns
    -------
    Surface
    """
    batch, height, width = coverage.triangle.shape
    mask = coverage.mask.reshape(batch, -1)
    place = mask.reshape(-1).nonzero()[:, 0]
    triangle = coverage.triangle.reshape(-1)[place].to(torch.int64)
    starts = (0, *mask.sum(dim=1).cumsum(0).tolist())
    if screen.device.type == "cpu":
        weights = compiled.barycentric(screen, triangles, triangle, place, starts, (height, width), perspective)
    else:
        row = torch.div(place, width, rounding_mode="floor")
        centres = torch.stack((place - row * width, row % height), dim=-1).to(screen.dtype)
        image = torch.div(row, height, rounding_mode="floor")
        weights = plain.barycentric(screen, triangles[triangle], image, centres, perspective)
    return Surface(place, triangle, weights, starts, (batch, height, width))

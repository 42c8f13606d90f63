"""The differentiable steps of the renderer in tensor operations: for any device, and the reference for the kernels.

``P`` covered pixels of a batch of ``B`` pictures, in the order of the pictures; ``image`` (P,) says to which picture a
pixel belongs. What is common to all pictures has a leading axis of one.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from facefuse.rendering.shading import sh_basis


def barycentric(screen: Tensor, corners: Tensor, image: Tensor, centres: Tensor, perspective: bool) -> Tensor:
    """Perspective-correct weights of triangles' corners at pixel centres.

    Parameters
    ----------
    screen
        (B, V, 3) vertices: pixels and depth.
    corners
        (P, 3) vertices of the triangle seen at each pixel.
    image
        (P,)
    centres
        (P, 2) pixels.
    perspective
        Whether 1/z, rather than z, is affine on the screen.

    Returns
    -------
    (P, 3)
        They sum to one.
    """
    at = screen[image[:, None], corners]
    from_centre = at[..., :2] - centres[:, None]
    second, third = from_centre.roll(-1, dims=1), from_centre.roll(-2, dims=1)
    weights = second[..., 0] * third[..., 1] - second[..., 1] * third[..., 0]
    if perspective:
        weights = weights / at[..., 2]
    return weights / weights.sum(dim=1, keepdim=True)


def interpolate(weights: Tensor, attributes: Tensor, corners: Tensor, image: Tensor) -> Tensor:
    """Attributes (B or 1, A, C) of the corners (P, 3), weighted (P, 3): (P, C)."""
    owner = image if len(attributes) > 1 else torch.zeros_like(image)
    return (attributes[owner[:, None], corners] * weights[..., None]).sum(dim=1)


def sample_texture(texture: Tensor, uv: Tensor, image: Tensor) -> Tensor:
    """Sample textures (B or 1, C, S, T), row 0 at v = 1, bilinearly at (P, 2) coordinates, clamped: (P, C)."""
    grid = torch.stack((uv[:, 0] * 2 - 1, 1 - uv[:, 1] * 2), dim=-1)
    counts = torch.bincount(image, minlength=len(texture)).tolist() if len(texture) > 1 else [len(uv)]
    sampled = [
        functional.grid_sample(one[None], points[None, None], padding_mode="border", align_corners=False)[0, :, 0].T
        for one, points in zip(texture, grid.split(counts), strict=True)
    ]
    return torch.cat(sampled)


def shade(normals: Tensor, light: Tensor, image: Tensor) -> Tensor:
    """Diffuse shading by spherical harmonics (B or 1, 9, 3) of normals (P, 3) of any length: (P, 3)."""
    basis = sh_basis(functional.normalize(normals, dim=-1))
    if len(light) == 1:
        return basis @ light[0]
    counts = torch.bincount(image, minlength=len(light)).tolist()
    return torch.cat([some @ one for some, one in zip(basis.split(counts), light, strict=True)])

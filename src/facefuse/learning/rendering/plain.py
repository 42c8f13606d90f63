"""Drawing in tensor operations: for any device, and the reference for the kernels.

``P`` covered pixels of a batch of ``B`` pictures, in the order of the pictures; ``image`` (P,) says to which picture a
pixel belongs. What is common to all pictures has a leading axis of one.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from facefuse.learning.rendering.antialias import antialias
from facefuse.learning.rendering.scene import Pictures, Scene
from facefuse.rendering.shading import sh_basis


def draw(scene: Scene) -> Pictures:
    """Draw what is seen."""
    mesh, covered = scene.mesh, scene.coverage.triangle >= 0
    image, row, column = covered.nonzero(as_tuple=True)
    seen = scene.coverage.triangle[covered].to(torch.int64)
    corners, centres = mesh.triangles[seen], torch.stack((column, row), dim=-1).to(scene.screen.dtype)
    weights = barycentric(scene.screen, corners, image, centres, scene.perspective)
    colour = weights.new_ones((len(seen), 3))
    if scene.texture is not None and mesh.uv is not None and mesh.uv_triangles is not None:
        uv = interpolate(weights, mesh.uv.to(colour.dtype)[None], mesh.uv_triangles[seen], image)
        colour = sample_texture(scene.texture, uv, image)
    if scene.albedo is not None:
        colour = colour * interpolate(weights, scene.albedo, corners, image)
    if scene.light is not None and scene.normals is not None:
        colour = colour * shade(interpolate(weights, scene.normals, corners, image), scene.light, image)
    values = [colour, torch.ones_like(colour[:, :1])]
    if scene.attributes is not None:
        values.append(interpolate(weights, scene.attributes, corners, image))
    layers = torch.cat(values, dim=1)
    behind = layers.new_zeros((*covered.shape, layers.shape[1]))
    if scene.background is not None:
        colours = scene.background.movedim(1, -1).expand(*covered.shape, 3)
        behind = torch.cat((colours, behind[..., 3:]), dim=-1)
    pictures = behind.index_put((image, row, column), layers)
    if scene.antialias:
        pictures = antialias(pictures, scene.screen, mesh, scene.coverage, scene.perspective, scene.cull_back)
    planes = pictures.movedim(-1, 1)
    return planes[:, :3], planes[:, 3:4], planes[:, 4:]


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

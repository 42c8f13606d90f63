"""Colour spaces and spherical-harmonics lighting, NumPy or PyTorch."""

from __future__ import annotations

from typing import Any

from facefuse.geometry.arrays import array_namespace

Array = Any

# Ramamoorthi & Hanrahan, "An efficient representation for irradiance environment maps", SIGGRAPH 2001, equation 3
SH_CONSTANT = 0.282095
"""The first basis function: a light with 1 / `SH_CONSTANT` there and zeros elsewhere shades everything by 1."""
_Y = (SH_CONSTANT, 0.488603, 1.092548, 0.315392, 0.546274)

EVENNESS = 1e-3
"""How firmly light is held to be the same from all sides, beside a mean squared basis function of 0.08."""


def srgb_to_linear(colour: Array) -> Array:
    """sRGB, 0-1, to linear (IEC 61966-2-1): any shape."""
    xp = array_namespace(colour)
    base = xp.where(colour > 0.04045, colour, 0.04045 * xp.ones_like(colour))
    return xp.where(colour > 0.04045, ((base + 0.055) / 1.055) ** 2.4, colour / 12.92)


def linear_to_srgb(colour: Array) -> Array:
    """Linear, 0-1, to sRGB (IEC 61966-2-1): any shape."""
    xp = array_namespace(colour)
    base = xp.where(colour > 0.0031308, colour, 0.0031308 * xp.ones_like(colour))
    return xp.where(colour > 0.0031308, 1.055 * base ** (1 / 2.4) - 0.055, 12.92 * colour)


def sh_basis(normals: Array) -> Array:
    """The nine real spherical harmonics up to order two.

    Parameters
    ----------
    normals : (..., 3) float
        Unit vectors.

    Returns
    -------
    (..., 9) float
        Order 1, y, z, x, xy, yz, 3z²-1, xz, x²-y².
    """
    xp = array_namespace(normals)
    x, y, z = normals[..., 0], normals[..., 1], normals[..., 2]
    c0, c1, c2, c3, c4 = _Y
    return xp.stack(
        (
            c0 * xp.ones_like(x),
            c1 * y,
            c1 * z,
            c1 * x,
            c2 * x * y,
            c2 * y * z,
            c3 * (3 * z * z - 1),
            c2 * x * z,
            c4 * (x * x - y * y),
        ),
        axis=-1,
    )


def sh_shade(normals: Array, light: Array) -> Array:
    """Diffuse shading, the factor that multiplies linear albedo.

    Parameters
    ----------
    normals : (..., 3) float
        Unit vectors, in the frame of the light.
    light : (9, 3) float
        Coefficients per colour channel, with the cosine lobe's factors already in them.

    Returns
    -------
    (..., 3) float
    """
    xp = array_namespace(normals)
    return xp.matmul(sh_basis(normals), light)


def estimate_light(colour: Array, albedo: Array, normals: Array, weights: Array, rounds: int = 4) -> Array:
    """Find the light under which a surface of known albedo shows given colours.

    Iteratively reweighted least squares with the weights of Geman and McClure (1985): what diffuse light cannot
    explain (cast shadows, highlights, hair, make-up) hardly counts. Where the normals leave the light open it stays
    as even as can be.

    Parameters
    ----------
    colour : (N, 3) float
        Linear RGB.
    albedo : (N, 3) float
        Linear RGB.
    normals : (N, 3) float
        Unit vectors, in the frame wanted for the light.
    weights : (N,) float
        How much each point counts, not all zero.
    rounds : int
        Rounds of reweighting.

    Returns
    -------
    (9, 3) float
        Coefficients for :func:`sh_shade`, in the order of :func:`sh_basis`.
    """
    xp = array_namespace(colour)
    basis = sh_basis(normals)
    products = xp.reshape(basis[:, :, None] * basis[:, None, :], (-1, 81))
    evenness = xp.asarray([0.0] + [EVENNESS] * 3 + [2 * EVENNESS] * 5, dtype=basis.dtype)
    prior = xp.reshape(evenness * xp.eye(9, dtype=basis.dtype), (1, 81))
    squared = albedo * albedo
    trust = weights
    for _ in range(rounds):
        # the three channels are three systems, a (9, 9) matrix each
        scale = trust[:, None] * squared
        gram = xp.matmul(xp.matrix_transpose(scale), products) + xp.sum(scale, axis=0)[:, None] * prior
        right = xp.matmul(xp.matrix_transpose(trust[:, None] * albedo * colour), basis)
        solved = xp.linalg.solve(xp.reshape(gram, (3, 9, 9)), right[..., None])
        light = xp.matrix_transpose(solved[..., 0])
        off = (colour - albedo * xp.matmul(basis, light)) ** 2
        error = off[:, 0] + off[:, 1] + off[:, 2]
        trust = weights / (1 + error / (4 * _weighted_median(error, weights) + 1e-12)) ** 2
    return light


def _weighted_median(values: Array, weights: Array) -> Array:
    """The value below which half of the weight lies: (N,), (N,) to a scalar."""
    xp = array_namespace(values)
    order = xp.argsort(values)
    running = xp.cumulative_sum(xp.take(weights, order))
    return xp.take(values, order)[xp.sum(xp.astype(running < running[-1] / 2, xp.int64))]

"""Colour spaces and spherical-harmonics lighting, NumPy or PyTorch."""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace

Array = Any

# Ramamoorthi & Hanrahan, "An efficient representation for irradiance environment maps", SIGGRAPH 2001, equation 3
_Y = (0.282095, 0.488603, 1.092548, 0.315392, 0.546274)


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

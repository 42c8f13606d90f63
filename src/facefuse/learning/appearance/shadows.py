"""How much of the surroundings every point of a head sees: shading with the head's own shadows in it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from facefuse.geometry.mesh import vertex_normals
from facefuse.rendering.rasterize import rasterize
from facefuse.rendering.shading import sh_basis

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]

DIRECTIONS = 120
MAP_SIZE = 160
"""Side of the depth maps in pixels."""
BIAS_MM = 3.5
"""A point this much behind the nearest surface still sees the light."""


def shadow_transfer(vertices: FloatArray, triangles: IntArray) -> FloatArray:
    """Return what light from each spherical harmonic does to each vertex, the head's own shadows included.

    Precomputed radiance transfer (Sloan, Kautz and Snyder, SIGGRAPH 2002) without interreflection: the integral of
    visibility, cosine and harmonic over the sphere, by depth maps from evenly spread directions.

    Parameters
    ----------
    vertices : (V, 3) float
        Millimetres, model frame.
    triangles : (F, 3) int

    Returns
    -------
    (V, 9) float
        Times light (9, C) gives irradiance over pi.
    """
    normals = vertex_normals(np.asarray(vertices, np.float64), triangles)
    directions = sphere_directions(DIRECTIONS)
    out = np.zeros((len(vertices), 9))
    for direction, harmonics in zip(directions, sh_basis(directions), strict=True):
        cosine = np.clip(normals @ direction, 0, None) * lit_from(vertices, triangles, direction)
        out += cosine[:, None] * harmonics
    return out * (4 / DIRECTIONS)


def open_transfer(normals: FloatArray) -> FloatArray:
    """Return the transfer of unshadowed points with unit normals (V, 3): (V, 9) (Ramamoorthi and Hanrahan 2001)."""
    lobe = np.array([1.0] + [2 / 3] * 3 + [1 / 4] * 5)
    out: FloatArray = sh_basis(normals) * lobe
    return out


def lit_from(vertices: FloatArray, triangles: IntArray, direction: FloatArray) -> FloatArray:
    """Tell which vertices parallel light from a direction (3,) reaches: (V,), 0-1, soft over ``BIAS_MM``."""
    right = np.cross([0.0, 1.0, 0.0] if abs(direction[1]) < 0.9 else [1.0, 0.0, 0.0], direction)
    right /= np.linalg.norm(right)
    frame = np.stack([right, np.cross(right, direction), -direction])  # x right, y down, z away from the light
    seen = vertices @ frame.T
    low, high = seen.min(0), seen.max(0)
    scale = (MAP_SIZE - 3) / (high - low)[:2].max()
    screen = seen.copy()
    screen[:, :2] = (seen[:, :2] - low[:2]) * scale + 1
    depth = rasterize(screen, triangles, MAP_SIZE, MAP_SIZE, perspective=False, cull_back=False).depth
    at = np.rint(screen[:, :2]).astype(int)
    # a surface seen at a grazing angle is deep within one pixel of the map
    nearest = np.stack([depth[at[:, 1] + dy, at[:, 0] + dx] for dy, dx in ((0, 0), (0, 1), (1, 0), (0, -1), (-1, 0))])
    gap = seen[:, 2] - np.where(np.isfinite(nearest), nearest, seen[:, 2]).max(0)
    out: FloatArray = np.clip(2 - gap / BIAS_MM, 0, 1)
    return out


def sphere_directions(count: int) -> FloatArray:
    """Return unit vectors spread evenly over the sphere, (count, 3): a golden spiral."""
    k = np.arange(count) + 0.5
    height = 1 - 2 * k / count
    turn = np.pi * (1 + 5**0.5) * k
    ring = np.sqrt(1 - height**2)
    return np.stack([ring * np.cos(turn), height, ring * np.sin(turn)], axis=1)

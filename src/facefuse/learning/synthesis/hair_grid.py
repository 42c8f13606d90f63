"""The compiled loops on the grid of a hair sheet: its sheets, directions of strands, normals. Arrays are float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

Array = Any


@njit(cache=True, nogil=True, error_model="numpy")
def lay_sheets(rows: Array, outward: Array, thick: Array, levels: Array, sheets: Array) -> None:
    """``rows + outward * thick * level``: (R, C, 3), (R, C, 3), (R, C), (S,) to (S, R, C, 3) float32."""
    for s in range(sheets.shape[0]):
        for i in range(rows.shape[0]):
            for j in range(rows.shape[1]):
                height = thick[i, j] * levels[s]
                for c in range(3):
                    sheets[s, i, j, c] = rows[i, j, c] + outward[i, j, c] * height


@njit(cache=True, nogil=True, error_model="numpy")
def comb(
    rows: Array, outward: Array, axes: Array, strands: float, stretch: float, along: Array, coordinates: Array
) -> None:
    """Let strands run from the first of three ``axes`` (3, 3) over the skull, and then down.

    Parameters
    ----------
    rows : (R, C, 3)
        Foot of the hair.
    outward : (K, C, 3)
        Directions of the rows on the skull; the others hang.
    strands, stretch
        See `Style`.
    along : (R, C, 3)
        Written: direction of the strands, any length.
    coordinates : (R, C, 2) float32
        Written: across and along the strands, in units of the noise.
    """
    skull = outward.shape[0]
    unit = 2 * math.pi * 85 / strands * stretch  # mm along one strand of noise
    for j in range(rows.shape[1]):
        run = 0.0
        for i in range(rows.shape[0]):
            if i < skull:
                x, y, z = outward[i, j, 0], outward[i, j, 1], outward[i, j, 2]
                rise = x * axes[0, 0] + y * axes[0, 1] + z * axes[0, 2]
                for c in range(3):
                    along[i, j, c] = outward[i, j, c] * rise - axes[0, c]
                aside = x * axes[1, 0] + y * axes[1, 1] + z * axes[1, 2]
                ahead = x * axes[2, 0] + y * axes[2, 1] + z * axes[2, 2]
                coordinates[i, j, 0] = math.atan2(aside, ahead) * strands / (2 * math.pi)
                run = math.acos(min(max(rise, -1.0), 1.0)) * 90.0
            else:
                step = 0.0
                for c in range(3):
                    along[i, j, c] = rows[i, j, c] - rows[i - 1, j, c]
                    step += along[i, j, c] ** 2
                coordinates[i, j, 0] = coordinates[skull - 1, j, 0]
                run += math.sqrt(step)
            coordinates[i, j, 1] = run / unit


@njit(cache=True, nogil=True, error_model="numpy")
def frames(grid: Array, rows: Array, along: Array, normals: Array, tangents: Array) -> None:
    """Outward unit normals of a grid closed across its columns (R, C, 3) float32, and unit tangents along strands.

    Where ``along`` (R, C, 3) is normal to the surface, tangents follow the ``rows`` (R, C, 3) downwards. Both results
    (R, C, 3) float32 are written.
    """
    count, columns = grid.shape[:2]
    tangent = np.empty(3)
    for i in range(count):
        above, below = max(i - 1, 0), min(i + 1, count - 1)
        for j in range(columns):
            left, right = (j - 1) % columns, (j + 1) % columns
            ax = np.float64(grid[below, j, 0]) - grid[above, j, 0]
            ay = np.float64(grid[below, j, 1]) - grid[above, j, 1]
            az = np.float64(grid[below, j, 2]) - grid[above, j, 2]
            bx = np.float64(grid[i, right, 0]) - grid[i, left, 0]
            by = np.float64(grid[i, right, 1]) - grid[i, left, 1]
            bz = np.float64(grid[i, right, 2]) - grid[i, left, 2]
            nx, ny, nz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
            size = math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-6
            nx, ny, nz = nx / size, ny / size, nz / size
            normals[i, j, 0], normals[i, j, 1], normals[i, j, 2] = nx, ny, nz
            lean = along[i, j, 0] * nx + along[i, j, 1] * ny + along[i, j, 2] * nz
            tangent[0] = along[i, j, 0] - nx * lean
            tangent[1] = along[i, j, 1] - ny * lean
            tangent[2] = along[i, j, 2] - nz * lean
            size = math.sqrt(tangent[0] ** 2 + tangent[1] ** 2 + tangent[2] ** 2)
            if size < 1e-6:
                for c in range(3):
                    tangent[c] = rows[below, j, c] - rows[above, j, c]
                size = math.sqrt(tangent[0] ** 2 + tangent[1] ** 2 + tangent[2] ** 2)
            for c in range(3):
                tangents[i, j, c] = tangent[c] / (size + 1e-6)


@njit(cache=True, nogil=True, error_model="numpy")
def carry(values: Array, corners: Array, weights: Array, out: Array) -> None:
    """Weighted sums of three vertices each: values (V, 3), (R, C, 3) int, (R, C, 3) to (R, C, 3)."""
    for i in range(corners.shape[0]):
        for j in range(corners.shape[1]):
            for c in range(3):
                total = 0.0
                for k in range(3):
                    total += values[corners[i, j, k], c] * weights[i, j, k]
                out[i, j, c] = total

"""Fine variation for what no photo shows, so that it does not look like plastic beside what one does."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from facefuse.texturing import kernels

FloatArray = npt.NDArray[np.floating[Any]]

SKIN_ROUGHNESS, HAIR_ROUGHNESS = 0.035, 0.22
"""Amplitudes relative to the colour."""
_PORE_MM, _BLOTCH_MM = 0.55, 4.0
_STRAND_MM, _STRAND_LENGTH_MM = 0.7, 22.0
_CHUNK = 1 << 18


def grain_of(position: FloatArray, crown: FloatArray) -> npt.NDArray[np.float32]:
    """Grain of skin and strands of hair, the same wherever the texture is cut.

    Parameters
    ----------
    position : (N, 3) float
        Points on the mean head, mm.
    crown : (2, 3) float
        The middle of the head, and the whorl that hair grows away from.

    Returns
    -------
    (N, 2) float32
        Skin and hair, about -1 to 1.
    """
    out = np.empty((len(position), 2), np.float32)
    for start in range(0, len(position), _CHUNK):  # large textures have tens of millions of texels
        out[start : start + _CHUNK] = _grain(position[start : start + _CHUNK].astype(np.float64), crown)
    return out


def _grain(position: FloatArray, crown: FloatArray) -> FloatArray:
    out = np.zeros((2, len(position)), np.float32)
    noise = np.zeros(len(position), np.float32)
    for length, share in ((_PORE_MM, 0.75), (_BLOTCH_MM, 0.5)):
        noise[:] = 0
        kernels.value_noise(np.ascontiguousarray(position / length, np.float32), noise)
        out[0] += np.float32(share) * noise
    axis = crown[1] - crown[0]
    reach = float(np.linalg.norm(axis))
    axis = axis / reach
    offset = position - crown[0]
    height = offset @ axis
    flat = offset - height[:, None] * axis
    right = np.array([1.0, 0.0, 0.0])
    forward = np.cross(right, axis)
    along = np.arctan2(np.linalg.norm(flat, axis=1), height) * reach
    around = np.arctan2(flat @ right, flat @ forward) * reach
    around += 5 * np.sin(along / 17) + 2 * np.sin(along / 7 + around / 30)  # locks
    for width, share in ((_STRAND_MM, 0.6), (3.5 * _STRAND_MM, 0.6)):
        noise[:] = 0
        strand = np.stack((around / width, along / _STRAND_LENGTH_MM, np.zeros_like(along)), axis=1)
        kernels.value_noise(np.ascontiguousarray(strand, np.float32), noise)
        out[1] += np.float32(share) * noise
    return out.T

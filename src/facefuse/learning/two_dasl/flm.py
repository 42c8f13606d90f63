"""Facial landmark maps (FLM): 18 landmarks drawn as a picture, the fourth channel of the input."""

from __future__ import annotations

import torch
from torch import Tensor

from facefuse.learning.landmarks.network import CROP_SIZE

# The 18 points as means of iBUG points: AFLW's 21 without ears and chin, in the authors' order.
FLM_POINTS: tuple[tuple[int, ...], ...] = (
    *((17,), (19,), (21,), (22,), (24,), (26,)),  # brows
    *((36,), (37, 40), (39,), (42,), (43, 46), (45,)),  # eyes
    *((31,), (30,), (35,)),  # nose
    *((48,), (62, 66), (54,)),  # mouth
)
FLM_WEIGHTS = (1.0,) * 7 + (2.0, 1.0, 1.0, 2.0, 1.0, 1.0, 4.0, 1.0, 2.0, 4.0, 2.0)
"""Weight of each of the 18 points in the self-mapping losses, as published; to be divided by their sum."""


def flm_points(points68: Tensor) -> Tensor:
    """The 18 points (..., 18, D) of 68 iBUG points (..., 68, D)."""
    return torch.stack([points68[..., list(members), :].mean(dim=-2) for members in FLM_POINTS], dim=-2)


def hard_map(points18: Tensor, size: int) -> Tensor:
    """The published map: 1 at the pixel of each point, 0 elsewhere; no gradient.

    The published map holds +1 and -1; a network that wants those takes ``2 * map - 1``. Coordinates are cut to whole
    pixels and clamped to the map on both sides (the authors clamp above only; negative ones wrap around there).

    Parameters
    ----------
    points18
        (N, P, 2) px of a `CROP_SIZE` crop.
    size
        Side of the map.

    Returns
    -------
    (N, size, size) float32
    """
    place = _scaled(points18.detach(), size).floor().long().clamp(0, size - 1)
    maps = torch.zeros(len(points18), size * size, dtype=torch.float32, device=points18.device)
    maps.scatter_(1, place[..., 1] * size + place[..., 0], 1.0)
    return maps.unflatten(1, (size, size))


def soft_map(points18: Tensor, size: int, sigma: float) -> Tensor:
    """A differentiable map: a Gaussian of peak 1 at each point, the sum cut off at 1.

    Parameters
    ----------
    points18
        (N, P, 2) px of a `CROP_SIZE` crop.
    size
        Side of the map.
    sigma
        Standard deviation, px of a `CROP_SIZE` crop.

    Returns
    -------
    (N, size, size)
    """
    place = _scaled(points18, size)
    pixels = torch.arange(size, dtype=place.dtype, device=place.device)
    across, down = (
        torch.exp(-0.5 * ((pixels - place[..., axis, None]) / (sigma * size / CROP_SIZE)).square()) for axis in (0, 1)
    )
    return torch.einsum("npi,npj->nij", down, across).clamp(max=1.0)


def _scaled(points: Tensor, size: int) -> Tensor:
    return (points + 0.5) * (size / CROP_SIZE) - 0.5

"""What 2DASL minimises: every term alone, as a mean over samples (N,) that carry a weight.

``count`` is the number of samples the mean is over, so that a term that applies to some of a batch's samples is a plain
mean over those, and zero where there are none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from facefuse.learning.landmarks.network import CROP_SIZE
from facefuse.learning.two_dasl.flm import FLM_WEIGHTS

FACE_SIDE = CROP_SIZE / math.sqrt(2.0)
"""Side of a face's box, px, in a crop placed by the published rule."""

_ROUND = 0.25  # px, below which a distance counts as its square
_LIDS_AND_LIPS = ((37, 41), (38, 40), (43, 47), (44, 46), (61, 67), (62, 66), (63, 65))
_MESH_LIDS_AND_LIPS = (
    *((160, 144), (159, 145), (158, 153)),
    *((385, 380), (386, 374), (387, 373)),
    *((81, 178), (82, 87), (13, 14), (312, 317), (311, 402)),
)  # MediaPipe's numbers


def wpdc(values: Tensor, truth: Tensor, impact: Tensor) -> Tensor:
    """Weighted parameter distance cost (3DDFA): ``(v - v*)ᵀ W (v - v*)`` per sample, (N,).

    ``w_i ∝ |v_i - v*_i| · impact_i``, the displacement of the face's points when value i alone is wrong, divided by the
    largest of the sample; weights carry no gradient. What matters most now is learnt first: pose, then shape.

    Parameters
    ----------
    values, truth
        (N, D) in units in which their sizes compare (whitened, or as the space defines them).
    impact
        (N, D) displacement of the points per unit of each value.
    """
    weight = ((values - truth).detach().abs() * impact + 1e-6) * (impact > 0)
    weight = weight / weight.amax(dim=1, keepdim=True)
    return (weight * (values - truth).square()).mean(dim=1)


def vdc(points: Tensor, truth: Tensor) -> Tensor:
    """Vertex distance cost (3DDFA): ``mean_k |x_k - x*_k|²`` of projected 3D points (N, P, 3), faces' sides; (N,)."""
    return ((points - truth) / FACE_SIDE).square().sum(-1).mean(dim=1)


def consistency_2d(seen: Tensor, mapped: Tensor) -> Tensor:
    """2D landmark self-consistency: ``L = Σ_k v_k |x_k - y_k|²``, given against predicted points (N, 18, 2); (N,).

    In sides of the face; `FLM_WEIGHTS` normalised to a sum of 1.
    """
    weight = torch.tensor(FLM_WEIGHTS, dtype=mapped.dtype, device=mapped.device)
    square = ((seen - mapped) / FACE_SIDE).square().sum(-1)
    return (square * (weight / weight.sum())).sum(dim=1)


def cycle(seen: Tensor, mapped_twice: Tensor) -> Tensor:
    """Cycle consistency: the same distance between the given points and those of the second pass (N, 18, 2); (N,)."""
    return consistency_2d(seen, mapped_twice)


def consistency_3d(first: Tensor, second: Tensor, size_mm: float = 100.0) -> Tensor:
    """3D landmark self-consistency: ``mean_k |X_k - X̂_k|²`` of both passes' points (N, P, 3) in the model frame; (N,).

    In units of ``size_mm``.
    """
    return ((first - second) / size_mm).square().sum(-1).mean(dim=1)


def landmark_distance(points: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean distance of points (N, P, 2) to their labels in sides of the face; (N,).

    The training form of the NME: linear, but round near zero. The weights (N, P) are about 1 where a label is typical.
    """
    distance = ((points - target).square().sum(-1) + _ROUND**2).sqrt() - _ROUND
    return (weight * distance).mean(dim=1) / FACE_SIDE


def sigma_likelihood(log_sigma: Tensor, points: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Negative log likelihood of distances (N, P) under a round two-dimensional Laplace distribution; (N,).

    Distances carry no gradient: learning the uncertainty must not make the points worse.
    """
    distance = (points - target).detach().square().sum(-1).add(1e-6).sqrt()
    log_b = log_sigma - 0.5 * math.log(3.0)  # the variance of one coordinate is 3 b²
    return ((weight > 0).to(log_b.dtype) * (2.0 * log_b + distance * torch.exp(-log_b))).mean(dim=1)


def lids_and_lips(mesh_indices: Sequence[int]) -> tuple[list[int], list[int]]:
    """Upper and lower points of the openings of lids and lips, among the 68 landmarks followed by these mesh points."""
    place = {int(index): 68 + k for k, index in enumerate(mesh_indices)}
    mesh = [(place[upper], place[lower]) for upper, lower in _MESH_LIDS_AND_LIPS if upper in place and lower in place]
    pairs = [*_LIDS_AND_LIPS, *mesh]
    return [upper for upper, _ in pairs], [lower for _, lower in pairs]


def gap_distance(
    points: Tensor, target: Tensor, weight: Tensor, openings: tuple[Sequence[int], Sequence[int]]
) -> Tensor:
    """Error of the openings of lids and lips: mean length of the wrong part of each gap, sides of the face; (N,).

    Points follow a wink or a parted mouth late when only their places are learnt: an eye's opening is a few pixels.

    Parameters
    ----------
    points, target
        (N, P, 2) px.
    weight
        (N, P).
    openings
        As of `lids_and_lips`.
    """
    upper, lower = (list(side) for side in openings)
    gap, true = points[:, upper] - points[:, lower], target[:, upper] - target[:, lower]
    distance = ((gap - true).square().sum(-1) + 1e-2).sqrt() - 1e-1
    return (torch.minimum(weight[:, upper], weight[:, lower]) * distance).mean(dim=1) / FACE_SIDE


def blendshape_distance(expression: Tensor, scores: Tensor, spread: Tensor) -> Tensor:
    """Mean squared difference of expression weights (N, E) to predicted blendshape scores (N, E); (N,).

    In units of each score's spread (E,) among people, lest rare and faint ones (blinks) be ignored beside smiles.
    """
    return ((expression - scores) / spread).square().mean(dim=1)


def identity_prior(identity: Tensor) -> Tensor:
    """Mean square of N(0, 1) coefficients (N, K); (N,)."""
    return identity.square().mean(dim=1)


def expression_prior(expression: Tensor) -> Tensor:
    """Mean size of expression weights (N, E); (N,)."""
    return expression.abs().mean(dim=1)


def critic_objective(real: Tensor, fake: Tensor) -> Tensor:
    """What the critic with its encoder minimises: ``-mean log σ(real) - mean log(1 - σ(fake))``, from logits (n,)."""
    return torch.nn.functional.softplus(-real).mean() + torch.nn.functional.softplus(fake).mean()


def critic_cost(fake: Tensor) -> Tensor:
    """What the self-critic costs the regressor, per sample: ``-log σ(fake)`` from logits (n,).

    The published form ``log(1 - σ(fake))`` has the same fixed points and vanishing gradients where the critic is sure
    (Goodfellow et al., 2014); this one has not.
    """
    return torch.nn.functional.softplus(-fake)

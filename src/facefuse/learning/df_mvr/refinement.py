"""A learnt joint fit: where the points of the face miss those found in all views says how to move it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from facefuse.learning.df_mvr.attention import CrossViewAttention, log_weight
from facefuse.learning.df_mvr.placing import POSE, PointModel

_FLOOR = 0.25
"""Added to the variance of a found point, px² of a 120-pixel crop: errors are never independent."""
_FAR_MM = 25.0


class Found(NamedTuple):
    """Points that are found in B·N views: (B·N, P, 2) in sides of the crop, and the logarithm of each coordinate's
    standard deviation, (B·N, P), in pixels of a 120-pixel crop.
    """

    points: Tensor
    log_sigma: Tensor


class Guess(NamedTuple):
    """Identity (B, K), raw expression (B·N, E) and pose (B·N, `POSE`) as far as they are known."""

    identity: Tensor
    expression: Tensor
    pose: Tensor


class Refinement(nn.Module):  # type: ignore[misc]
    """One step: each view tells what it misses, the views together move the identity, each view then its own camera.

    Beside the misses themselves the step is given what they say of each coefficient: the miss projected to its mode,
    weighted by how certain the points are, which is the gradient of the joint fit divided by its curvature. Summed over
    all views it is the step of that fit for the identity, to which views that see more of the face contribute more.

    Parameters
    ----------
    points
        The face's points.
    identity, expression
        Number of coefficients.
    width, heads, queries
        As those of the network it belongs to.
    hidden
        Width within.
    shared_expression
        Whether the views show one expression.
    even
        Whether the mean over the views is read instead of attending to them.
    """

    def __init__(
        self,
        points: int,
        identity: int,
        expression: int,
        width: int,
        heads: int,
        queries: int,
        hidden: int,
        shared_expression: bool,
        even: bool = False,
    ) -> None:
        super().__init__()
        self.identity, self.shared_expression = identity, shared_expression
        seen = 3 * points + 2 * identity + 2 * expression + POSE
        self.see = nn.Sequential(nn.Linear(seen, hidden), nn.SiLU(), nn.Linear(hidden, width))
        self.across = CrossViewAttention(width, heads, even)
        self.within = CrossViewAttention(width, heads)
        self.own = own = 0 if shared_expression else expression
        shared = queries * width + 2 * identity
        self.person = nn.Sequential(
            nn.Linear(shared, hidden), nn.SiLU(), nn.Linear(hidden, identity + expression - own)
        )
        self.view = nn.Linear(width, POSE + own)
        for last in (self.person[2], self.view):
            nn.init.normal_(last.weight, std=0.01)
            nn.init.zeros_(last.bias)

    def forward(
        self, model: PointModel, guess: Guess, found: Found, vectors: Tensor, own: Tensor, there: Tensor
    ) -> tuple[Guess, Tensor, Tensor, Tensor]:
        """Take the step.

        Parameters
        ----------
        model
            The points of the face.
        guess
            Before.
        found
            Points in the views.
        vectors, own
            What is known of each person (B, Q, D) and view (B, N, D).
        there
            (B, N) 1 for views that are there, else 0.

        Returns
        -------
        The guess after it, what is then known of each person and view, and where the points of the guess before it lie,
        (B·N, P, 2) in sides of the crop.
        """
        views = there.shape[1]
        identity = guess.identity.repeat_interleave(views, dim=0)
        expression = model.weights(guess.expression)
        cameras = model.cameras(guess.pose)
        placed = cameras.screen(model.points(identity, expression))[..., :2]
        scale = cameras.focal / cameras.translation[:, 2]
        miss = ((found.points - placed) / scale[:, None, None]).clamp(-_FAR_MM, _FAR_MM)
        certain = 1.0 / (_FLOOR + torch.exp(2.0 * found.log_sigma.clamp(-3.0, 5.0))) * there.flatten()[:, None]
        pull = (certain[..., None] * miss) @ cameras.rotation[:, :2]  # in the model frame
        slope, curve = _projected(pull, certain, model.identity[: identity.shape[1]])
        slope_own, curve_own = _projected(pull, certain, model.expression[: expression.shape[1]])
        steps = slope / (curve + 1.0), slope_own / (curve_own + 1.0)
        seen = torch.cat([miss.flatten(1) * 0.2, found.log_sigma, *steps, identity, expression, guess.pose], dim=1)
        own = own + self.see(seen).unflatten(0, there.shape)
        vectors = self.across(vectors, own, log_weight(there))
        joint = slope.unflatten(0, there.shape).sum(1) / (curve.unflatten(0, there.shape).sum(1) + 1.0)
        change = self.person(torch.cat([vectors.flatten(1), joint, guess.identity], dim=1))
        move, alike = change.split([self.identity, change.shape[1] - self.identity], dim=1)
        own = self.within(own, vectors, torch.zeros_like(vectors[..., 0]))
        pose, bend = (self.view(own) * there[..., None]).flatten(0, 1).split([POSE, self.own], dim=1)
        if self.shared_expression:
            bend = alike.repeat_interleave(views, dim=0)
        return Guess(guess.identity + move, guess.expression + bend, guess.pose + pose), vectors, own, placed


def _projected(pull: Tensor, certain: Tensor, modes: Tensor) -> tuple[Tensor, Tensor]:
    """Gradient and diagonal of the curvature of weighted misses (N, P, 3) in coefficients of modes (K, P, 3)."""
    # two of three directions of a displacement show in a picture
    size = modes.square().sum(dim=2) * (2.0 / 3.0)
    return pull.flatten(1) @ modes.flatten(1).T, certain @ size.T

"""What DF-MVR minimises, each term with its equation, and the published weights.

Symbols: B samples, I a photo and Î its rendering, m a weight per pixel, q landmarks. Every term is a mean over the
batch, so that batches of any size compare. With several views give each view as a sample.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from facefuse.learning.df_mvr.alignment3d import similarity_aligned

_TINY = 1e-8


@dataclass(frozen=True)
class LossWeights:
    """Weight of each term; as published by default, in the weakly supervised regime that the paper claims.

    Attributes
    ----------
    photometric, landmarks, light, reflectance
        Of the functions of these names.
    mesh
        Of `landmarks` on MediaPipe's mesh points, which the paper does not have.
    votes, sigma
        Of `landmarks` on the points that our network finds by itself, and of `uncertainty` on theirs.
    earlier
        Of `landmarks` on the points of our network's faces before each refinement, and on the encoder's votes.
    fewer, unseen
        Of `landmarks` and `mesh` together for the faces that our network makes of some of a person's views, and of
        `landmarks` on all points, of the identity found in them, in all the person's views: what one photo hides,
        another shows. Still the photos' 2D points alone.
    mask
        Of `mask_cross_entropy` and `mask_overlap` together, on the parts that are rendered; and on those that a network
        finds by itself, where it does.
    coefficients
        Of `coefficient_prior` as a whole, and
    identity, expression, albedo
        of its parts.
    landmarks3d
        Of `landmarks3d`, which needs 3D truth: 0 is the weak regime; 1 is what the released trainer always uses.
    """

    photometric: float = 24.0
    landmarks: float = 0.02
    mesh: float = 0.0
    votes: float = 0.0
    sigma: float = 0.0
    earlier: float = 0.0
    fewer: float = 0.0
    unseen: float = 0.0
    coefficients: float = 3e-4
    identity: float = 1.0
    expression: float = 0.8
    albedo: float = 0.017
    mask: float = 1.0
    light: float = 10.0
    reflectance: float = 5.0
    landmarks3d: float = 0.0


def published_landmark_weights() -> Tensor:
    """Weights (68,): 20 for the nose's bridge and tip (28–30), eyes (36–47) and inner lips (60–67), else 1."""
    weights = torch.ones(68)
    weights[28:31] = weights[36:48] = weights[60:68] = 20.0
    return weights


def photometric(rendered: Tensor, photo: Tensor, weights: Tensor) -> Tensor:
    """``Σ m_p |I_p - Î_p|₂ / max(Σ m_p, 1)``, sums over all pixels of the batch.

    Parameters
    ----------
    rendered, photo
        (B, 3, H, W) RGB, 0-1.
    weights
        (B, H, W) mask weights times the coverage of the rendering; they carry no gradient, or covering less would be
        rewarded.
    """
    m = weights.detach()
    distance = ((rendered - photo).square().sum(dim=1) + _TINY).sqrt()
    return (m * distance).sum() / m.sum().clamp(min=1.0)


def landmarks(points: Tensor, truth: Tensor, weights: Tensor) -> Tensor:
    """``Σ w_i |q_i - q*_i|₂ / (n B)``: distances, not their squares, so that single bad labels do not rule.

    Parameters
    ----------
    points, truth
        (B, n, 2) pixels of the crop.
    weights
        (n,) or (B, n); zero for a landmark that is not known.
    """
    distance = ((points - truth).square().sum(dim=-1) + _TINY).sqrt()
    return (weights * distance).mean()


def uncertainty(log_sigma: Tensor, points: Tensor, truth: Tensor, weights: Tensor) -> Tensor:
    """``mean w (|q - q*|₂ / σ + 2 log σ)``: the likelihood of the distances under a round Laplace distribution.

    The points carry no gradient: knowing better how uncertain they are must not make them worse.

    Parameters
    ----------
    log_sigma
        (B, n), pixels.
    points, truth, weights
        As in `landmarks`.
    """
    distance = ((points - truth).detach().square().sum(dim=-1) + _TINY).sqrt()
    return (weights * (distance * torch.exp(-log_sigma) + 2.0 * log_sigma)).mean()


def coefficient_prior(identity: Tensor, expression: Tensor, albedo: Tensor, weights: LossWeights) -> Tensor:
    """``(w_id |id|² + w_exp |exp|² + w_alb |alb|²) / B`` of (B, K) coefficients in standard deviations."""
    parts = (weights.identity, identity), (weights.expression, expression), (weights.albedo, albedo)
    return sum((w * x.square().sum(dim=1).mean() for w, x in parts), start=identity.new_zeros(()))


def light(coefficients: Tensor) -> Tensor:
    """``mean (γ - mean over the colours)²`` of (B, 3, 9) spherical harmonics: light is nearly white."""
    return (coefficients - coefficients.mean(dim=1, keepdim=True)).square().mean()


def reflectance(albedo: Tensor, skin: Tensor) -> Tensor:
    """``Σ s_v |C_v - C̄|² / (B Σ s)``: skin is of one colour, C̄ its mean over the skin.

    It belongs on the albedo; the released code takes the shaded colours, which flattens light instead of skin.

    Parameters
    ----------
    albedo
        (B, V, 3), 0-1.
    skin
        (V,) weights, 1 on skin.
    """
    share = (skin / skin.sum().clamp(min=_TINY))[:, None]
    mean = (albedo * share).sum(dim=1, keepdim=True)
    return ((albedo - mean).square() * share).sum(dim=(1, 2)).mean()


def mask_cross_entropy(rendered: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """``-Σ m_p log r_p(label_p) / Σ m_p``: parts that the model renders against parts seen in the photo.

    Parameters
    ----------
    rendered
        (B, C, H, W) soft part masks rendered from the model, each pixel's parts (background among them) summing to one;
        the gradient moves the model's outlines.
    labels
        (B, H, W) integer parts seen.
    weights
        (B, H, W); zero where the parts are unknown, as under an occluder.
    """
    seen = rendered.gather(1, labels[:, None].long()).squeeze(1)
    return -(weights * seen.clamp(min=1e-4).log()).sum() / weights.sum().clamp(min=1.0)


def mask_overlap(rendered: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """``1 - mean over parts of 2 Σ m r s / Σ m (r + s)`` (Dice), over the parts but the first, background.

    Unlike the cross-entropy it counts small parts as much as large ones. Parameters as in `mask_cross_entropy`; s is
    one where the label is the part. A part that is neither rendered nor seen in a sample does not count.
    """
    seen = functional.one_hot(labels.long(), rendered.shape[1]).movedim(-1, 1).to(rendered.dtype)
    m = weights[:, None]
    common = (m * rendered * seen).sum(dim=(2, 3))[:, 1:]
    size = (m * (rendered + seen)).sum(dim=(2, 3))[:, 1:]
    there = (size > 1.0).to(rendered.dtype)
    dice = 2 * common / size.clamp(min=1.0)
    return 1 - (there * dice).sum() / there.sum().clamp(min=1.0)


def landmarks3d(points: Tensor, truth: Tensor, anchors: Tensor | None = None) -> Tensor:
    """``mean |X_i - X*_i|₂`` after the similarity that best takes the anchors to their truth.

    This is 3D supervision: it has no place in the weakly supervised regime.

    Parameters
    ----------
    points, truth
        (B, n, 3) in the unit of the loss (mm).
    anchors
        Indices of the points that are aligned; all where absent.
    """
    moved = similarity_aligned(points, truth, anchors)
    return ((moved - truth).square().sum(dim=-1) + _TINY).sqrt().mean()

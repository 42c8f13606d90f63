"""Attention of a few learned queries to the features of all views at once."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_ABSENT = -1e4
"""Added to a logit instead of minus infinity, which half precision and empty sets do not survive."""


class CrossViewAttention(nn.Module):  # type: ignore[misc]
    """A set of vectors that reads from a set of tokens, then thinks by itself: attention and a two-layer network.

    Parameters
    ----------
    width
        D, a multiple of ``heads``.
    heads
        Number of attention heads.
    even
        Read the mean of the tokens, weighted by their bias alone: no attention, for comparison.
    """

    def __init__(self, width: int, heads: int, even: bool = False) -> None:
        super().__init__()
        self.heads, self.even = heads, even
        self.before, self.tokens_before, self.between = (nn.LayerNorm(width) for _ in range(3))
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.think = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, vectors: Tensor, tokens: Tensor, bias: Tensor) -> Tensor:
        """Read and think.

        Parameters
        ----------
        vectors
            (B, Q, D).
        tokens
            (B, T, D), in any order: the result does not depend on it.
        bias
            (B, T) added to the logits of each token, such as `log_weight` of how far it is to be believed.

        Returns
        -------
        (B, Q, D)
        """
        q = self._split(self.query(self.before(vectors)))
        k, v = (self._split(part) for part in self.key_value(self.tokens_before(tokens)).chunk(2, dim=-1))
        logits = bias[:, None, None] + q @ k.transpose(-1, -2) * (0.0 if self.even else q.shape[-1] ** -0.5)
        read = (logits.softmax(dim=-1) @ v).transpose(1, 2).flatten(2)
        vectors = vectors + self.out(read)
        return vectors + self.think(self.between(vectors))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


def log_weight(weight: Tensor) -> Tensor:
    """Bias of a token for its weight in [0, 1]: its share of the attention is multiplied by the weight."""
    return torch.where(weight > 0, weight.clamp(min=1e-4).log(), torch.full_like(weight, _ABSENT))


def masked_mean(features: Tensor, weight: Tensor) -> Tensor:
    """Mean over places of features (N, C, H, W) with weights (N, H, W): (N, C); the plain mean where all are zero."""
    w = weight.flatten(1) + 1e-4
    return (features.flatten(2) * w[:, None]).sum(dim=2) / w.sum(dim=1, keepdim=True)

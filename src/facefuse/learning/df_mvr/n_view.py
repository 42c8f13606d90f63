"""Our network for any number of views in any order: a shared encoder, the face's parts, attention across views.

What it changes over DF-MVR: one encoder for all views instead of three; the face mask is found by the network itself
and decides which places of which view are believed, instead of being a fourth channel; views are a set, so that one,
two or nine may come in any order; every view has its own light and, unless told otherwise, its own expression, as
photos taken at different times need.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from facefuse.learning.df_mvr.attention import CrossViewAttention, log_weight, masked_mean
from facefuse.learning.df_mvr.parts import PARTS
from facefuse.learning.landmarks.config import NetworkConfig
from facefuse.learning.landmarks.network import LandmarkNet

POSE = 9
"""Two rows of the rotation, logarithm of the scale, translation: the camera in the crop."""
LIGHT = 27


@dataclass(frozen=True)
class NViewConfig:
    """Size of the network.

    Attributes
    ----------
    identity, expression, albedo
        Coefficients of the face model, or as many as it has; no albedo where 0.
    encoder
        Channels of the encoder, which is that of the landmark network and can start from its weights.
    width, heads, layers, queries
        Of the attention across views.
    masks
        Whether the parts found decide which places are believed; else every place is.
    shared_expression
        Whether the views show one expression (one moment), which all of them then determine.
    """

    identity: int = 90
    expression: int = 51
    albedo: int = 60
    encoder: NetworkConfig = field(default_factory=NetworkConfig)
    width: int = 192
    heads: int = 4
    layers: int = 2
    queries: int = 8
    masks: bool = True
    shared_expression: bool = False


class NViewOutput(NamedTuple):
    """What the network says of one person, raw: zero is the mean face, in front, in the middle of the crop.

    Attributes
    ----------
    identity
        (B, K).
    albedo
        (B, A).
    expression
        (B, N, E); the same in every view where it is shared.
    pose
        (B, N, 9).
    light
        (B, N, 3, 9) spherical harmonics of each colour, for normals in the model frame.
    parts
        (B, N, P, h, w) logits of `parts.PARTS` on a grid four pixels apart.
    """

    identity: Tensor
    albedo: Tensor
    expression: Tensor
    pose: Tensor
    light: Tensor
    parts: Tensor


class NViewNet(nn.Module):  # type: ignore[misc]
    """Crops of one person in any number and order; one identity, and each view's camera, light and expression out.

    Parameters
    ----------
    config
    """

    def __init__(self, config: NViewConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or NViewConfig()
        trunk = LandmarkNet(config.encoder, 1)
        self.stem, self.stages = trunk.stem, trunk.stages
        channels, width = config.encoder.channels, config.width
        self.lateral = nn.ModuleList(nn.Conv2d(c, 64, 1) for c in channels)
        self.parts = nn.Sequential(
            nn.Conv2d(64, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.Conv2d(64, len(PARTS), 1)
        )
        self.token = nn.Conv2d(channels[2], width, 1)
        self.place = nn.Sequential(nn.Linear(2, 64), nn.GELU(), nn.Linear(64, width))
        self.queries = nn.Parameter(torch.randn(config.queries, width) * 0.02)
        self.across = nn.ModuleList(CrossViewAttention(width, config.heads) for _ in range(config.layers))
        self.within = CrossViewAttention(width, config.heads)
        self.own = nn.Linear(channels[3], width)
        fused = config.queries * width
        per_view = POSE + LIGHT + (0 if config.shared_expression else config.expression)
        self.shared_head = nn.Linear(
            fused, config.identity + config.albedo + (config.expression if config.shared_expression else 0)
        )
        self.view_head = nn.Linear(width, per_view)
        for head in (self.shared_head, self.view_head):
            nn.init.normal_(head.weight, std=0.01)
            nn.init.zeros_(head.bias)

    def forward(self, crops: Tensor, present: Tensor) -> NViewOutput:
        """Regress the coefficients.

        Parameters
        ----------
        crops
            (B, N, S, S, 3) uint8 sRGB, N ≥ 1.
        present
            (B, N) bool; what a missing view holds changes nothing, and what is said of it is zero. At least one view of
            each person must be there.
        """
        batch, views = crops.shape[:2]
        features = self._features(crops.flatten(0, 1))
        parts = self._parts(features)
        grid = features[2]
        weight = self._weights(parts, (int(grid.shape[-2]), int(grid.shape[-1])))
        tokens = (self.token(grid).flatten(2).transpose(1, 2) + self._places(grid)).unflatten(0, (batch, views))
        there = present.to(tokens.dtype)
        believed = weight.flatten(1).unflatten(0, (batch, views)) * there[:, :, None]
        vectors = self.queries.expand(batch, -1, -1)
        for layer in self.across:
            vectors = layer(vectors, tokens.flatten(1, 2), log_weight(believed).flatten(1))
        shared = self.shared_head(vectors.flatten(1))
        own = self.own(masked_mean(features[3], self._weights(parts, (features[3].shape[-2], features[3].shape[-1]))))
        own = own.unflatten(0, (batch, views))
        # what is known of the person helps to tell each view's expression and light from its shape
        own = self.within(own, vectors, torch.zeros_like(vectors[..., 0]))
        said = self.view_head(own) * there[:, :, None]
        return self._output(shared, said, parts.unflatten(0, (batch, views)))

    def _output(self, shared: Tensor, said: Tensor, parts: Tensor) -> NViewOutput:
        c = self.config
        identity, albedo, expression = shared.split(
            [c.identity, c.albedo, shared.shape[1] - c.identity - c.albedo], dim=1
        )
        pose, light, own = said.split([POSE, LIGHT, said.shape[2] - POSE - LIGHT], dim=2)
        if c.shared_expression:
            own = expression[:, None].expand(-1, said.shape[1], -1)
        return NViewOutput(identity, albedo, own, pose, light.unflatten(2, (3, 9)), parts)

    def _features(self, crops: Tensor) -> list[Tensor]:
        x = crops.permute(0, 3, 1, 2).to(self.queries.dtype) * (1.0 / 64.0) - 2.0
        x = self.stem(x)
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features

    def _parts(self, features: list[Tensor]) -> Tensor:
        x = self.lateral[3](features[3])
        for k in (2, 1, 0):
            finer = self.lateral[k](features[k])
            x = finer + functional.interpolate(x, size=finer.shape[-2:], mode="nearest")
        return self.parts(x)

    def _weights(self, parts: Tensor, size: tuple[int, int]) -> Tensor:
        """Share of each cell that is face, (N, h, w)."""
        if not self.config.masks:
            return parts.new_ones(parts.shape[0], *size)
        face = 1 - parts.softmax(dim=1)[:, :1]
        return functional.interpolate(face, size=size, mode="bilinear", align_corners=False)[:, 0]

    def _places(self, grid: Tensor) -> Tensor:
        """Embedding (h · w, D) of each cell's place, -1 to 1 across the crop."""
        across = torch.linspace(-1, 1, grid.shape[-1], dtype=grid.dtype, device=grid.device)
        down = torch.linspace(-1, 1, grid.shape[-2], dtype=grid.dtype, device=grid.device)
        y, x = torch.meshgrid(down, across, indexing="ij")
        return self.place(torch.stack([x, y], dim=-1).flatten(0, 1))

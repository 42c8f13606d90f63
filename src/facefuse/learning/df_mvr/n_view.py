"""Our network for any number of views in any order: a shared encoder, the face's parts, attention across views, and a
learnt joint fit to the points found in all of them.

What it changes over DF-MVR: one encoder for all views instead of three; the face mask is found by the network itself
and decides which places of which view are believed, instead of being a fourth channel; views are a set, so that one,
two or nine may come in any order; every view has its own light and, unless told otherwise, its own expression, as
photos taken at different times need; the encoder, which is that of the landmark network, votes for the points of the
face in each view, and the face is moved step by step to where they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from facefuse.detection.landmarks import LandmarkNetwork
from facefuse.learning.df_mvr.attention import CrossViewAttention, log_weight, masked_mean
from facefuse.learning.df_mvr.closer import CloserLook
from facefuse.learning.df_mvr.parts import PARTS
from facefuse.learning.df_mvr.placing import POSE, PointModel
from facefuse.learning.df_mvr.refinement import Found, Guess, Refinement
from facefuse.learning.landmarks.config import NetworkConfig
from facefuse.learning.landmarks.network import CROP_SIZE, LandmarkNet
from facefuse.learning.landmarks.points import IBUG_POINTS
from facefuse.morphable.model import FaceModel

LIGHT = 27


@dataclass(frozen=True)
class NViewConfig:
    """Size of the network.

    Attributes
    ----------
    identity, expression, albedo
        Coefficients of the face model, or as many as it has; no albedo where 0.
    encoder
        The encoder, which is the landmark network and can start from its weights.
    width, heads, layers, queries
        Of the attention across views.
    refinements
        Steps of the learnt joint fit.
    hidden
        Width of its heads.
    closer
        Whether the picture is read again at the points that the encoder found.
    masks
        Whether the parts found decide which places are believed; else every place is.
    attention
        Whether tokens are chosen by attention; else their mean is read.
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
    refinements: int = 2
    hidden: int = 320
    closer: bool = True
    masks: bool = True
    attention: bool = True
    shared_expression: bool = False


class Seen(NamedTuple):
    """What is seen in B·N crops: features of the encoder's third and last stage, logits of the parts, points in sides
    of the crop with their log sigma, and where the encoder voted for them before the closer look.
    """

    grid: Tensor
    coarse: Tensor
    parts: Tensor
    points: Tensor
    log_sigma: Tensor
    voted: Tensor


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
        (B, N, `POSE`).
    light
        (B, N, 3, 9) spherical harmonics of each colour, for normals in the model frame.
    parts
        (B, N, P, h, w) logits of `parts.PARTS` on a grid eight pixels apart.
    points
        (B, N, P, 2) points that are found in the crops, in sides of the crop, and
    log_sigma
        (B, N, P) the logarithm of each coordinate's standard deviation, pixels of a 120-pixel crop.
    voted
        (B, N, P, 2) where the encoder voted for them before the closer look.
    earlier
        (B, N, R, P, 2) where the points of the face lay before each refinement.
    """

    identity: Tensor
    albedo: Tensor
    expression: Tensor
    pose: Tensor
    light: Tensor
    parts: Tensor
    points: Tensor
    log_sigma: Tensor
    voted: Tensor
    earlier: Tensor


def voted_points(model: FaceModel) -> npt.NDArray[np.intp]:
    """The points that the encoder votes for, among the 68 landmarks and the mesh points of a face model.

    They are those of the shipped landmark network, whose weights the encoder can start from, but for the irises', which
    have no fixed place on a face.
    """
    mesh = np.asarray(LandmarkNetwork().mesh_indices, dtype=np.intp)
    return np.concatenate([np.arange(IBUG_POINTS), IBUG_POINTS + mesh[mesh < len(model.mesh_points)]])


class Encoder(LandmarkNet):
    """The landmark network, with its features and without its face score.

    Parameters
    ----------
    config
        Of its size.
    points
        Points it votes for.
    """

    def __init__(self, config: NetworkConfig, points: int) -> None:
        super().__init__(config, points)
        del self.score

    def forward(self, crops: Tensor) -> tuple[list[Tensor], Tensor, Tensor]:
        """Features of the four stages, points (N, P, 2) in sides of the crop and their log sigma (N, P) for crops
        (N, S, S, 3).
        """
        size = crops.shape[1]
        features = self.features(crops.permute(0, 3, 1, 2).to(self.stem[0].weight.dtype) * (1.0 / 64.0) - 2.0)
        points, log_sigma = self.vote_from(features, size)
        return features, (points + 0.5) / CROP_SIZE, log_sigma

    def start_from(self, landmark_weights: Mapping[str, Tensor], kept: Tensor) -> None:
        """Take over the weights of a trained landmark network of the same size, but for the points not ``kept``."""
        taken = {name: value for name, value in landmark_weights.items() if not name.startswith("score.")}
        for name in ("votes.weight", "votes.bias"):
            taken[name] = taken[name].unflatten(0, (4, len(kept)))[:, kept].flatten(0, 1)
        self.load_state_dict(taken)


class NViewNet(nn.Module):  # type: ignore[misc]
    """Crops of one person in any number and order; one identity, and each view's camera, light and expression out.

    Parameters
    ----------
    config
    points
        The points of the face that are found and fitted.
    """

    def __init__(self, config: NViewConfig, points: PointModel) -> None:
        super().__init__()
        self.config, self.model = config, points
        channels, width = config.encoder.channels, config.width
        self.encoder = Encoder(config.encoder, points.count)
        self.lateral = nn.ModuleList(nn.Conv2d(c, 64, 1) for c in channels[1:])
        self.parts = nn.Sequential(
            nn.Conv2d(64, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.Conv2d(64, len(PARTS), 1)
        )
        self.closer = CloserLook(channels[0], 64, points.count) if config.closer else None
        self.token = nn.Conv2d(channels[2], width, 1)
        self.place = nn.Sequential(nn.Linear(2, 64), nn.GELU(), nn.Linear(64, width))
        self.queries = nn.Parameter(torch.randn(config.queries, width) * 0.02)
        even = not config.attention
        self.across = nn.ModuleList(CrossViewAttention(width, config.heads, even) for _ in range(config.layers))
        self.within = CrossViewAttention(width, config.heads)
        self.own = nn.Sequential(
            nn.Linear(channels[3] + 3 * points.count, config.hidden), nn.SiLU(), nn.Linear(config.hidden, width)
        )
        one, each = (config.expression, 0) if config.shared_expression else (0, config.expression)
        self.shared_head = nn.Linear(config.queries * width, config.identity + config.albedo + one)
        self.view_head = nn.Linear(width, POSE + LIGHT + each)
        for head in (self.shared_head, self.view_head):
            nn.init.normal_(head.weight, std=0.01)
            nn.init.zeros_(head.bias)
        self.refine = nn.ModuleList(
            Refinement(
                points.count,
                config.identity,
                config.expression,
                width,
                config.heads,
                config.queries,
                config.hidden,
                config.shared_expression,
                even,
            )
            for _ in range(config.refinements)
        )

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
        return self.fuse(self.see(crops.flatten(0, 1)), present)

    def see(self, crops: Tensor) -> Seen:
        """Look at crops (B·N, S, S, 3), each by itself."""
        features, points, log_sigma = self.encoder(crops)
        pyramid, voted = self._pyramid(features), points
        if self.closer is not None:
            points, log_sigma = self.closer(features[0], pyramid, points, log_sigma)
        return Seen(features[2], features[3], self.parts(pyramid), points, log_sigma, voted)

    def fuse(self, seen: Seen, present: Tensor) -> NViewOutput:
        """Bring together what was seen of B people; see `forward`."""
        batch, views = present.shape
        grid, points, log_sigma = seen.grid, seen.points, seen.log_sigma
        found = Found(points, log_sigma)
        weight = self._weights(seen.parts, (int(grid.shape[-2]), int(grid.shape[-1])))
        there = present.to(grid.dtype)
        coarse = self._weights(seen.parts, (int(seen.coarse.shape[-2]), int(seen.coarse.shape[-1])))
        own = self.own(torch.cat([masked_mean(seen.coarse, coarse), 2 * points.flatten(1) - 1, log_sigma], dim=1))
        own = own.unflatten(0, (batch, views))
        tokens = (self.token(grid).flatten(2).transpose(1, 2) + self._places(grid)).unflatten(0, (batch, views))
        believed = weight.flatten(1).unflatten(0, (batch, views)) * there[:, :, None]
        tokens = torch.cat([tokens.flatten(1, 2), own], dim=1)
        bias = log_weight(torch.cat([believed.flatten(1), there], dim=1))
        vectors = self.queries.expand(batch, -1, -1)
        for layer in self.across:
            vectors = layer(vectors, tokens, bias)
        # what is known of the person helps to tell each view's expression and light from its shape
        own = self.within(own, vectors, torch.zeros_like(vectors[..., 0]))
        guess, albedo, light = self._first(self.shared_head(vectors.flatten(1)), self.view_head(own) * there[..., None])
        earlier = []
        for refine in self.refine:
            guess, vectors, own, placed = refine(self.model, guess, found, vectors, own, there)
            earlier.append(placed)
        each = (batch, views)
        return NViewOutput(
            guess.identity,
            albedo,
            guess.expression.unflatten(0, each),
            guess.pose.unflatten(0, each),
            light,
            seen.parts.unflatten(0, each),
            points.unflatten(0, each),
            log_sigma.unflatten(0, each),
            seen.voted.unflatten(0, each),
            torch.stack(earlier or [points], dim=1).unflatten(0, each),
        )

    def _first(self, shared: Tensor, said: Tensor) -> tuple[Guess, Tensor, Tensor]:
        """The guess before refinement, albedo, and light."""
        c = self.config
        one = c.expression if c.shared_expression else 0
        identity, albedo, expression = shared.split([c.identity, c.albedo, one], dim=1)
        pose, light, own = said.split([POSE, LIGHT, c.expression - one], dim=2)
        if c.shared_expression:
            own = expression[:, None].expand(-1, said.shape[1], -1)
        return Guess(identity, own.flatten(0, 1), pose.flatten(0, 1)), albedo, light.unflatten(2, (3, 9))

    def _pyramid(self, features: list[Tensor]) -> Tensor:
        x = self.lateral[2](features[3])
        for k in (1, 0):
            finer = self.lateral[k](features[k + 1])
            x = finer + functional.interpolate(x, size=finer.shape[-2:], mode="nearest")
        return x

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

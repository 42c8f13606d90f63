"""The network of DF-MVR as published: three ordered, aligned views in, one face and three poses out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from facefuse.learning.df_mvr.involution import RedNet
from facefuse.learning.df_mvr.unet import Encoder, FusionDecoder

VIEWS = 3
"""Left, front, right."""


@dataclass(frozen=True)
class DeepFusionConfig:
    """Size of the network; as published by default.

    Attributes
    ----------
    identity, expression, albedo
        Coefficients of the face model (80 + 64 + 80 in Deep3D's packing).
    width
        Multiplies the channels of the encoders, the decoder and the trunk; a multiple of 1/4.
    blocks
        Residual blocks of the trunk's four stages.
    masks
        Whether the face mask is the fourth channel of every view.
    attention
        Whether skip connections pass attention gates.
    shared_encoder
        Whether the views share one encoder.
    """

    identity: int = 80
    expression: int = 64
    albedo: int = 80
    width: float = 1.0
    blocks: tuple[int, int, int, int] = (3, 4, 6, 3)
    masks: bool = True
    attention: bool = True
    shared_encoder: bool = False


class DeepFusionOutput(NamedTuple):
    """What the network says of one person.

    Attributes
    ----------
    identity, expression, albedo
        (B, K) coefficients in standard deviations.
    light
        (B, 3, 9) spherical harmonics of each colour, common to the views.
    rotation
        (B, 3, 3) Euler angles x, y, z of each view, radians.
    translation
        (B, 3, 3) of each view, decimetres.
    """

    identity: Tensor
    expression: Tensor
    albedo: Tensor
    light: Tensor
    rotation: Tensor
    translation: Tensor


class DeepFusionNet(nn.Module):  # type: ignore[misc]
    """Three U-Net encoders, one gated decoder, an involution trunk on its map, thirteen linear heads.

    Parameters
    ----------
    config

    Raises
    ------
    ValueError
        If the width leaves a channel count that involution cannot group.
    """

    def __init__(self, config: DeepFusionConfig | None = None) -> None:
        super().__init__()
        config = config or DeepFusionConfig()
        if config.width <= 0 or config.width * 4 != int(config.width * 4):
            raise ValueError(f"the width is {config.width}; expected a positive multiple of 1/4")
        self.config = config
        widths = [int(config.width * channels) for channels in (64, 128, 256, 512, 1024)]
        # involution works on groups of 16 channels, so the stem has at least one group
        stem, outputs = max(16, int(config.width * 32)), [4 * w for w in widths[:4]]
        inputs = 4 if config.masks else 3
        self.encoders = nn.ModuleList(Encoder(inputs, widths) for _ in range(1 if config.shared_encoder else VIEWS))
        self.decoder = FusionDecoder(widths, VIEWS, config.attention)
        self.trunk = RedNet(self.decoder.outputs, stem, outputs, config.blocks)
        self.heads = nn.ModuleDict(
            {
                "identity": nn.Linear(outputs[-1], config.identity),
                "expression": nn.Linear(outputs[-1], config.expression),
                "albedo": nn.Linear(outputs[-1], config.albedo),
                "light": nn.Linear(outputs[-1], 27),
                **{f"rotation_{view}": nn.Linear(outputs[-1], 3) for view in range(VIEWS)},
                **{f"across_{view}": nn.Linear(outputs[-1], 2) for view in range(VIEWS)},
                **{f"along_{view}": nn.Linear(outputs[-1], 1) for view in range(VIEWS)},
            }
        )

    def forward(self, views: Tensor, masks: Tensor | None = None) -> DeepFusionOutput:
        """Regress the coefficients.

        Parameters
        ----------
        views
            (B, 3, 3, 224, 224) aligned crops, left, front, right; RGB in [-1, 1].
        masks
            (B, 3, 224, 224) face parsing labels 0…9 as floats, entering as they are (as published); only with
            ``config.masks``.

        Raises
        ------
        ValueError
            If masks are missing, or given to a network without them.
        """
        if (masks is not None) != self.config.masks:
            raise ValueError("this network takes " + ("masks beside the views" if self.config.masks else "no masks"))
        x = views if masks is None else torch.cat([views, masks[:, :, None]], dim=2)
        features = [self.encoders[view % len(self.encoders)](x[:, view]) for view in range(VIEWS)]
        pooled = self.trunk(self.decoder(features)).mean(dim=(2, 3))
        out = {name: head(pooled) for name, head in self.heads.items()}
        return DeepFusionOutput(
            out["identity"],
            out["expression"],
            out["albedo"],
            out["light"].unflatten(1, (3, 9)),
            torch.stack([out[f"rotation_{view}"] for view in range(VIEWS)], dim=1),
            torch.stack(
                [torch.cat([out[f"across_{view}"], out[f"along_{view}"]], dim=1) for view in range(VIEWS)], dim=1
            ),
        )

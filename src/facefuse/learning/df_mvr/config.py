"""Settings of a DF-MVR run, and the presets."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from facefuse.learning.df_mvr.losses import LossWeights
from facefuse.learning.df_mvr.n_view import NViewConfig
from facefuse.learning.df_mvr.network import DeepFusionConfig
from facefuse.learning.engine.config import EngineConfig, OptimConfig
from facefuse.learning.landmarks.config import NetworkConfig as EncoderConfig


@dataclass(frozen=True)
class DataConfig:
    """Batches.

    Attributes
    ----------
    crops
        Most of a step; a multiple of the engine's shards.
    views, least_views
        Most and fewest views per person. Each step draws how many it takes and as many people as the crops allow; the
        published network always takes the most.
    size
        Side of the crops, px.
    log_scale, shift, roll_deg
        Standard deviations of the crop's size, place (in sides of the face) and turn.
    mirror
        Chance of a person to be mirrored.
    rendered
        Side of the pictures that are rendered for the photometric and the mask loss, px.
    pictured
        Most views of a shard that are rendered, of whole people.
    held_out
        People kept for validation: the last ones.
    wild
        Share of the people of a step who come from single photos in the wild, their mirror images and re-crops
        (``wild.npz`` in the folder of data; see `data.wild`); for our network alone.
    """

    crops: int = 48
    views: int = 5
    least_views: int = 1
    size: int = 112
    log_scale: float = 0.06
    shift: float = 0.03
    roll_deg: float = 10.0
    mirror: float = 0.5
    rendered: int = 72
    pictured: int = 8
    held_out: int = 16
    wild: float = 0.0


@dataclass(frozen=True)
class DfMvrConfig:
    """A run.

    Attributes
    ----------
    kind
        ``n-view``: any number of views in any order; ``deep-fusion``: the published network, exactly three.
    losses
        Weights; `LossWeights.landmarks3d` above 0 leaves the weakly supervised regime.
    mask_from
        Step at which the mask loss begins: outlines must be near before they can pull.
    common
        Whether pixels count by how many of the views see that place of the face, as the paper has it: what all views
        see they must explain together.
    compile
        Compile the encoder (worth it in runs of hours).
    """

    engine: EngineConfig = field(default_factory=EngineConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    kind: Literal["n-view", "deep-fusion"] = "n-view"
    n_view: NViewConfig = field(default_factory=NViewConfig)
    deep_fusion: DeepFusionConfig = field(default_factory=DeepFusionConfig)
    losses: LossWeights = field(default_factory=LossWeights)
    data: DataConfig = field(default_factory=DataConfig)
    mask_from: int = 0
    common: bool = True
    compile: bool = False


_OURS = LossWeights(
    photometric=3.0,
    landmarks=0.1,
    mesh=1.0,
    votes=1.0,
    sigma=0.05,
    earlier=0.3,
    mask=0.3,
    coefficients=1e-3,
    expression=1.0,
    albedo=1.0,
    light=0.1,
    reflectance=0.0,
)
# In pixels of a 224 crop, with the published weights of points; the rest is scaled to what it may cost beside them.

PRESETS: dict[str, DfMvrConfig] = {
    # A laptop's core, an hour or two, starting from the landmark network.
    "cpu": DfMvrConfig(
        engine=EngineConfig(steps=8000, validate_every=200, images_every=400, save_every=100, log_every=25),
        optim=OptimConfig(learning_rate=8e-4, weight_decay=0.03, warm_up=200),
        losses=replace(_OURS, fewer=0.5, unseen=1.0),
        data=DataConfig(least_views=3, held_out=60),
        mask_from=800,
        compile=True,
    ),
    # One GPU or several (torchrun).
    "gpu": DfMvrConfig(
        engine=EngineConfig(steps=60000, shards=8, ema=0.999, device="cuda", threads=8, bfloat16=True),
        optim=OptimConfig(learning_rate=1e-3, weight_decay=0.05, warm_up=1000),
        n_view=NViewConfig(
            encoder=EncoderConfig(stem=24, channels=(48, 96, 176, 256), blocks=(2, 3, 4, 2)), width=256, layers=3
        ),
        losses=_OURS,
        data=DataConfig(crops=256, views=9, rendered=112, pictured=64, held_out=64),
        mask_from=10000,
    ),
    # The published network, losses and optimiser: Adam 1e-4; 48,000 steps of 24 triplets, the mask loss from epoch 101
    # of 280. Upstream holds the rate for 50 epochs before its cosine; here the cosine begins at once.
    "paper": DfMvrConfig(
        engine=EngineConfig(steps=48000, device="cuda", threads=8),
        optim=OptimConfig(kind="adam", learning_rate=1e-4, second_moment=0.999, clip=0.0),
        kind="deep-fusion",
        data=DataConfig(
            crops=72,
            views=3,
            size=224,
            log_scale=0.0,
            shift=0.0,
            roll_deg=0.0,
            mirror=0.0,
            rendered=224,
            pictured=72,
        ),
        mask_from=17300,
    ),
    # End to end on made-up photos within two minutes of one core.
    "smoke": DfMvrConfig(
        engine=EngineConfig(steps=12, log_every=4, validate_every=12, images_every=12, save_every=6),
        optim=OptimConfig(learning_rate=1e-3, warm_up=2),
        n_view=NViewConfig(
            encoder=EncoderConfig(stem=8, channels=(16, 24, 32, 48), blocks=(1, 1, 1, 1)), width=48, heads=2, layers=1
        ),
        losses=_OURS,
        data=DataConfig(crops=6, views=3, size=64, rendered=48, pictured=6, held_out=2),
    ),
}
# The published network a quarter as wide, at 96 px, for a core and an hour: what it is measured with here.
PRESETS["paper-small"] = replace(
    PRESETS["paper"],
    engine=EngineConfig(steps=1100, ema=0.99, validate_every=200, images_every=600, save_every=50),
    optim=OptimConfig(learning_rate=8e-4, weight_decay=0.03, warm_up=100),
    deep_fusion=DeepFusionConfig(width=0.25),
    data=replace(PRESETS["paper"].data, crops=18, size=96, rendered=72, pictured=6, mirror=0.0, held_out=60),
    mask_from=600,
)

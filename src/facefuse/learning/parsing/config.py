"""Settings of a face parser and of its training."""

from __future__ import annotations

from dataclasses import dataclass, field

from facefuse.learning.engine.config import EngineConfig, OptimConfig
from facefuse.learning.landmarks.config import AugmentConfig


@dataclass(frozen=True)
class ParserConfig:
    """Size of the network; the defaults fit the shipped landmark network.

    Attributes
    ----------
    stem, channels, blocks
        Of the encoder: after the first convolution, and of the three stages at strides 4, 8 and 16.
    decoder
        Channels of the decoder.
    """

    stem: int = 16
    channels: tuple[int, int, int] = (32, 72, 144)
    blocks: tuple[int, int, int] = (1, 2, 2)
    decoder: int = 40


@dataclass(frozen=True)
class LossConfig:
    """What is minimised.

    Attributes
    ----------
    dice
        Weight of the Dice loss beside the cross-entropy.
    class_weights
        Of the cross-entropy, by label: small parts count more.
    doubt
        Probability of background and occluder together above which a label "face" of a fitted model is not believed:
        the model does not know what hides the face.
    """

    dice: float = 0.5
    class_weights: tuple[float, ...] = (1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 1.0, 3.0, 2.5, 2.5, 1.5)
    doubt: float = 0.5


@dataclass(frozen=True)
class ParsingConfig:
    """A run.

    Attributes
    ----------
    size
        Side of the crops, px.
    faces
        Per step; a multiple of the engine's shards.
    wild_share
        Share of real photos labelled by fitted models, from step ``wild_from`` on.
    covered
        Share of faces that something is pasted over.
    held_out
        Synthetic people kept for validation: the last ones.
    """

    engine: EngineConfig = field(default_factory=EngineConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    network: ParserConfig = field(default_factory=ParserConfig)
    losses: LossConfig = field(default_factory=LossConfig)
    augment: AugmentConfig = field(
        default_factory=lambda: AugmentConfig(
            roll_deg=8.0, any_roll=0.03, log_scale=0.07, shift=0.03, loose=0.1, cutout=0.0, noise=0.15
        )
    )
    size: int = 80
    faces: int = 16
    wild_share: float = 0.5
    wild_from: int = 100
    covered: float = 0.5
    held_out: int = 100


PRESETS: dict[str, ParsingConfig] = {
    # Ten minutes of one core.
    "cpu": ParsingConfig(
        engine=EngineConfig(steps=650, ema=0.985, log_every=25, validate_every=300, images_every=300, save_every=25),
        optim=OptimConfig(learning_rate=1.5e-3, weight_decay=0.02, warm_up=60),
    ),
    "gpu": ParsingConfig(
        engine=EngineConfig(steps=20000, ema=0.999, device="cuda", threads=8, bfloat16=True, shards=4),
        optim=OptimConfig(learning_rate=2e-3, weight_decay=0.05, warm_up=300),
        faces=128,
    ),
    # End to end on made-up photos within seconds.
    "smoke": ParsingConfig(
        engine=EngineConfig(steps=4, log_every=2, validate_every=4, images_every=4, save_every=2),
        network=ParserConfig(stem=4, channels=(8, 8, 8), blocks=(1, 1, 1), decoder=8),
        size=48,
        faces=4,
        wild_from=1,
        held_out=1,
    ),
}

"""Settings of a 2DASL run, and the presets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from facefuse.learning.engine.config import EngineConfig, OptimConfig
from facefuse.learning.landmarks.config import AugmentConfig
from facefuse.learning.landmarks.config import NetworkConfig as TrunkConfig


@dataclass(frozen=True)
class NetworkConfig:
    """What regresses the coefficients.

    Attributes
    ----------
    kind
        ``light``: the landmark network's trunk and voting head, with a coefficient head that is refined by the voted
        points; ``resnet50``: the published backbone.
    trunk
        Size of the light network.
    hidden
        Width of the light coefficient head.
    refinements
        How often the light head corrects its guess by the voted points.
    compile
        Compile the light network's trunk (worth it in runs of hours).
    """

    kind: Literal["light", "resnet50"] = "light"
    trunk: TrunkConfig = field(default_factory=TrunkConfig)
    hidden: int = 320
    refinements: int = 2
    compile: bool = False


@dataclass(frozen=True)
class MapConfig:
    """The facial landmark map (FLM), the fourth input channel.

    Attributes
    ----------
    kind
        ``soft``: Gaussians, through which gradients flow to the points; ``hard``: single pixels, as published.
    sigma_px
        Standard deviation of the Gaussians, px of a 120-pixel crop.
    first
        What the first pass is given: nothing, or the data's landmarks, as published.
    dropout
        Share of first maps left empty, where they are given.
    noise_px
        Standard deviation of the noise on the points of a map, px of a 120-pixel crop.
    second_share
        Share of every batch that takes the second pass.
    """

    kind: Literal["soft", "hard"] = "soft"
    sigma_px: float = 2.0
    first: Literal["empty", "landmarks"] = "empty"
    dropout: float = 0.0
    noise_px: float = 0.0
    second_share: float = 0.25


@dataclass(frozen=True)
class LossConfig:
    """Weights of the losses; 0 leaves one out. See `losses` for the equations.

    Attributes
    ----------
    wpdc, vdc
        Supervision by 3D truth: weighted coefficients, and vertices.
    consistency_2d, consistency_3d, cycle, critic
        The published self-supervision: λ1 … λ4.
    landmarks, mesh
        Projected 68 landmarks and mesh points against their labels.
    votes, sigma
        The light network's voted points against the labels, and their uncertainty.
    gaps
        Opening of lids and lips.
    blendshapes
        Expression weights against predicted blendshape scores.
    identity_prior, expression_prior
        Size of the coefficients.
    """

    wpdc: float = 0.0
    vdc: float = 0.0
    consistency_2d: float = 0.0
    consistency_3d: float = 0.0
    cycle: float = 0.0
    critic: float = 0.0
    landmarks: float = 0.0
    mesh: float = 0.0
    votes: float = 0.0
    sigma: float = 0.0
    gaps: float = 0.0
    blendshapes: float = 0.0
    identity_prior: float = 0.0
    expression_prior: float = 0.0


@dataclass(frozen=True)
class DataConfig:
    """Batches.

    Attributes
    ----------
    labelled_3d, labelled_2d
        Photos of set J (3D truth) and of set I (2D landmarks) in a step.
    size
        Side of the crops in pixels.
    pose_shares
        Share of the photos with |yaw| below 30°, from 30° to 60° and beyond.
    shut_eyes
        Share of set I's photos drawn from those whose eyes are shut; the others are drawn from all. Being few, shut
        eyes are else passed over.
    held_out, split_seed
        Photos of set I kept for validation, and the seed by which they are chosen.
    """

    labelled_3d: int = 16
    labelled_2d: int = 48
    size: int = 96
    pose_shares: tuple[float, float, float] = (0.45, 0.27, 0.28)
    shut_eyes: float = 0.0
    held_out: int = 600
    split_seed: int = 20
    augment: AugmentConfig = field(default_factory=AugmentConfig)


@dataclass(frozen=True)
class TwoDaslConfig:
    """A whole run.

    Attributes
    ----------
    space
        Coefficients of the base model, or the 62 whitened ones of 3DDFA and 2DASL (needs a BFM file).
    identity_modes
        Number of identity modes used with the base model.
    critic_optim
        Of the critic with its encoder.
    """

    engine: EngineConfig = field(default_factory=EngineConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    critic_optim: OptimConfig = field(
        default_factory=lambda: OptimConfig(kind="adam", learning_rate=1e-4, schedule="constant")
    )
    network: NetworkConfig = field(default_factory=NetworkConfig)
    maps: MapConfig = field(default_factory=MapConfig)
    losses: LossConfig = field(default_factory=LossConfig)
    data: DataConfig = field(default_factory=DataConfig)
    space: Literal["base", "bfm62"] = "base"
    identity_modes: int = 64

"""Settings of landmark training."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class NetworkConfig:
    """Size of the network: channels of the stem and of the four stages, and the residual blocks of each stage."""

    stem: int = 16
    channels: tuple[int, int, int, int] = (32, 72, 144, 224)
    blocks: tuple[int, int, int, int] = (1, 2, 2, 1)
    head: int = 160


@dataclass(frozen=True)
class AugmentConfig:
    """Spread of the random changes to a training crop.

    Attributes
    ----------
    roll_deg, roll_limit_deg
        Standard deviation and limit of the in-plane rotation.
    any_roll
        Share of crops turned by any angle instead, for heads that lie or hang.
    log_scale, shift
        Standard deviation of the logarithm of the crop's side and of its centre (in sides of the face).
    loose
        Share of crops placed three times as loosely.
    cutout, blur, noise, grey
        Share of crops with a covered rectangle, blur, noise, no colour.
    """

    roll_deg: float = 16.0
    roll_limit_deg: float = 45.0
    any_roll: float = 0.12
    log_scale: float = 0.06
    shift: float = 0.04
    loose: float = 0.15
    cutout: float = 0.3
    blur: float = 0.1
    noise: float = 0.2
    grey: float = 0.1


@dataclass(frozen=True)
class TrainConfig:
    """A training run.

    Attributes
    ----------
    stages
        Pairs (crop size in pixels, number of steps). Early steps on small crops cost less; a change of size costs
        accuracy at first, so it has to come while the learning rate is still high.
    batch, negatives
        Faces and non-faces per step.
    learning_rate, weight_decay, warm_up, final_rate
        AdamW; the rate rises over ``warm_up`` steps, then falls along a cosine to ``final_rate`` times its peak.
    ema
        Decay per step of the averaged weights, which are the ones evaluated and exported.
    synthetic_share
        Share of rendered faces where there are rendered and real ones.
    pose_shares
        Share of the faces with |yaw| below 30°, from 30° to 60° and beyond.
    mesh_weight, sigma_weight, score_weight
        Weights of the losses beside that of the 68 points.
    """

    network: NetworkConfig = field(default_factory=NetworkConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    stages: tuple[tuple[int, int], ...] = ((80, 8600),)
    batch: int = 64
    negatives: int = 6
    learning_rate: float = 2e-3
    weight_decay: float = 0.03
    warm_up: int = 300
    final_rate: float = 0.005
    ema: float = 0.998
    pose_shares: tuple[float, float, float] = (0.45, 0.27, 0.28)
    synthetic_share: float = 0.3
    mesh_weight: float = 0.5
    sigma_weight: float = 0.05
    score_weight: float = 0.05
    held_out: int = 600
    seed: int = 20
    device: str = "cpu"
    threads: int = 1
    compile: bool = True
    bfloat16: bool = False
    log_every: int = 100
    save_every: int = 250

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return sum(steps for _, steps in self.stages)

    def size_at(self, step: int) -> int:
        """Crop size in pixels at a step."""
        for size, steps in self.stages:
            if step < steps:
                return size
            step -= steps
        return self.stages[-1][0]


PRESETS: dict[str, TrainConfig] = {
    "cpu": TrainConfig(),
    "short": TrainConfig(stages=((64, 1000),), warm_up=100, ema=0.99, compile=False),
    "finetune": TrainConfig(stages=((80, 400),), learning_rate=3e-4, warm_up=50, ema=0.995, compile=False),
    "gpu": TrainConfig(
        network=NetworkConfig(stem=32, channels=(64, 128, 224, 320), blocks=(2, 3, 4, 2), head=256),
        stages=((96, 8000), (128, 16000)),
        batch=256,
        negatives=24,
        learning_rate=3e-3,
        device="cuda",
        threads=8,
        bfloat16=True,
    ),
}

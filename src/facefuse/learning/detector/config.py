"""Settings of a detector training run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DetectorConfig:
    """One training run of the face detector.

    The learning rate warms up, stays constant, and falls to zero along a half cosine over the last `decay_fraction` of
    the steps. It is a function of the step alone, so that a run resumed with another `steps` continues sensibly.
    """

    steps: int = 12000
    batch_size: int = 16
    scene_size: int = 256
    """Side of the square training scenes in pixels, a multiple of 32."""
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    warmup_steps: int = 200
    decay_fraction: float = 0.4
    ema_decay: float = 0.998
    focal_gamma: float = 2.0
    box_weight: float = 2.0
    points_weight: float = 1.0
    hard_negative_share: float = 0.5
    """Share of the face-free background windows that are drawn near places where the network has fired before."""
    seed: int = 0
    threads: int = 1
    """PyTorch threads."""
    device: str = "cpu"
    save_every: int = 256
    """A multiple of 16, as is `validate_every`."""
    validate_every: int = 1536
    validation_scenes: int = 160


PRESETS: dict[str, DetectorConfig] = {
    "cpu": DetectorConfig(),
    "refine": DetectorConfig(
        steps=11000, learning_rate=1.5e-3, decay_fraction=0.7, ema_decay=0.999, seed=1, validate_every=2048
    ),
    "finish": DetectorConfig(
        steps=550, learning_rate=4e-4, warmup_steps=50, decay_fraction=0.8, ema_decay=0.99, seed=2, validate_every=2048
    ),
    "gpu": DetectorConfig(steps=60000, batch_size=64, threads=8, device="cuda", save_every=1024, validate_every=5120),
}

"""Presets of 2DASL runs."""

from __future__ import annotations

from dataclasses import replace

from facefuse.learning.engine.config import EngineConfig, OptimConfig
from facefuse.learning.landmarks.config import NetworkConfig as TrunkConfig
from facefuse.learning.two_dasl.config import DataConfig, LossConfig, MapConfig, NetworkConfig, TwoDaslConfig

# The point terms are of order 0.03 and lead; the others are scaled to what they may cost in comparison.
_LIGHT_LOSSES = LossConfig(
    wpdc=0.02,
    vdc=1.0,
    consistency_2d=0.0,
    cycle=1.0,
    landmarks=1.0,
    mesh=0.5,
    votes=1.0,
    sigma=0.0025,
    gaps=2.5,
    blendshapes=0.08,
    identity_prior=0.003,
    expression_prior=0.01,
)

# Published: L = L_3d + 0.005 L_2d-con + 0.005 L_3d-con + 1 L_cyc + 0.005 L_sc; the units of the distances are not
# published, here they are sides of the face (2D) and 100 mm (3D).
_PUBLISHED_LOSSES = LossConfig(wpdc=1.0, consistency_2d=0.005, consistency_3d=0.005, cycle=1.0, critic=0.005)

PRESETS: dict[str, TwoDaslConfig] = {
    # A laptop's two cores, a few hours, starting from the landmark network.
    "cpu": TwoDaslConfig(
        engine=EngineConfig(steps=5000, ema=0.998),
        optim=OptimConfig(learning_rate=8e-4, weight_decay=0.03, warm_up=200, final_rate=0.005),
        network=NetworkConfig(compile=True),
        maps=MapConfig(second_share=0.125),
        losses=_LIGHT_LOSSES,
        data=DataConfig(labelled_3d=20, labelled_2d=44, shut_eyes=0.18),
    ),
    # One GPU or several (torchrun), from random weights.
    "gpu": TwoDaslConfig(
        engine=EngineConfig(steps=60000, shards=8, ema=0.999, device="cuda", threads=8, bfloat16=True),
        optim=OptimConfig(learning_rate=2e-3, weight_decay=0.05, warm_up=1000, final_rate=0.005),
        network=NetworkConfig(
            trunk=TrunkConfig(stem=24, channels=(48, 96, 176, 256), blocks=(2, 3, 4, 2), head=192), hidden=512
        ),
        losses=_LIGHT_LOSSES,
        data=DataConfig(labelled_3d=128, labelled_2d=256, size=112, shut_eyes=0.18),
    ),
    # The paper's first stage; "paper-fine" is its second, to be started from the first one's checkpoint.
    "paper": TwoDaslConfig(
        engine=EngineConfig(steps=200000, device="cuda", threads=8),
        optim=OptimConfig(
            kind="sgd", learning_rate=5e-5, weight_decay=5e-4, schedule="exponential", final_rate=0.1, clip=0.0
        ),
        network=NetworkConfig(kind="resnet50"),
        maps=MapConfig(kind="hard", first="landmarks", second_share=1.0),
        losses=_PUBLISHED_LOSSES,
        data=DataConfig(labelled_3d=16, labelled_2d=16, size=120),
        space="bfm62",
    ),
    # End to end on made-up photos within two minutes of one core.
    "smoke": TwoDaslConfig(
        engine=EngineConfig(steps=24, log_every=8, validate_every=24, images_every=24, save_every=12),
        optim=OptimConfig(learning_rate=2e-3, warm_up=4),
        critic_optim=OptimConfig(kind="adam", learning_rate=1e-4, schedule="constant"),
        network=NetworkConfig(trunk=TrunkConfig(stem=8, channels=(16, 24, 32, 48), blocks=(1, 1, 1, 1), head=32)),
        losses=replace(_LIGHT_LOSSES, consistency_2d=0.005, consistency_3d=0.005, critic=0.005),
        data=DataConfig(labelled_3d=8, labelled_2d=8, size=64, held_out=12),
    ),
}
PRESETS["paper-fine"] = replace(
    PRESETS["paper"],
    engine=replace(PRESETS["paper"].engine, steps=50000),
    optim=replace(PRESETS["paper"].optim, learning_rate=1e-5),
    losses=replace(_PUBLISHED_LOSSES, wpdc=0.0, vdc=1.0),
)

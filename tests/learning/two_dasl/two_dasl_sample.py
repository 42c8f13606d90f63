"""Made-up faces for the tests: exact projections of random heads on pictures of noise, and tiny settings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from facefuse.geometry.rotations import euler_to_rotmat
from facefuse.learning.landmarks.config import NetworkConfig as TrunkConfig
from facefuse.learning.landmarks.data import FaceSet
from facefuse.learning.landmarks.points import IBUG_MIRROR
from facefuse.learning.two_dasl.build import base_space, make_network
from facefuse.learning.two_dasl.config import TwoDaslConfig
from facefuse.learning.two_dasl.data import LandmarkPhotos, Sample2D
from facefuse.learning.two_dasl.presets import PRESETS
from facefuse.learning.two_dasl.task import TwoDaslTask
from facefuse.learning.two_dasl.truth import Sample3D, TruthPhotos
from facefuse.morphable.registry import load_model

MESH = np.array([1, 33, 263])  # nose tip and outer eye corners
MIRROR = np.concatenate([IBUG_MIRROR, 68 + np.array([0, 2, 1])])
SIDE = 100

_SMOKE = PRESETS["smoke"]
TINY: TwoDaslConfig = replace(
    _SMOKE,
    engine=replace(_SMOKE.engine, steps=4, shards=2, log_every=1, validate_every=0, images_every=0, save_every=0),
    network=replace(
        _SMOKE.network,
        trunk=TrunkConfig(stem=4, channels=(4, 8, 8, 8), blocks=(1, 1, 1, 1), head=8),
        hidden=16,
    ),
    maps=replace(_SMOKE.maps, second_share=0.5),
    data=replace(_SMOKE.data, labelled_3d=4, labelled_2d=4, size=48, held_out=4),
    identity_modes=6,
)


def made_up_3d(count: int = 10, seed: int = 0) -> Sample3D:
    model, rng = load_model("base"), np.random.default_rng(seed)
    identity = rng.normal(0, 0.6, (count, model.identity_count)).astype(np.float32)
    identity[:, 6:] = 0.0
    expression = rng.uniform(0, 0.3, (count, model.expression_count)).astype(np.float32)
    yaw = np.linspace(-70.0, 70.0, count)
    rotation = np.stack([euler_to_rotmat(*np.array([y, rng.normal(0, 8), rng.normal(0, 8)])) for y in yaw])
    scale, translation = rng.uniform(0.35, 0.45, count), rng.uniform(40.0, 60.0, (count, 2))
    vertices = model.vertices(identity, expression)
    points = np.concatenate([model.landmarks(vertices), model.mesh_landmarks(vertices)[:, MESH]], axis=1)
    turned = np.einsum("nij,npj->npi", rotation, points)
    flat = scale[:, None, None] * turned[..., :2] + translation[:, None]
    return Sample3D(
        photos=rng.integers(0, 256, (count, SIDE, SIDE, 3)).astype(np.uint8),
        points=flat.astype(np.float32),
        weight=np.ones((count, 68 + len(MESH)), np.float32),
        identity=identity,
        expression=expression,
        rotation=rotation.astype(np.float32),
        scale=scale.astype(np.float32),
        translation=translation.astype(np.float32),
        yaw_deg=yaw.astype(np.float32),
    )


def made_up_2d(count: int = 10, seed: int = 1) -> Sample2D:
    truth = made_up_3d(count, seed)
    weight = truth.weight.copy()
    weight[0, 68:] = 0.0
    points = truth.points.copy()
    points[0, 68:] = np.nan
    rows = np.arange(count)
    faces = FaceSet(truth.photos, points, weight, truth.yaw_deg, rows, MESH, MIRROR, rows)
    scores = truth.expression.copy()
    scores[0] = np.nan
    return Sample2D(faces, scores)


def tiny_task(config: TwoDaslConfig = TINY) -> TwoDaslTask:
    from facefuse.learning.two_dasl.critic import SelfCritic

    torch.manual_seed(config.engine.seed)
    model = load_model("base")
    space = base_space(model, config.identity_modes, MESH)
    network = make_network(config, space, MESH)
    names = model.expression_names
    return TwoDaslTask(
        config,
        network,
        space,
        TruthPhotos(made_up_3d(), model, config.identity_modes, MIRROR, config.data),
        LandmarkPhotos(made_up_2d(), names, config.data),
        MESH,
        made_up_2d(6, seed=5),
        SelfCritic(space.size) if config.losses.critic else None,
    )

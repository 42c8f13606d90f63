"""Networks, coefficient spaces and tasks as the settings say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from facefuse.errors import AssetError, UsageError
from facefuse.learning.landmarks.points import IBUG_POINTS
from facefuse.learning.two_dasl.config import TwoDaslConfig
from facefuse.learning.two_dasl.critic import SelfCritic
from facefuse.learning.two_dasl.data import FIRST_IRIS_POINT
from facefuse.learning.two_dasl.light import LightNet
from facefuse.learning.two_dasl.resnet import ResNet50
from facefuse.learning.two_dasl.sources import PhotoSets, Sources, read_sets
from facefuse.learning.two_dasl.space import BaseSpace
from facefuse.learning.two_dasl.space62 import WhitenedSpace
from facefuse.learning.two_dasl.task import TwoDaslTask
from facefuse.morphable.importers.bfm_3ddfa import Bfm3ddfa
from facefuse.morphable.model import FaceModel
from facefuse.morphable.registry import load_model

_EXTRA_VERTICES = 256  # spread over the face, for the vertex distance
_EXTRA_BFM = 132  # as many as 3DDFA draws


def base_space(model: FaceModel, identity_modes: int, mesh_indices: NDArray[np.integer]) -> BaseSpace:
    """The space of a blendshape model with 68 landmarks, the given mesh points and vertices spread over the face."""
    face = np.flatnonzero(model.face_mask)
    extra = face[np.linspace(0, len(face) - 1, min(_EXTRA_VERTICES, len(face))).astype(int)]
    return BaseSpace(model, identity_modes, np.asarray(mesh_indices), extra)


def published_space(model: Bfm3ddfa) -> WhitenedSpace:
    """The space of the 62 whitened parameters with 68 landmarks and vertices spread over the face."""
    return WhitenedSpace(model, np.linspace(0, len(model.mean) - 1, min(_EXTRA_BFM, len(model.mean))).astype(int))


def make_network(
    config: TwoDaslConfig, space: BaseSpace | WhitenedSpace, mesh_indices: NDArray[np.integer]
) -> LightNet | ResNet50:
    """The network of the settings, with random weights.

    Raises
    ------
    UsageError
        If network and coefficients do not go together.
    """
    if config.network.kind == "resnet50":
        return ResNet50(space)
    if not isinstance(space, BaseSpace):
        raise UsageError("the light network predicts the base model's coefficients; set network.kind to resnet50")
    light = config.network
    return LightNet(light.trunk, space, IBUG_POINTS + len(mesh_indices), light.hidden, light.refinements)


def start_from_landmarks(network: LightNet, checkpoint: Path, mesh_indices: NDArray[np.integer]) -> None:
    """Start the trunk from the averaged weights of a landmark run's ``checkpoint.pt``.

    Parameters
    ----------
    network
        With the same trunk; it votes for the points of the landmark network except those on the irises.
    checkpoint
        Of ``python -m facefuse.learning.landmarks``.
    mesh_indices
        (M,) mesh points the network votes for.

    Raises
    ------
    AssetError
        If it is no such checkpoint or of another size.
    """
    try:
        weights = torch.load(checkpoint, map_location="cpu", weights_only=True)["average"]
        points = weights["votes.bias"].numel() // 4
        # iris points come last among the mesh points, whose numbers ascend
        kept = torch.arange(points) < IBUG_POINTS + int((np.asarray(mesh_indices) < FIRST_IRIS_POINT).sum())
        network.start_from(weights, kept)
    except (RuntimeError, KeyError, ValueError, EOFError, OSError, IndexError) as error:
        raise AssetError(f"{checkpoint}: not a landmark network of this size ({error})") from error


def make_task(config: TwoDaslConfig, sources: Sources, device: str) -> TwoDaslTask:
    """Read the photos and make the networks of a run.

    Raises
    ------
    UsageError
        If settings do not go together, or need data that were not given.
    AssetError, UnusableInput
        If files are damaged.
    """
    return task_of(config, read_sets(config, sources), device, sources.landmark_run)


def task_of(config: TwoDaslConfig, sets: PhotoSets, device: str, landmark_run: Path | None = None) -> TwoDaslTask:
    """Make the networks of a run on photos that have been read; see `make_task`."""
    space: BaseSpace | WhitenedSpace
    if sets.bfm is not None:
        space = published_space(sets.bfm)
    else:
        space = base_space(load_model("base"), config.identity_modes, sets.mesh_indices)
    network = make_network(config, space, sets.mesh_indices)
    if landmark_run is not None:
        if not isinstance(network, LightNet):
            raise UsageError("only the light network can start from a landmark network")
        start_from_landmarks(network, landmark_run, sets.mesh_indices)
    network.to(device, memory_format=torch.channels_last)
    if config.network.compile:
        if not isinstance(network, LightNet):
            raise UsageError("network.compile is for the light network; set it to false")
        network.trunk.compile(dynamic=False)
    critic = SelfCritic(space.size).to(device) if config.losses.critic else None
    return TwoDaslTask(
        config, network, space, sets.labelled_3d, sets.labelled_2d, sets.mesh_indices, sets.held_out, critic
    )

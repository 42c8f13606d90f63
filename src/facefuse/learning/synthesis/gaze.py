"""Where the eyes look."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facefuse.learning.base_model.eyes import GAZE_DEG

from .meshes import Floats

_UP, _DOWN = GAZE_DEG["eyeLookUp"][0], -GAZE_DEG["eyeLookDown"][0]
_SIDE = GAZE_DEG["eyeLookOut"][1]
_COMFORT = np.array([32.0, 22.0])
"""Degrees sideways and up that eyes turn without the head following."""
_AT_CAMERA = 0.6
"""Share of people who look into the camera where they can."""


def aim_eyes(
    expression: Floats, names: tuple[str, ...], rotation: NDArray[np.float64], rng: np.random.Generator
) -> Floats:
    """Turn both eyes alike: into a camera of a given rotation (camera from model), or elsewhere.

    Returns
    -------
    (E,) float32
        The expression with its ``eyeLook…`` weights set, lids following.
    """
    towards = -rotation[2]  # the camera, from the head, in the model frame
    left = np.degrees(np.arctan2(towards[0], towards[2]))
    up = np.degrees(np.arcsin(np.clip(towards[1], -1, 1)))
    target = np.array([left, up])
    if rng.random() > _AT_CAMERA or (np.abs(target) > _COMFORT * 1.3).any():
        target = 0.35 * np.clip(target, -40, 40) + rng.normal(0.0, [12.0, 7.0])
    else:
        target = target + rng.normal(0.0, 2.0, 2)
    left, up = np.clip(target, -_COMFORT, _COMFORT)
    weights = {
        "eyeLookOutLeft": max(left, 0) / _SIDE,
        "eyeLookInRight": max(left, 0) / _SIDE,
        "eyeLookInLeft": max(-left, 0) / _SIDE,
        "eyeLookOutRight": max(-left, 0) / _SIDE,
        **dict.fromkeys(("eyeLookUpLeft", "eyeLookUpRight"), max(up, 0) / _UP),
        **dict.fromkeys(("eyeLookDownLeft", "eyeLookDownRight"), max(-up, 0) / _DOWN),
    }
    out: Floats = expression.copy()
    for name, weight in weights.items():
        out[names.index(name)] = min(weight, 1.0)
    return out

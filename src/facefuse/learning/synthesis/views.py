"""Random cameras: pose, distance, framing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facefuse.geometry.cameras import PinholeCamera
from facefuse.geometry.rotations import euler_to_rotmat

Floats = NDArray[np.float64]

CENTRE = np.array([0.0, -25.0, 0.0])
"""The point of the model (mm) that cameras turn about: between the eyes and the mouth."""


@dataclass(frozen=True)
class Framing:
    """How a face is framed.

    Attributes
    ----------
    distance : float
        From the camera to the face, mm.
    share : float
        Side of the square about the 68 points, as a share of the photo's side.
    shift : (2,) float
        Centre of the face off the centre of the photo, as a share of its side.
    off_axis : (2,) float
        Degrees by which the middle of the photo lies off the optical axis (the photo is part of a larger one).
    """

    distance: float
    share: float
    shift: Floats
    off_axis: Floats


def random_pose(rng: np.random.Generator) -> tuple[float, float, float]:
    """Draw yaw, pitch and roll in degrees; yaw broad with profiles up to ±100°."""
    kind = rng.random()
    if kind < 0.55:
        yaw = rng.normal(0.0, 18.0)
    elif kind < 0.85:
        yaw = rng.uniform(-75.0, 75.0)
    else:
        yaw = rng.choice([-1.0, 1.0]) * rng.uniform(60.0, 100.0)
    pitch = rng.normal(-2.0, 9.0) if rng.random() < 0.8 else rng.uniform(-38.0, 38.0)
    roll = rng.normal(0.0, 7.0) if rng.random() < 0.85 else rng.normal(0.0, 25.0)
    pitch *= np.cos(np.radians(min(abs(yaw), 80.0))) * 0.5 + 0.5
    return float(np.clip(yaw, -100, 100)), float(np.clip(pitch, -40, 40)), float(np.clip(roll, -60, 60))


def random_framing(rng: np.random.Generator) -> Framing:
    """Draw distance (25 cm to 2 m), size and place in the photo; one in twelve is cut off by the photo's border."""
    distance = float(np.exp(np.clip(rng.normal(np.log(750.0), 0.55), np.log(250.0), np.log(2000.0))))
    share = float(np.clip(np.exp(rng.normal(np.log(0.56), 0.17)), 0.34, 0.82))
    shift = rng.normal(0.0, 0.035, 2)
    if rng.random() < 0.08:
        shift += rng.uniform(-0.35, 0.35, 2)
    return Framing(distance, share, shift, np.clip(rng.normal(0.0, 4.0, 2), -12.0, 12.0))


def make_camera(points68: Floats, rotation: Floats, framing: Framing, size: int) -> PinholeCamera:
    """Place a camera so that given landmarks (68, 3) appear as framed in a photo of ``size`` pixels."""
    turned = (np.asarray(points68, np.float64) - CENTRE) @ rotation.T
    # first on the axis, to measure the size at this distance, then moved to its place
    flat = turned[:, :2] / (turned[:, 2:] + framing.distance)
    focal = float(framing.share * size / (flat.max(axis=0) - flat.min(axis=0)).max())
    middle = (size - 1) / 2
    centre = middle + focal * np.tan(np.radians(framing.off_axis))
    wanted = middle + framing.shift * size
    offset = np.zeros(2)
    for _ in range(3):
        moved = turned[:, :2] + offset
        flat = moved / (turned[:, 2:] + framing.distance) * focal + centre
        found = (flat.max(axis=0) + flat.min(axis=0)) / 2
        offset += (wanted - found) * framing.distance / focal
    translation = np.array([offset[0], offset[1], framing.distance]) - rotation @ CENTRE
    return PinholeCamera(focal, centre, rotation, translation)


def rotation_of(pose: tuple[float, float, float]) -> Floats:
    """Camera-from-model matrix of yaw, pitch and roll in degrees."""
    return np.asarray(euler_to_rotmat(*(np.float64(angle) for angle in pose)))

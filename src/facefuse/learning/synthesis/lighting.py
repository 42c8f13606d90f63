"""Random light: soft surroundings as spherical harmonics, and lamps with shadows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facefuse.geometry.rotations import rotvec_to_rotmat
from facefuse.rendering.shading import sh_basis

Floats = NDArray[np.float64]

_LOBE = np.array([1.0, *[2.0 / 3.0] * 3, *[0.25] * 5])
"""Cosine lobe over π per coefficient (Ramamoorthi & Hanrahan 2001): radiance to diffuse shading of a white surface."""
_DIRECTIONS = np.random.default_rng(7).standard_normal((64, 3))
_DIRECTIONS /= np.linalg.norm(_DIRECTIONS, axis=1, keepdims=True)
_FIT = np.linalg.pinv(sh_basis(_DIRECTIONS))
"""From shading in these directions to coefficients."""


@dataclass(frozen=True)
class Light:
    """Light in some frame.

    Attributes
    ----------
    ambient : (9, 3) float
        Spherical harmonics of the soft light, cosine lobe included: shading = ``sh_shade(normals, ambient)``.
    direction : (L, 3) float
        Unit vectors towards the lamps.
    colour : (L, 3) float
        Shading of a white surface that faces the lamp.
    softness : (L,) float
        Width of the shadows' edges, mm.
    """

    ambient: Floats
    direction: Floats
    colour: Floats
    softness: Floats

    def rotated(self, rotation: Floats) -> Light:
        """The same light in a frame whose coordinates are ``rotation @ x``."""
        ambient = _FIT @ (sh_basis(_DIRECTIONS @ rotation) @ self.ambient)
        return Light(ambient, self.direction @ rotation.T, self.colour, self.softness)

    def harmonics(self) -> Floats:
        """All of it as spherical harmonics (9, 3), cosine lobe included, no shadows."""
        lamps = np.pi * (sh_basis(self.direction) * _LOBE)[:, :, None] * self.colour[:, None, :]
        return np.asarray(self.ambient + lamps.sum(axis=0))


def _warmth(kelvin: float) -> Floats:
    """Linear RGB of a black body relative to daylight, mean 1 (a fit through 2500-12000 K)."""
    t = np.log(kelvin / 6500.0)
    colour = np.exp(np.array([-0.55 * t, 0.02 * t, 0.85 * t]))
    return np.asarray(colour / colour.mean())


def _towards(azimuth: float, elevation: float) -> Floats:
    """Unit vector, camera frame (y down, z away from the camera), azimuth 0 from behind the camera."""
    a, e = np.radians([azimuth, elevation])
    return np.array([np.sin(a) * np.cos(e), -np.sin(e), -np.cos(a) * np.cos(e)])


def random_light(rng: np.random.Generator) -> Light:
    """Draw light in the frame of an upright camera: daylight, rooms, flashes, lamps from the side, back light."""
    kelvin = np.exp(rng.normal(np.log(5600.0), 0.28))
    ambient = np.zeros((9, 3))
    sky = _warmth(float(np.clip(kelvin * np.exp(rng.normal(0.1, 0.2)), 2700, 12000)))
    ground = _warmth(float(np.clip(kelvin * np.exp(rng.normal(-0.15, 0.15)), 2700, 9000)))
    level = rng.uniform(0.35, 0.75)
    up, side = rng.uniform(0.05, 0.5), rng.normal(0.0, 0.3)
    front = rng.normal(0.15, 0.3)
    # level + gradients: light from above, from one side, from the front
    ambient[0] = level * (0.6 * sky + 0.4 * ground) / 0.282095
    slope = level / 0.488603 * 0.75
    ambient[1] = -slope * up * (1.2 * sky - 0.2 * ground)
    ambient[2] = -slope * np.clip(front, -0.5, 0.6) * sky
    ambient[3] = slope * np.clip(side, -0.6, 0.6) * sky
    ambient[4:] = rng.normal(0.0, 0.06 * level, (5, 1)) * sky
    kind = rng.random()
    direction, colour, softness = [], [], []
    lamp = _warmth(float(np.clip(kelvin * np.exp(rng.normal(-0.1, 0.2)), 2500, 9000)))
    if kind < 0.30:  # window or large lamp: broad, soft
        direction.append(_towards(rng.normal(0, 55), rng.uniform(0, 60)))
        colour.append(lamp * rng.uniform(0.25, 0.8))
        softness.append(rng.uniform(8.0, 16.0))
    elif kind < 0.62:  # sun or hard lamp
        direction.append(_towards(rng.normal(0, 70), rng.uniform(5, 70)))
        colour.append(lamp * rng.uniform(0.5, 1.5))
        softness.append(rng.uniform(1.0, 4.0))
        ambient *= rng.uniform(0.5, 1.0)
    elif kind < 0.72:  # flash beside the lens
        direction.append(_towards(rng.normal(0, 6), rng.uniform(0, 8)))
        colour.append(_warmth(5800.0) * rng.uniform(0.5, 1.2))
        softness.append(1.5)
        ambient *= rng.uniform(0.25, 0.7)
    if rng.random() < 0.25:  # a rim light from behind
        direction.append(_towards(rng.choice([-1, 1]) * rng.uniform(110, 160), rng.uniform(0, 50)))
        colour.append(_warmth(float(rng.uniform(3000, 8000))) * rng.uniform(0.4, 1.5))
        softness.append(rng.uniform(2.0, 8.0))
    return Light(
        ambient,
        np.array(direction).reshape(-1, 3),
        np.array(colour).reshape(-1, 3),
        np.array(softness),
    )


def shaken(light: Light, degrees: float, rng: np.random.Generator) -> Light:
    """The same surroundings, turned by about ``degrees`` about a random axis."""
    return light.rotated(rotvec_to_rotmat(rng.normal(0.0, np.radians(degrees), 3)))

"""Identity statistics and expressions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facefuse.learning.base_model.ict import reflect

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ARKIT_NAMES = (
    *("browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight"),
    *("cheekPuff", "cheekSquintLeft", "cheekSquintRight"),
    *("eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight", "eyeLookInLeft", "eyeLookInRight"),
    *("eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight"),
    *("eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight"),
    *("jawForward", "jawLeft", "jawOpen", "jawRight"),
    *("mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight", "mouthFunnel"),
    *("mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight", "mouthPucker"),
    *("mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper"),
    *("mouthSmileLeft", "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight"),
    *("mouthUpperUpLeft", "mouthUpperUpRight", "noseSneerLeft", "noseSneerRight", "tongueOut"),
)
"""The 52 ARKit blendshapes."""

STILL = 0.01
"""Displacements below this (mm) at weight one are noise and set to zero."""


def ict_sources(name: str) -> tuple[str, ...]:
    """Return the ICT shapes whose sum is an ARKit shape."""
    if name in ("browInnerUp", "cheekPuff"):
        return (name + "_L", name + "_R")
    for side in ("Left", "Right"):
        if name.endswith(side) and name not in ("jawLeft", "jawRight", "mouthLeft", "mouthRight"):
            return (f"{name[: -len(side)]}_{side[0]}",)
    return (name,)


def arkit_expressions(shapes: dict[str, Floats]) -> tuple[tuple[str, ...], Floats]:
    """Return the ARKit names that ICT provides and their displacements (E, V, 3) at weight one."""
    names = tuple(name for name in ARKIT_NAMES if all(source in shapes for source in ict_sources(name)))
    out = np.stack([np.sum([shapes[source] for source in ict_sources(name)], axis=0) for name in names])
    out[np.linalg.norm(out, axis=2) < STILL] = 0
    return names, out


def vertex_areas(points: Floats, triangles: Ints) -> Floats:
    """Return a third of the area of the triangles about each vertex (V,)."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    third = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 6
    out = np.zeros(len(points))
    for k in range(3):
        np.add.at(out, triangles[:, k], third)
    return out


def orthogonal_modes(modes: Floats, parity: Ints, weight: Floats, mirror: Ints, count: int) -> Floats:
    """Turn modes with N(0, 1) coefficients into orthogonal ones with N(0, 1) coefficients, strongest first.

    A rotation of the coefficients keeps their distribution, so the new modes are a rotation of the old that makes them
    orthogonal under the metric. Symmetric and antisymmetric modes are kept apart, so every new mode is exactly one or
    the other.

    Parameters
    ----------
    modes : (M, V, 3) float
    parity : (M,) int
        +1 symmetric, -1 antisymmetric.
    weight : (V,) float
        The metric: the area each vertex stands for.
    mirror : (V,) int
    count : int
        How many to keep.
    """
    root = np.sqrt(weight)
    found: list[tuple[float, Floats]] = []
    for sign in (1, -1):
        own = modes[parity == sign]
        flat = (own * root[:, None]).reshape(len(own), -1)
        values, vectors = np.linalg.eigh(flat @ flat.T)
        for value, vector in zip(values, vectors.T, strict=True):
            mode = np.tensordot(vector, own, axes=1)
            mode = (mode + sign * reflect(mode[mirror])) / 2
            # eigenvectors have no sign of their own; the largest displacement shall be positive
            peak = mode.reshape(-1)[np.argmax(np.abs(mode.round(6)).reshape(-1))]
            found.append((float(value), mode * np.sign(peak)))
    found.sort(key=lambda pair: -pair[0])
    return np.stack([mode for _, mode in found[:count]])

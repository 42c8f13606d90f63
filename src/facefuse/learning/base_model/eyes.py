"""Eyeballs: own rings of vertices about the optical axis, moving rigidly with ICT's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facefuse.learning.base_model.ict import VERTEX_RANGES, IctModel, fit_sphere, reflect

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SCLERA, IRIS, PUPIL = 0, 1, 2
RINGS_DEG = (4.0, 8.0, 13.0, 18.0, 23.0, 27.0, 34.0, 44.0, 57.0, 74.0, 95.0, 122.0, 152.0)
"""Angles of the rings from the optical axis, as seen from the ball's centre."""
PUPIL_DEG, IRIS_DEG = 8.0, 23.0
"""Outer angles of pupil and iris."""
SEGMENTS = 24
CORNEA_BULGE = 0.6
"""Share of ICT's cornea bulge that is kept: half-closed lids move on straight lines and would let it through."""
GAZE_DEG = {"eyeLookUp": (25.0, 0.0), "eyeLookDown": (-28.0, 0.0), "eyeLookIn": (0.0, -30.0), "eyeLookOut": (0.0, 30.0)}
"""Turn of the left eyeball at weight one: degrees up and to the subject's left (ICT Light moves the lids only)."""


@dataclass(frozen=True)
class Eyeballs:
    """Both eyeballs, left one first.

    Attributes
    ----------
    mean : (V, 3) float
        Millimetres, model frame.
    identity : (100, V, 3) float
        Translation and scale of each ICT mode.
    expression : (E, V, 3) float
        Rotations of the ``eyeLook…`` shapes, as displacements at weight one.
    triangles : (F, 3) int
    label : (F,) int
        ``SCLERA``, ``IRIS`` or ``PUPIL``.
    mirror : (V,) int
    uv : (V, 2) float
        Azimuthal about the optical axis, within the unit disc, the radius the square root of angle / 180° so that the
        iris takes a third of it; the right ball's is mirrored.
    angle : (V,) float
        Angle from the optical axis in degrees.
    centre : (3,) float
        Centre of the left ball.
    radius : float
        Radius without the cornea.
    """

    mean: Floats
    identity: Floats
    expression: Floats
    triangles: Ints
    label: Ints
    mirror: Ints
    uv: Floats
    uv_vertex: Ints
    uv_triangles: Ints
    angle: Floats
    centre: Floats
    radius: float


def build_eyeballs(ict: IctModel) -> Eyeballs:
    """Build the left eyeball on the profile of ICT's and mirror it."""
    start, end = VERTEX_RANGES["sclera_left"]
    ball = ict.mean[start:end]
    centre, radius = fit_sphere(ball[ball[:, 2] < np.median(ball[:, 2])])
    axis = ball[ball[:, 2].argmax()] - centre
    axis /= np.linalg.norm(axis)
    offset = ball - centre
    angle = np.degrees(np.arccos(np.clip(offset @ axis / np.linalg.norm(offset, axis=1), -1, 1)))
    bins = np.arange(0.0, 181.0, 3.0)
    which = np.digitize(angle, bins)
    filled = np.unique(which)
    profile_at = np.array([angle[which == b].mean() for b in filled])
    profile = np.array([np.linalg.norm(offset[which == b], axis=1).mean() for b in filled])
    profile = radius + CORNEA_BULGE * np.where(profile_at < 60, profile - radius, 0)

    right = np.cross([0.0, 1.0, 0.0], axis)
    right /= np.linalg.norm(right)
    up = np.cross(axis, right)
    angles, turns = [0.0], [0.0]
    for ring in RINGS_DEG:
        angles += [ring] * SEGMENTS
        turns += [2 * np.pi * k / SEGMENTS for k in range(SEGMENTS)]
    angles, turns = [*angles, 180.0], [*turns, 0.0]
    theta, phi = np.radians(angles), np.array(turns)
    direction = np.cos(theta)[:, None] * axis + np.sin(theta)[:, None] * (
        np.cos(phi)[:, None] * right + np.sin(phi)[:, None] * up
    )
    left = centre + np.interp(angles, profile_at, profile)[:, None] * direction
    triangles, label = _rings()

    identity = np.stack([_similarity(left - centre, offset, mode[start:end]) for mode in ict.identity])
    n = len(left)
    expression = np.zeros((len(ict.expression_names), 2 * n, 3))
    for name, (pitch, yaw) in GAZE_DEG.items():
        rotation = _gaze(pitch, yaw)
        expression[ict.expression_names.index(name + "_L"), :n] = (left - centre) @ (rotation - np.eye(3)).T
        other = ict.expression_names.index(name + "_R")
        expression[other, n:] = reflect((left - centre) @ (rotation - np.eye(3)).T)
    swapped = np.concatenate([np.arange(n, 2 * n), np.arange(n)])
    middle = 2 * np.pi * (np.arange(SEGMENTS) + 0.5) / SEGMENTS
    turn, reach = np.concatenate([phi[:-1], middle]), np.concatenate([np.sqrt(theta[:-1] / np.pi), np.ones(SEGMENTS)])
    disc = np.stack([np.cos(turn), np.sin(turn)], axis=1) * reach[:, None]
    flat = triangles.copy()
    back = flat[-SEGMENTS:]
    back[back == n - 1] = n - 1 + np.arange(SEGMENTS)
    return Eyeballs(
        np.concatenate([left, reflect(left)]),
        np.concatenate([identity, ict.parity[:, None, None] * reflect(identity)], axis=1),
        expression,
        np.concatenate([triangles, triangles[:, [0, 2, 1]] + n]),
        np.tile(label, 2),
        swapped,
        disc,
        np.concatenate([np.arange(n - 1), np.full(SEGMENTS, n - 1)]),
        flat,
        np.tile(np.array(angles), 2),
        centre,
        radius,
    )


def _rings() -> tuple[Ints, Ints]:
    """Return triangles and labels of one ball: front pole, rings, back pole."""
    triangles, label = [], []
    rings = len(RINGS_DEG)

    def vertex(ring: int, segment: int) -> int:
        if ring < 0:
            return 0
        return 1 + rings * SEGMENTS if ring == rings else 1 + ring * SEGMENTS + segment % SEGMENTS

    edges = [0.0, *RINGS_DEG, 180.0]
    for ring in range(-1, rings):
        outer = edges[ring + 2]
        name = PUPIL if outer <= PUPIL_DEG else IRIS if outer <= IRIS_DEG else SCLERA
        for k in range(SEGMENTS):
            a, b = vertex(ring, k), vertex(ring, k + 1)
            c, d = vertex(ring + 1, k), vertex(ring + 1, k + 1)
            new = [(a, c, d)] if ring < 0 else [(a, c, b)] if ring == rings - 1 else [(a, c, d), (a, d, b)]
            triangles += new
            label += [name] * len(new)
    return np.array(triangles, dtype=np.int64), np.array(label, dtype=np.int64)


def _similarity(ours: Floats, theirs: Floats, displacement: Floats) -> Floats:
    """Displace our ball (V, 3) by the translation and scale nearest to ICT's displacement (all about the centre)."""
    middle = theirs.mean(0)
    shift = displacement.mean(0)
    spread = theirs - middle
    scale = (spread * (displacement - shift)).sum() / (spread**2).sum()
    return np.asarray(shift + scale * (ours - middle))


def _gaze(pitch: float, yaw: float) -> Floats:
    """Return the rotation (3, 3) by degrees up and to the subject's left."""
    p, y = np.radians(pitch), np.radians(yaw)
    up = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
    left = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    return np.asarray(left @ up)

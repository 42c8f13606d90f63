"""Hands and things in front of the face."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facefuse.geometry.rotations import rotvec_to_rotmat

from . import kernels
from .head import Head
from .meshes import Floats, Material, Piece
from .shapes import box, ellipsoid, joined, solid, tube

Array = NDArray[np.float64]

_FINGERS = ((-29.0, 34.0, 62.0, 8.2), (-10.0, 43.0, 74.0, 8.8), (10.0, 41.0, 70.0, 8.5), (28.0, 33.0, 54.0, 7.4))
"""Of a left hand seen from its back: knuckle x and y, length, radius (mm); index to little finger."""


def _flesh(colour: Array, rng: np.random.Generator) -> Material:
    tone = colour * np.exp(rng.normal(0, 0.06)) * [1.06, 0.97, 0.94]
    return Material(
        kernels.PLAIN, (float(tone[0]), float(tone[1]), float(tone[2])), specular=0.03, gloss=4, wrap=0.3, rough=0.2
    )


def make_hand(head: Head, vertices: Floats, skin: Array, rng: np.random.Generator) -> list[Piece]:
    """A hand at the face (V, 3) of a person whose skin is (3,) linear, and the arm to it."""
    landmarks = np.asarray(head.model.landmarks(vertices), np.float64)
    at = landmarks[int(rng.choice([2, 4, 6, 8, 10, 12, 14, 36, 45, 48, 54, 57, 57, 62, 33, 17, 26]))]
    side = np.sign(at[0]) if abs(at[0]) > 15 else rng.choice([-1.0, 1.0])
    outward = np.array([at[0] * 0.9, 0.0, max(at[2] + 60.0, 40.0)])
    outward /= np.linalg.norm(outward)
    lean = np.radians(rng.normal(25, 25)) * -side
    up = np.array([np.sin(lean), np.cos(lean), 0.15])
    up -= outward * (up @ outward)
    up /= np.linalg.norm(up)
    across = np.cross(up, outward) * rng.choice([-1.0, 1.0])
    frame = np.stack([across, up, outward])
    if np.linalg.det(frame) < 0:
        frame[0] *= -1
    mirror = rng.choice([-1.0, 1.0])
    curl = rng.uniform(0.05, 0.9)
    meshes = []
    for x, y, length, radius in _FINGERS:
        bend = curl * rng.uniform(0.6, 1.3)
        point, direction = np.array([x * mirror, y, 4.0]), np.array([0.08 * mirror * x / 20, 1.0, 0.25])
        path = [point - direction * 12]
        c, s = np.cos(bend), np.sin(bend)
        for share in (0.46, 0.30, 0.24):
            direction = np.array(
                [direction[0], c * direction[1] + s * direction[2], c * direction[2] - s * direction[1]]
            )
            direction /= np.linalg.norm(direction)
            path += [path[-1] + direction * length * share * t for t in (0.5, 1.0)]
        meshes.append(tube(np.array(path), radius * np.array([1.08, 1.0, 1.0, 0.95, 0.93, 0.86, 0.74]), 9))
    thumb = np.array([[-30.0, -28, 2], [-46, -8, 0], [-56, 12, -2], [-60, 32, -6]]) * [mirror, 1, 1]
    meshes.append(tube(thumb, np.array([14.0, 12.0, 10.0, 8.0]), 9))
    palm = np.array([[0.0, -52, 0], [0, -34, 0], [0, -12, 0], [0, 12, 1], [0, 36, 3]])
    meshes.append(tube(palm, np.array([27.0, 36.0, 42.0, 43.0, 36.0]), 14, flat=np.array([0.0, 0.0, 1.0])))
    vertices_of, triangles = joined(meshes)
    # the finger tips, or the palm, lie on the point of the face
    anchor = np.array([0.0, rng.choice([75.0, 45.0, 10.0]), -12.0])
    place = at + outward * rng.uniform(4, 14)
    points = (vertices_of - anchor) @ frame + place
    flesh = _flesh(skin, rng)
    pieces = [solid((points.astype(np.float32), triangles), flesh, "hand", 0.75)]
    wrist = (np.array([0.0, -54, 0]) - anchor) @ frame + place
    elbow = wrist - up * 160 + np.array([side * 40.0, -120.0, 10.0])
    arm = np.linspace(wrist, elbow, 6)
    bare = rng.random() < 0.5
    sleeve = Material(kernels.CLOTH, specular=0.02, gloss=2, wrap=0.1)
    arm_mesh = tube(arm, np.linspace(27, 44, 6) + (0 if bare else 5), 12)
    pieces.append(solid(arm_mesh, flesh if bare else sleeve, "hand" if bare else "clothing", 0.75))
    return pieces


def make_object(head: Head, vertices: Floats, rng: np.random.Generator) -> list[Piece]:
    """Something between the camera and the face: a phone, a cup, a microphone, a ball, a bar."""
    landmarks = np.asarray(head.model.landmarks(vertices), np.float64)
    at = landmarks[int(rng.integers(68))] + rng.normal(0, 12, 3) + [0.0, 0.0, rng.uniform(25, 80)]
    frame = rotvec_to_rotmat(rng.normal(0, 0.5, 3))
    tone = rng.uniform(0.02, 0.7) * np.exp(rng.normal(0, 0.4, 3))
    material = (
        Material(kernels.CLOTH, specular=0.03, gloss=3)
        if rng.random() < 0.3
        else Material(kernels.PLAIN, (float(tone[0]), float(tone[1]), float(tone[2])), specular=0.05, gloss=5)
    )
    kind = rng.random()
    if kind < 0.3:
        mesh = box(at, np.diag([rng.uniform(30, 50), rng.uniform(55, 80), 5.0]) @ frame)
    elif kind < 0.55:
        path = at + np.linspace(0, -rng.uniform(70, 130), 6)[:, None] * frame[1]
        mesh = tube(path, np.linspace(rng.uniform(26, 40), rng.uniform(20, 36), 6), 18)
    elif kind < 0.75:
        stick = at + np.linspace(-10, -220, 6)[:, None] * frame[1]
        mesh = joined([ellipsoid(at, np.eye(3) * rng.uniform(20, 28)), tube(stick, np.full(6, 11.0), 10)])
    elif kind < 0.9:
        mesh = ellipsoid(at, np.diag(rng.uniform(18, 60, 3)) @ frame)
    else:
        path = at + np.linspace(-400, 400, 5)[:, None] * frame[int(rng.integers(2))]
        mesh = tube(path, np.full(5, rng.uniform(6, 22)), 10)
    return [solid(mesh, material, "object", 0.85)]

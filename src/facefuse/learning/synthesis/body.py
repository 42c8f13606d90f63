"""Neck, shoulders and clothes below the head model's rim."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from facefuse.geometry.rotations import euler_to_rotmat, rotmat_to_rotvec, rotvec_to_rotmat

from . import kernels
from .head import Head
from .meshes import Floats, Material, Piece, grid_triangles

_PIVOT = np.array([0.0, -110.0, -62.0])
"""About where the head turns on the spine, mm."""
# rings below the neck's rim: height, half width, half depth, centre z, share of the turn from head to body
_RINGS = np.array(
    [
        (-176.0, 62.0, 61.0, -66.0, 0.35),
        (-188.0, 66.0, 62.0, -68.0, 0.60),
        (-198.0, 80.0, 66.0, -71.0, 0.85),
        (-207.0, 106.0, 72.0, -75.0, 1.0),
        (-217.0, 140.0, 79.0, -79.0, 1.0),
        (-229.0, 172.0, 87.0, -82.0, 1.0),
        (-246.0, 199.0, 96.0, -84.0, 1.0),
        (-272.0, 214.0, 105.0, -84.0, 1.0),
        (-310.0, 219.0, 115.0, -82.0, 1.0),
        (-380.0, 217.0, 124.0, -80.0, 1.0),
        (-520.0, 214.0, 128.0, -80.0, 1.0),
    ]
)
SKIN = Material(kernels.SKIN, specular=0.03, gloss=4, wrap=0.3, rough=0.1)
CLOTH = Material(kernels.CLOTH, specular=0.02, gloss=2, wrap=0.1)


def body_turn(pose: tuple[float, float, float], rng: np.random.Generator) -> NDArray[np.float64]:
    """Rotation (3, 3), body to head frame: the body stays behind when the head turns."""
    yaw, pitch, roll = pose
    share = rng.uniform(0.0, 0.75)
    back = np.clip([-yaw * share + rng.normal(0, 10), -pitch * 0.7, -roll * rng.uniform(0.2, 0.9)], -55, 55)
    back[1:] = np.clip(back[1:], -25, 25)
    flip = np.diag([1.0, -1.0, -1.0])
    return np.asarray(flip @ euler_to_rotmat(*(np.float64(a) for a in back)))


def make_body(head: Head, vertices: Floats, turn: NDArray[np.float64], rng: np.random.Generator) -> list[Piece]:
    """Shoulders that continue the neck of a head (V, 3), and a garment on them."""
    rim = np.asarray(vertices[head.neck], np.float64)
    count = len(rim)
    girth = np.ptp(rim[:, 0]) / np.ptp(head.model.mean[head.neck, 0])
    broad = rng.normal(0.93, 0.08) * girth
    centre = rim.mean(axis=0)
    angle = np.arctan2(rim[:, 0] - centre[0], rim[:, 2] - centre[2])  # 0 at the throat, positive to the left
    axis = rotmat_to_rotvec(turn)
    turns = rotvec_to_rotmat(_RINGS[:, 4:] * axis)
    height, wide, deep, z = _RINGS[:, :4].T[..., None]
    wide, deep = wide * np.where(wide < 90, girth, broad), deep * (0.5 + 0.5 * girth)
    c, s = np.cos(angle), np.sin(angle)
    power = 2.0 + 0.5 * np.clip((wide - 90) / 100, 0, 1)
    radius = (np.abs(s) ** power + np.abs(c) ** power) ** (-1 / power)
    # the shoulders slope down to the sides and lie further back than the throat
    low = height - 14.0 * np.maximum(c, 0) * np.minimum(wide / 200, 1)
    below = np.stack([wide * s * radius, low, z + deep * c * radius], -1)
    rings = np.concatenate([rim[None], (below - _PIVOT) @ turns.transpose(0, 2, 1) + _PIVOT])
    # the upper rings lean towards the real rim of this neck
    for k, lean in ((1, 0.75), (2, 0.45), (3, 0.2)):
        rings[k][:, [0, 2]] += lean * (rim - rings[0].mean(0) - (rings[k] - rings[k].mean(0)))[:, [0, 2]]
        rings[k] += lean * 0.5 * (np.array([centre[0], 0, centre[2]]) - rings[k].mean(0) * [1, 0, 1])
    surface = rings
    place = head.neck_uv
    rows = len(surface)
    # the skin's pattern goes on by running back into the neck: mirrored at the rim
    depth = np.minimum(np.arange(rows) * 0.012, 0.05)[:, None, None]
    uv = (place + depth * (np.array([0.5, 0.62]) - place) * 2).reshape(-1, 2)
    triangles = grid_triangles(rows, count, closed=True)
    pieces = [
        Piece(
            surface.reshape(-1, 3).astype(np.float32),
            triangles,
            np.ascontiguousarray(uv, np.float32),
            SKIN,
            "neck",
            np.full(rows * count, 0.85, np.float32),
        )
    ]
    pieces.append(_garment(surface, angle, rng))
    return pieces


def _garment(surface: NDArray[np.float64], angle: NDArray[np.float64], rng: np.random.Generator) -> Piece:
    """A garment over the body's rings, from a collar of random height down."""
    count = surface.shape[1]
    kind = rng.random()
    if kind < 0.2:  # turtleneck, scarf
        top, dip, flare = rng.uniform(0.0, 0.8), rng.uniform(0, 0.3), rng.uniform(3.0, 9.0)
    elif kind < 0.55:  # crew neck
        top, dip, flare = rng.uniform(1.4, 2.6), rng.uniform(0.3, 1.0), rng.uniform(1.5, 3.5)
    elif kind < 0.8:  # standing collar
        top, dip, flare = rng.uniform(0.6, 1.3), rng.uniform(0.8, 2.0), rng.uniform(6.0, 12.0)
    else:  # wide neckline
        top, dip, flare = rng.uniform(2.2, 3.5), rng.uniform(1.0, 3.0), rng.uniform(1.5, 3.0)
    start = top + dip * np.maximum(np.cos(angle), 0) ** 3
    rows = 12
    at = start[None] + (len(surface) - 1 - start[None]) * np.linspace(0, 1, rows)[:, None] ** 1.4
    low = np.minimum(at.astype(int), len(surface) - 2)
    part = (at - low)[..., None]
    column = np.broadcast_to(np.arange(count), at.shape)
    points = surface[low, column] * (1 - part) + surface[low + 1, column] * part
    middle = points.mean(axis=1, keepdims=True)
    out = points - middle
    out[..., 1] = 0
    out /= np.linalg.norm(out, axis=-1, keepdims=True) + 1e-9
    thick = flare + (4.0 - flare) * np.linspace(0, 1, rows)[:, None, None] ** 0.5
    points = points + out * thick
    lining = points[:1] - out[:1] * (flare * 0.8) - [0, 5.0, 0]  # the collar's edge turns inwards
    points = np.concatenate([lining, points])
    around = np.linspace(0, rng.uniform(2.5, 6.0), count)
    uv = np.stack(np.broadcast_arrays(around[None], -points[..., 1] / rng.uniform(60, 140)), -1)
    occlusion = np.concatenate([np.full((1, count), 0.25), np.full((1, count), 0.7), np.full((rows - 1, count), 0.9)])
    return Piece(
        points.reshape(-1, 3).astype(np.float32),
        grid_triangles(rows + 1, count, closed=True),
        uv.reshape(-1, 2).astype(np.float32),
        CLOTH,
        "clothing",
        occlusion.reshape(-1).astype(np.float32),
    )


def cloth_pattern(rng: np.random.Generator, size: int = 128) -> Floats:
    """A repeating linear albedo (size, size, 3): plain, striped, checked or mottled, with a weave."""
    colour = rng.uniform(0.02, 0.75) * np.exp(rng.normal(0, 0.35, 3) * rng.choice([0.15, 1.0]))
    second = rng.uniform(0.02, 0.75) * np.exp(rng.normal(0, 0.35, 3))
    x = np.arange(size) / size
    y = x[:, None]
    kind = rng.random()
    share: NDArray[np.floating] = np.zeros((size, size))
    if kind < 0.15:
        share = share + (np.sin(2 * np.pi * rng.integers(2, 9) * y) > rng.uniform(-0.5, 0.8))
    elif kind < 0.25:
        n = rng.integers(2, 8)
        share = 0.5 * (np.sin(2 * np.pi * n * x) > 0.3) + 0.5 * (np.sin(2 * np.pi * n * y) > 0.3)
    elif kind < 0.4:
        coarse = rng.random((8, 8))
        share = np.kron(coarse, np.ones((size // 8, size // 8)))
        for axis in (0, 1):
            share = np.mean([np.roll(share, s, axis) for s in range(-6, 7)], axis=0)
    weave = 1 + rng.uniform(0.02, 0.12) * (rng.random((size, size)) - 0.5)
    out = np.empty((size, size, 3), np.float32)
    _dye(share, weave, colour, second - colour, out)
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _dye(share, weave, colour, change, out):  # type: ignore[no-untyped-def]
    for row in range(out.shape[0]):
        for col in range(out.shape[1]):
            for c in range(3):
                value = (colour[c] + change[c] * share[row, col]) * weave[row, col]
                out[row, col, c] = min(max(value, 0.01), 0.85)

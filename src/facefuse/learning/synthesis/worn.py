"""Glasses and hats."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import kernels
from .hair import Hair, Style, grow
from .head import Head
from .meshes import Floats, Ints, Material, Piece, grid_triangles
from .scalp import COLUMNS, MIDDLE, base_scalp
from .shapes import joined, solid, tube

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Lenses:
    """Panes that are seen through.

    Attributes
    ----------
    vertices : (V, 3) float32, triangles : (F, 3) int32
    tint : (3,) float32
        Share of the light behind that gets through.
    mirror : float
        Strength of reflections.
    """

    vertices: Floats
    triangles: Ints
    tint: Floats
    mirror: float


def make_glasses(head: Head, vertices: Floats, rng: np.random.Generator) -> tuple[Piece, Lenses]:
    """Glasses that sit on the nose and the ears of a head (V, 3)."""
    points = np.asarray(head.model.landmarks(vertices), np.float64)
    eyes = [points[42:48].mean(0), points[36:42].mean(0)]  # left, right
    middle = (eyes[0] + eyes[1]) / 2
    dark = rng.random() < 0.3
    wide = rng.uniform(22, 27) * (1.12 if dark else 1.0)
    high = wide * rng.uniform(0.62, 0.98)
    power = rng.uniform(2.0, 4.5)
    thick = rng.uniform(0.6, 2.4)
    front = max(eyes[0][2], eyes[1][2]) + rng.uniform(14, 19)
    apart = abs(eyes[0][0] - middle[0]) + rng.uniform(0, 2.5)
    drop = rng.uniform(-1, 6)
    turn = np.linspace(0, 2 * np.pi, 36)
    c, s = np.cos(turn), np.sin(turn)
    radius = (np.abs(c) ** power + np.abs(s) ** power) ** (-1 / power)
    parts, panes = [], []
    for sign in (1.0, -1.0):
        x, y = apart + wide * c * radius, -drop + high * s * radius * (1 - 0.1 * c * (s < 0))
        bend = 0.0035 * x**2
        rim = np.stack([middle[0] + sign * x, middle[1] + y, front - bend], 1)
        if thick > 0.75 or rng.random() < 0.6:
            parts.append(tube(rim, np.full(len(rim), thick * 0.8), 5))
        centre = rim[:-1].mean(axis=0, keepdims=True)
        pane = np.concatenate([centre, rim[:-1]]).astype(np.float32)
        k = np.arange(len(rim) - 1)
        ring = np.stack([np.zeros_like(k), 1 + k, 1 + (k + 1) % len(k)], 1)
        panes.append((pane, ring.astype(np.int32)))
        hinge = np.array(
            [middle[0] + sign * (apart + wide), middle[1] - drop + high * 0.45, front - 0.0035 * (apart + wide) ** 2]
        )
        ear = points[0 if sign < 0 else 16]
        over = np.array([ear[0] + sign * 5.0, middle[1] + 1.0, ear[2] - 4.0])
        tip = over + np.array([-sign * 4.0, -24.0, -12.0])
        along = np.concatenate([np.linspace(hinge, over, 8), [tip]])
        along[1:-2, 0] += sign * 3.0
        parts.append(tube(along, np.full(len(along), thick), 5))
    bridge_x = np.linspace(-(apart - wide), apart - wide, 7)
    lift = 2.5 * (1 - (bridge_x / (abs(apart - wide) + 1e-6)) ** 2)
    bridge = np.stack([middle[0] + bridge_x, middle[1] - drop + high * 0.35 + lift, np.full(7, front + 0.5)], 1)
    parts.append(tube(bridge, np.full(7, thick * 0.9), 5))
    tone = rng.choice([0.02, 0.06, 0.3]) * np.exp(rng.normal(0, 0.3, 3))
    material = Material(kernels.PLAIN, (float(tone[0]), float(tone[1]), float(tone[2])), specular=0.06, gloss=6)
    tint = np.exp(-rng.uniform(1.3, 3.6) * np.exp(rng.normal(0, 0.12, 3))) if dark else rng.uniform(0.86, 0.97, 3)
    pane_vertices, pane_triangles = joined(panes)
    lenses = Lenses(pane_vertices, pane_triangles, tint.astype(np.float32), float(rng.uniform(0.3, 1.0)))
    return solid(joined(parts), material, "glasses"), lenses


def make_hat(vertices: Floats, down: Array, rng: np.random.Generator) -> list[Piece]:
    """A cap, a woollen hat, a hat with a brim, or a scarf over the head (V, 3)."""
    colour = rng.uniform(0.02, 0.6) * np.exp(rng.normal(0, 0.4, 3))
    plain = Material(
        kernels.PLAIN,
        (float(colour[0]), float(colour[1]), float(colour[2])),
        specular=0.02,
        gloss=2,
        wrap=0.1,
        rough=0.5,
    )
    kind = rng.choice(4, p=[0.34, 0.3, 0.16, 0.2])
    if kind == 3:
        return [_scarf(vertices, down, plain, rng)]
    scalp = base_scalp()
    skull = scalp.on(vertices)
    front = np.cos(np.radians(scalp.turn))
    low = {0: (62, 84), 1: (66, 98), 2: (62, 86)}[int(kind)]
    edge = low[1] + (low[0] - low[1]) * np.clip(front * 0.6 + 0.4, 0, 1) + rng.uniform(-3, 5)
    rows = 14
    share = np.linspace(0, 1, rows)[:, None]
    at = np.interp(scalp.angle[0] + share * (edge - scalp.angle[0])[None], scalp.angle, np.arange(len(scalp.angle)))
    i = np.minimum(at.astype(int), len(scalp.angle) - 2)
    column = np.broadcast_to(np.arange(COLUMNS), at.shape)
    base = skull[i, column] * (1 - (at - i))[..., None] + skull[i + 1, column] * (at - i)[..., None]
    outward = base - MIDDLE
    outward /= np.linalg.norm(outward, axis=-1, keepdims=True)
    thick = rng.uniform(7, 12) + (rng.uniform(4, 22) * np.clip(1 - share * 1.6, 0, 1))
    dome = base + outward * thick[..., None]
    lip = base[-1:] + outward[-1:] * 2.0
    rows_of = [dome]
    if kind == 1:  # turned-up hem
        rows_of.append(dome[-1:] + outward[-1:] * 3.5)
        rows_of.insert(1, dome[-4:-3] + outward[-4:-3] * 4.5)
        rows_of = [dome[:-3], dome[-4:-3] + outward[-4:-3] * 4.5, dome[-1:] + outward[-1:] * 4.5]
    if kind == 2:
        brim = rng.uniform(35, 70)
        flat = outward[-1:] * [1, 0.0, 1]
        flat /= np.linalg.norm(flat, axis=-1, keepdims=True)
        rows_of += [dome[-1:] + flat * brim * t - [0, 8 * t * t, 0] for t in (0.25, 0.6, 1.0)]
        rows_of += [rows_of[-1] - [0, 1.5, 0]]
    grid = np.concatenate([*rows_of, lip])
    meshes = [(grid.reshape(-1, 3).astype(np.float32), grid_triangles(len(grid), COLUMNS, closed=True))]
    if kind == 0:
        meshes.append(_peak(dome[-1], scalp.turn, rng))
    return [solid(mesh, plain, "hat", 0.85) for mesh in meshes]


def _peak(rim: Array, turn: Array, rng: np.random.Generator) -> tuple[Floats, Ints]:
    """The peak of a cap at the front of its rim (COLUMNS, 3)."""
    chosen = np.abs(turn) < 62
    edge, angle = rim[chosen], turn[chosen]
    reach = rng.uniform(55, 75) * np.clip(np.cos(np.radians(angle * 90 / 66)), 0, 1) ** 0.55
    t = np.linspace(0, 1, 6)[:, None, None]
    tilt = rng.uniform(-0.45, 0.05)
    top = edge[None] + t * reach[None, :, None] * np.array([0.0, tilt, 1.0])
    top = top - [0, 0.0, 0] + np.array([0.0, 1.0, 0]) * (-0.004 * (edge[:, 0] ** 2))[None, :, None] * t
    sheet = np.concatenate([top, top[::-1] - [0.0, 2.0, 0.0]])
    return sheet.reshape(-1, 3).astype(np.float32), grid_triangles(len(sheet), sheet.shape[1], closed=False)


def _scarf(vertices: Floats, down: Array, material: Material, rng: np.random.Generator) -> Piece:
    """Cloth over the head that falls to the shoulders and leaves the face open."""
    h = rng.uniform(8, 14)
    style = Style(
        h,
        h,
        h,
        fringe=rng.uniform(0, 8),
        hang=rng.uniform(120, 200),
        opening=rng.uniform(52, 66),
        sheets=1,
        fall=0.35,
        lumps=0.1,
    )
    hair: Hair = grow(style, vertices, down, np.zeros(3, np.float32), rng)
    full = hair.reach.reshape(-1)[hair.triangles].min(axis=1) > 0.05
    piece = solid((hair.vertices[0].reshape(-1, 3), hair.triangles[full]), material, "hat", 0.8)
    return piece

"""Hair: sheets of strands one above the other, grown from the scalp, combed, cut, and hanging where they are long."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .hair_grid import comb, frames, lay_sheets
from .meshes import Floats, Ints, grid_triangles
from .scalp import AXIS, COLUMNS, MIDDLE, base_scalp

Array = NDArray[np.float64]

ON_SKULL, HANGING = 18, 12
"""Rows of a sheet on the skull and below it."""


@dataclass(frozen=True)
class Style:
    """How hair is worn. Lengths in mm, angles in degrees.

    Attributes
    ----------
    top, side, back : float
        Height above the skull.
    fringe : float
        How far the front hairline is pulled down (degrees from the crown).
    recede : float
        How far the front hairline is drawn back.
    hang : float
        Length that falls beyond the skull; 0 for short hair.
    opening : float
        Half width of the face's opening, degrees about the crown.
    flow : (3,) float
        Point of the head from which strands run, as a direction.
    strands : float
        Strands about the head.
    stretch : float
        Length of the noise along strands against across; 1 for curls.
    lumps : float
        Strength of waves and tufts of the surface.
    sheets : int
    fall : float
        Forward (positive) or backward sweep of what hangs, share.
    """

    top: float
    side: float
    back: float
    fringe: float = 0.0
    recede: float = 0.0
    hang: float = 0.0
    opening: float = 60.0
    flow: tuple[float, float, float] = (0.0, 0.9, -0.4)
    strands: float = 420.0
    stretch: float = 10.0
    lumps: float = 0.1
    sheets: int = 6
    fall: float = 0.0


@dataclass(frozen=True)
class Hair:
    """Sheets of hair, outermost first.

    Attributes
    ----------
    vertices : (S, R, COLUMNS, 3) float32
        Model frame.
    normals, tangents : (R, COLUMNS, 3) float32
        Of every sheet; tangents run along the strands.
    coordinates : (R, COLUMNS, 2) float32
        Across and along the strands, in units of the noise.
    reach : (R, COLUMNS) float32
        1 where hair is full, falling through 0 where it ends.
    triangles : (F, 3) int32
        Of one sheet.
    colour : (3,) float32
        Linear albedo.
    shine : float
    seed : float
        Shifts the noise.
    """

    vertices: Floats
    normals: Floats
    tangents: Floats
    coordinates: Floats
    reach: Floats
    triangles: Ints
    colour: Floats
    shine: float
    seed: float

    def full_triangles(self) -> Ints:
        """Triangles of a sheet where hair is dense enough to throw shadows."""
        full: Ints = self.triangles[self.reach.reshape(-1)[self.triangles].min(axis=1) > 0.4]
        return full


def random_style(rng: np.random.Generator) -> Style | None:
    """Draw a style; None for a shaved head."""
    kind = rng.choice(7, p=[0.10, 0.10, 0.27, 0.13, 0.20, 0.11, 0.09])
    part = rng.choice([-1.0, 1.0]) * rng.uniform(0.1, 0.6)
    recede = max(rng.normal(0.0, 4.0), -5.0)
    if kind == 0:
        return None
    if kind == 1:  # clipped
        h = rng.uniform(1.5, 5.0)
        return Style(h, h * 0.8, h * 0.8, recede=recede, strands=700, stretch=2.0, lumps=0.03, sheets=5)
    if kind == 2:  # short
        top, side = rng.uniform(8, 30), rng.uniform(3, 11)
        combed = rng.random()
        flow = (part, 0.8, 0.35) if combed < 0.4 else (0.2 * part, 0.55, 0.85) if combed < 0.7 else (0.1, 0.9, -0.4)
        fringe = rng.uniform(4, 16) if combed > 0.7 else 0.0
        return Style(
            top, side, side, fringe, recede * (fringe == 0), flow=flow, lumps=rng.uniform(0.1, 0.35), sheets=7,
            stretch=rng.uniform(4, 10),
        )  # fmt: skip
    if kind == 3:  # to the jaw
        h = rng.uniform(9, 20)
        fringe = rng.uniform(12, 24) if rng.random() < 0.5 else 0.0
        return Style(
            h, h, h, fringe, 0.0, hang=rng.uniform(35, 90), opening=rng.uniform(40, 75), flow=(part, 0.95, 0.1),
            lumps=rng.uniform(0.05, 0.25), fall=rng.uniform(-0.1, 0.35),
        )  # fmt: skip
    if kind == 4:  # long
        h = rng.uniform(8, 18)
        fringe = rng.uniform(12, 24) if rng.random() < 0.25 else 0.0
        return Style(
            h, h, h, fringe, 0.0, hang=rng.uniform(120, 260), opening=rng.uniform(48, 95), flow=(part * 0.6, 0.95, 0.2),
            lumps=rng.uniform(0.05, 0.4), fall=rng.uniform(-0.3, 0.45), stretch=rng.uniform(6, 16),
        )  # fmt: skip
    if kind == 5:  # tied back
        h = rng.uniform(4, 9)
        return Style(h, h, h * 1.4, recede=recede, flow=(0.1 * part, 0.25, 0.97), strands=520, lumps=0.05, stretch=16)
    h = rng.uniform(16, 55)  # curls
    return Style(
        h, h * rng.uniform(0.6, 1.0), h * 0.9, rng.uniform(0, 8), 0.0, hang=rng.choice([0.0, rng.uniform(20, 110)]),
        opening=rng.uniform(55, 85), strands=rng.uniform(130, 260), stretch=1.2, lumps=rng.uniform(0.25, 0.5), sheets=8,
    )  # fmt: skip


_COLOURS = (
    ((0.012, 0.010, 0.009), 0.36),  # black
    ((0.032, 0.020, 0.013), 0.25),  # dark brown
    ((0.075, 0.042, 0.023), 0.16),  # brown
    ((0.160, 0.095, 0.048), 0.08),  # dark blond
    ((0.300, 0.200, 0.100), 0.06),  # blond
    ((0.140, 0.045, 0.018), 0.03),  # red
    ((0.260, 0.250, 0.240), 0.06),  # grey
)


_LIGHT = np.array([0, 0, 0.3, 0.8, 1.0, 0.7, 0.8])
"""How much each of them asks for light brows."""


def random_colour(scalp: Array, brow: Array, skin: Array, rng: np.random.Generator) -> Floats:
    """Draw a hair colour that goes with a texture: its scalp's (3,) where that is clearly darker than the skin (3,).

    Otherwise one of the colours people have; light ones seldom go with dark skin or with dark brows (3,).
    """
    if scalp.mean() < 0.6 * skin.mean() and rng.random() < 0.85:
        colour = scalp * rng.uniform(0.5, 0.9)
    else:
        chances = np.array([chance for _, chance in _COLOURS])
        if skin.mean() < 0.16:
            chances = chances * [1, 0.4, 0.08, 0.02, 0.02, 0, 0.2]
        elif brow.mean() < 0.55 * skin.mean():
            chances = chances * (1 - 0.9 * _LIGHT)
        colour = np.array(_COLOURS[rng.choice(len(chances), p=chances / chances.sum())][0])
    return np.asarray(colour * np.exp(rng.normal(0, 0.2)) * np.exp(rng.normal(0, 0.06, 3)), np.float32)


def grow(style: Style, vertices: Floats, down: Array, colour: Floats, rng: np.random.Generator) -> Hair:
    """Grow hair on a head (V, 3); ``down`` (3,) is where it falls."""
    scalp = base_scalp()
    skull = scalp.on(vertices)
    turn = scalp.turn
    front = np.abs(turn)
    opening, ramp = style.opening, 14.0
    beside = np.clip((front - opening) / ramp, 0, 1)  # 0 over the face, 1 where hair may hang
    line = scalp.hairline + (style.fringe - style.recede) * _bump(front, 62.0)
    line = line + _waves(turn, rng, 0.8)
    hanging = style.hang > 0
    edge = np.where(beside > 0, np.minimum(line, 86.0 - 3 * np.cos(np.radians(turn))), line) if hanging else line
    # rows on the skull: resampled so that the last lies on the edge
    share = np.linspace(0, 1, ON_SKULL)[:, None]
    at = np.interp(scalp.angle[0] + share * (edge - scalp.angle[0])[None], scalp.angle, np.arange(len(scalp.angle)))
    low = np.minimum(at.astype(int), len(scalp.angle) - 2)
    part = (at - low)[..., None]
    column = np.broadcast_to(np.arange(COLUMNS), at.shape)
    base = skull[low, column] * (1 - part) + skull[low + 1, column] * part
    outward = base - MIDDLE
    outward = outward / np.linalg.norm(outward, axis=-1, keepdims=True)

    height = _height(style, outward, turn, share)
    height = height * (1 + style.lumps * _tufts(outward, rng))
    ends = np.clip((1 - share) * (edge / 14)[None], 0, 1) ** 0.5  # thin at the hairline
    if hanging:
        ends = np.maximum(ends, beside[None])
    height = height * np.maximum(ends, 0.12) + 0.6

    length = style.hang * beside * (1 + 0.1 * np.cos(np.radians(turn)))
    steps = np.linspace(0, 1, HANGING + 1)[1:, None]
    start, normal = base[-1], outward[-1]
    sideways = normal - (normal @ down)[:, None] * down
    sideways /= np.linalg.norm(sideways, axis=1, keepdims=True) + 1e-6
    drop = steps * length[None]
    # leave the skull along its tangent, then fall
    tangent = base[-1] - base[-3]
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True) + 1e-6
    bend = np.minimum(drop, 30.0) * np.exp(-drop / 60.0)
    fall = start[None] + drop[..., None] * down + (bend[..., None] * (tangent - (tangent @ down)[:, None] * down)[None])
    ahead = np.array([0.0, 0.0, 1.0])
    fall = fall + (style.fall * 0.35 * drop * _bump(np.abs(front - 95), 60.0))[..., None] * ahead
    fall = (
        fall + (0.06 * drop)[..., None] * sideways[None] + _swing(steps, turn, length, rng)[..., None] * sideways[None]
    )
    rows = np.concatenate([base, fall])
    out = np.concatenate([outward, np.broadcast_to(sideways, fall.shape)])
    thick = np.concatenate([height, np.broadcast_to(height[-1], drop.shape) * (1 - 0.5 * steps**2)])

    reach = np.concatenate(
        [np.clip((1 - share) * 5.0 + 0.35, 0, 1) * np.ones(COLUMNS), np.clip((1 - steps) * 3.0, 0, 1) * beside]
    )
    reach[:ON_SKULL] = np.where(hanging, np.maximum(reach[:ON_SKULL], beside), reach[:ON_SKULL])
    reach[ON_SKULL:][:, beside <= 0] = -1.0

    levels = np.linspace(1.0, 0.12, style.sheets)
    sheets = np.empty((style.sheets, *rows.shape), np.float32)
    lay_sheets(rows, out, thick, levels, sheets)
    along, coordinates = np.empty_like(rows), np.empty((*rows.shape[:2], 2), np.float32)
    comb(rows, outward, _axes(style), style.strands, style.stretch, along, coordinates)
    normals, tangents = np.empty(rows.shape, np.float32), np.empty(rows.shape, np.float32)
    frames(sheets[0], rows, along, normals, tangents)
    return Hair(
        sheets,
        normals,
        tangents,
        coordinates,
        reach.astype(np.float32),
        grid_triangles(len(rows), COLUMNS, closed=True),
        colour,
        float(rng.uniform(0.4, 1.3)),
        float(rng.uniform(0, 900)),
    )


def _axes(style: Style) -> Array:
    """The direction from which strands run, and two across it (3, 3)."""
    axis = np.array(style.flow) / np.linalg.norm(style.flow)
    side = np.cross(axis, [0.0, 0.3, -1.0])
    side /= np.linalg.norm(side)
    return np.stack([axis, side, np.cross(axis, side)])


def _bump(x: Array, width: float) -> Array:
    """1 at zero, smoothly 0 from ``width`` on."""
    t = np.clip(1 - x / width, 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def _waves(turn: Array, rng: np.random.Generator, strength: float) -> Array:
    """A smooth random function of the angle about the crown."""
    a = np.radians(turn)[None]
    k = np.arange(1, 9)[:, None]
    return np.asarray(
        (rng.normal(0, 1, (8, 1)) * np.cos(k * a + rng.uniform(0, 6.28, (8, 1))) / k**0.5).sum(0) * strength
    )


def _tufts(outward: Array, rng: np.random.Generator) -> Array:
    """Smooth random function of the direction from the skull's middle, about ±1."""
    out = np.zeros(outward.shape[:-1])
    for scale in (3.0, 5.0, 8.0, 13.0):
        out += np.sin(outward @ rng.normal(0, scale, 3) + rng.uniform(0, 6.28)) * 0.6
    return out


def _height(style: Style, outward: Array, turn: Array, share: Array) -> Array:
    """Height of the outermost sheet over the skull (ON_SKULL, COLUMNS), mm."""
    up = np.clip(outward @ AXIS, 0, 1)
    behind = np.clip(-np.cos(np.radians(turn)), 0, 1)[None]
    low = style.side * (1 - behind) + style.back * behind
    return np.asarray(low + (style.top - low) * np.clip(up * 1.5 - 0.25, 0, 1) ** 1.5)


def _swing(steps: Array, turn: Array, length: Array, rng: np.random.Generator) -> Array:
    """Waves of what hangs (HANGING, COLUMNS), mm."""
    phase = _waves(turn, rng, 0.5)
    amplitude = rng.uniform(0.0, 6.0)
    return np.asarray(amplitude * np.sin(steps * length[None] / rng.uniform(18, 45) + phase[None]) * steps)

"""A random person: shape, colours, eyes, clothes; and the scene of that person with an expression."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from . import kernels
from .body import cloth_pattern, make_body
from .hair import Hair, Style, grow, random_colour, random_style
from .head import MATERIALS, Head, base_head
from .held import make_hand, make_object
from .identity import IdentitySource
from .meshes import Floats, Piece, Scene, normals_of
from .render import Appearance
from .sample import part_names
from .textures import TextureLibrary
from .worn import Lenses, make_glasses, make_hat


@dataclass(frozen=True)
class Person:
    """What all photos of a person share.

    Attributes
    ----------
    neutral : (3V,) float32
        The head at rest, mm.
    identity : (K,) float32
        Coefficients of the base model (nearest).
    appearance : Appearance
    style : Style, optional
        Of the hair.
    hair_colour : (3,) float32
        Linear albedo.
    seed : int
        Draws clothes and everything worn.
    """

    neutral: Floats
    identity: Floats
    appearance: Appearance
    style: Style | None
    hair_colour: Floats
    seed: int


_GLASSES, _HAT, _HAND, _OBJECT = 0.2, 0.13, 0.08, 0.07
"""Shares of people with glasses and with a hat, of photos with a hand and with something else before the face."""
_IRIS_COLOURS = (
    ((0.050, 0.022, 0.010), 0.42),  # dark brown
    ((0.120, 0.055, 0.022), 0.23),  # brown
    ((0.150, 0.110, 0.045), 0.12),  # hazel
    ((0.120, 0.190, 0.270), 0.13),  # blue
    ((0.170, 0.210, 0.220), 0.05),  # grey
    ((0.110, 0.150, 0.080), 0.05),  # green
)


def random_eyes(head: Head, skin: Floats, rng: np.random.Generator) -> Floats:
    """Draw the appearance of both eyes (2, 12); see `shading.shade`."""
    chances = np.array([chance for _, chance in _IRIS_COLOURS])
    dark = _mean_colour(skin, head.cheek_uv).mean() < 0.16  # dark skin seldom goes with light eyes
    chances = chances * ([1, 0.4, 0.1, 0.02, 0.02, 0.02] if dark else [1.0] * 6)
    colour = np.array(_IRIS_COLOURS[rng.choice(len(chances), p=chances / chances.sum())][0])
    colour = 0.7 * colour * np.exp(rng.normal(0, 0.2)) * np.exp(rng.normal(0, 0.08, 3))
    sclera = np.array([0.58, 0.53, 0.50]) * rng.uniform(0.75, 1.1) * np.exp(rng.normal(0, 0.03, 3))
    iris, pupil = 0.362 * rng.uniform(0.96, 1.05), 0.362 * rng.uniform(0.28, 0.58)
    row = [iris, pupil, *colour, *sclera]
    return np.array([[*head.eye_place[e], *row, rng.uniform(0, 500)] for e in (0, 1)], np.float32)


def _mean_colour(skin: Floats, places: Floats) -> NDArray[np.float64]:
    """Mean linear colour (3,) of a texture at places of the atlas (N, 2)."""
    side = len(skin)
    col = np.clip((places[:, 0] * side).astype(int), 0, side - 1)
    row = np.clip(((1 - places[:, 1]) * side).astype(int), 0, side - 1)
    return np.asarray(skin[row, col].astype(np.float64).mean(axis=0))


def random_person(source: IdentitySource, library: TextureLibrary, rng: np.random.Generator) -> Person:
    """Draw a person."""
    head = base_head()
    weights, identity = source.draw(rng)
    neutral = np.empty_like(head.mean)
    kernels.add_modes(head.mean, source.modes, weights, neutral)
    skin = library.draw(rng)
    appearance = Appearance(skin, cloth_pattern(rng), random_eyes(head, skin, rng))
    scalp, brow, cheek = (_mean_colour(skin, places) for places in (head.hairline_uv, head.brow_uv, head.cheek_uv))
    colour = random_colour(scalp, brow, cheek, rng)
    return Person(neutral, identity, appearance, random_style(rng), colour, int(rng.integers(2**31)))


def pose_head(person: Person, expression: Floats) -> Floats:
    """Vertices (V, 3) with an expression (E,)."""
    head = base_head()
    out = np.empty_like(head.mean)
    kernels.add_modes(person.neutral, head.expression, expression, out)
    return out.reshape(-1, 3)


def make_scene(vertices: Floats, pieces: list[Piece]) -> Scene:
    """Join a head and other pieces."""
    head = base_head()
    parts = part_names()
    all_vertices, normals = [vertices], [normals_of(vertices, head.triangles)]
    triangles, uv_triangles = [head.triangles], [head.uv_triangles]
    uv, occlusion = [np.asarray(head.model.uv, np.float32)], [head.occlusion]
    material, part = [head.material], [head.part]
    table = [m.row() for m in MATERIALS]
    for piece in pieces:
        first, first_uv = sum(map(len, all_vertices)), sum(map(len, uv))
        all_vertices.append(piece.vertices)
        normals.append(normals_of(piece.vertices, piece.triangles))
        triangles.append(piece.triangles + np.int32(first))
        uv_triangles.append(piece.triangles + np.int32(first_uv))
        uv.append(piece.uv)
        occlusion.append(piece.occlusion)
        material.append(np.full(len(piece.triangles), len(table), np.int32))
        table.append(piece.material.row())
        part.append(np.full(len(piece.triangles), parts.index(piece.part), np.uint8))
    return Scene(
        np.concatenate(all_vertices),
        np.concatenate(normals),
        np.concatenate(triangles),
        np.concatenate(uv_triangles),
        np.concatenate(uv),
        np.concatenate(occlusion),
        np.concatenate(material),
        np.array(table, np.float32),
        np.concatenate(part),
        len(head.triangles),
    )


@dataclass(frozen=True)
class Outfit:
    """What a person wears in a photo.

    Attributes
    ----------
    pieces : list of Piece
    hair : Hair, optional
    lenses : Lenses, optional
    """

    pieces: list[Piece]
    hair: Hair | None
    lenses: Lenses | None


def dressed(person: Person, vertices: Floats, turn: NDArray[np.float64]) -> Outfit:
    """Body, clothes, hair, glasses and hat; the same for every photo of the person but for where they fall."""
    head = base_head()
    down = turn @ np.array([0.0, -1.0, 0.0])
    rng = np.random.default_rng([person.seed, 1])
    glasses, hat = rng.random() < _GLASSES, rng.random() < _HAT
    pieces, lenses = make_body(head, vertices, turn, rng), None
    style = person.style
    if hat:
        pieces += make_hat(vertices, down, np.random.default_rng([person.seed, 2]))
        if style is not None:  # pressed flat
            style = replace(
                style, top=2.0, side=min(style.side, 5.0), back=min(style.back, 5.0), fringe=0.0, lumps=0.05
            )
    if glasses:
        frame, lenses = make_glasses(head, vertices, np.random.default_rng([person.seed, 3]))
        pieces.append(frame)
    if style is None:
        return Outfit(pieces, None, lenses)
    rng = np.random.default_rng([person.seed, 4])
    return Outfit(pieces, grow(style, vertices, down, person.hair_colour, rng), lenses)


def held(person: Person, vertices: Floats, rng: np.random.Generator) -> list[Piece]:
    """What happens to be in front of the face in one photo."""
    chance = rng.random()
    if chance < _HAND:
        return make_hand(base_head(), vertices, _mean_colour(person.appearance.skin, base_head().cheek_uv), rng)
    if chance < _HAND + _OBJECT:
        return make_object(base_head(), vertices, rng)
    return []

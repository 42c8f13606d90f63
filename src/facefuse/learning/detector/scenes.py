"""Training scenes composed on the fly from face crops, studio photos and face-free photos.

Faces and face-free pieces are pasted with the same kinds of borders (hard, feathered, round, irregular), so that a
border says nothing about a face. A scene is a function of the data, the seed and its number alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facefuse.learning.detector.arrangements import group_places
from facefuse.learning.detector.compose import finish, paste, visible_share
from facefuse.learning.detector.data import IGNORED_ROLL_DEG, Source, TrainingData, face_square, five_points
from facefuse.learning.detector.pieces import (
    MIRROR_68,
    background_angle,
    clothes_window,
    compress,
    corner_window,
    random_outline,
    shuffled_tiles,
    similarity,
    soften,
    texture,
)

F32 = NDArray[np.float32]
SMALLEST_FACE = 14.0
LARGEST_FACE = 250.0
PROFILE_SHARE = 0.35
"""This share of the faces is drawn from the profiles alone, which are few and hard."""


@dataclass(frozen=True)
class Scene:
    """pixels (S, S, 3); faces (F, 13): centre x, y, side, five points (x, y), in pixels; ignored (G, 3) squares."""

    pixels: NDArray[np.uint8]
    faces: F32
    ignored: F32


@dataclass(frozen=True)
class HardSpots:
    """Where the network fired in backgrounds: index (M,), centre (M, 2) and side (M,) in full-size pixels."""

    index: NDArray[np.int64]
    centre: F32
    side: F32


class SceneComposer:
    """Composes one scene after another on a canvas of its own."""

    def __init__(
        self,
        data: TrainingData,
        size: int,
        rng: np.random.Generator,
        hard: HardSpots | None = None,
        hard_share: float = 0.0,
    ) -> None:
        self.data = data
        self.size = size
        self.rng = rng
        self.hard = hard
        self.hard_share = hard_share
        self._reset()

    def _reset(self) -> None:
        self.canvas = np.empty((self.size, self.size, 3), np.float32)
        self.canvas[:] = self.rng.uniform(0, 255, 3) if self.rng.random() < 0.7 else self.rng.uniform(0, 60)
        self.owner = np.zeros((self.size, self.size), np.int16)
        self.rows: list[F32] = []
        self.marks: list[int] = []
        self.labelled: list[bool] = []
        self.next_mark = 1

    def compose(self) -> Scene:
        """The next scene."""
        self._reset()
        kind = self.rng.random()
        if kind < 0.35:
            self._photo_with_faces()
        elif kind < 0.5:
            self._group()
        elif kind < 0.64:
            self._collage()
        elif kind < 0.82:
            self._portrait()
        else:
            self._face_free()
        return self._finish()

    def compose_single(self, side: float) -> Scene:
        """A scene with one face of this side, on a background; a large one may go over into its own border."""
        self._reset()
        self._draw_background(False)
        large = side > self.size / 3
        x, y = self.size * np.clip(self.rng.normal(0.5, 0.08 if large else 0.2, 2), 0.15, 0.85)
        self._face(float(x), float(y), side, extend=large and self.rng.random() < 0.6)
        return self._finish()

    def _photo_with_faces(self) -> None:
        self._fill_background()
        for _ in range(self.rng.integers(0, 5)):
            self._face_free_piece(*self._random_place(8, 0.5 * self.size))
        small = self.rng.random() < 0.4
        largest = math.exp(self.rng.uniform(math.log(24), math.log(56 if small else 200)))
        count = 2 + self.rng.poisson(min(12.0, 5e4 / (3 * largest**2) + 0.7))
        sides = np.sort(largest * np.exp(-self.rng.uniform(0, 0.9, count)))[::-1]
        for side in sides:
            place = self._free_place(float(side))
            if place is not None:
                self._face(*place, float(side))
        for _ in range(self.rng.integers(0, 3)):
            self._face_free_piece(*self._random_place(6, 0.25 * self.size))

    def _group(self) -> None:
        """People close together, each with a body below the face; who stands in front covers who stands behind."""
        self._fill_background()
        for x, y, side in group_places(self.size, self.rng):
            self._face_free_piece(x, y + 1.2 * side, 0.9 * side * self.rng.uniform(1.4, 2.4))
            self._face(x, y, side)

    def _collage(self) -> None:
        cells = int(self.rng.integers(2, 8))
        step = self.size / cells
        share = self.rng.uniform(0.3, 0.95)
        self._fill_background()
        for i in range(cells):
            for j in range(cells):
                x, y = (j + 0.5) * step, (i + 0.5) * step
                if self.rng.random() < share:
                    self._face(x, y, step / self.rng.uniform(1.05, 1.7), wander=False)
                else:
                    self._face_free_piece(x, y, step)

    def _portrait(self) -> None:
        """One large face; the crop fills the scene, or goes over softly into its own border or a background."""
        if self.rng.random() < 0.6:
            self._fill_background()
        side = self.size * math.exp(self.rng.uniform(math.log(0.3), math.log(0.95)))
        x, y = self.size / 2 + self.rng.normal(0, 0.12, 2) * self.size
        self._face(float(x), float(y), side, extend=self.rng.random() < 0.6)
        for _ in range(self.rng.integers(0, 3)):
            small = float(self.rng.uniform(16, 60))
            place = self._free_place(small)
            if place is not None:
                if self.rng.random() < 0.5:
                    self._face(*place, small)
                else:
                    self._face_free_piece(*place, small * 1.5)

    def _face_free(self) -> None:
        """No face; at times on one colour, so that portraits are not the only scenes with a plain background."""
        if self.rng.random() < 0.7:
            self._fill_background()
        if self.rng.random() < 0.5:
            for _ in range(self.rng.integers(1, 14)):
                self._face_free_piece(*self._random_place(10, 0.8 * self.size))

    def _random_place(self, low: float, high: float) -> tuple[float, float, float]:
        x, y = self.rng.uniform(0, self.size, 2)
        return float(x), float(y), math.exp(self.rng.uniform(math.log(low), math.log(high)))

    def _free_place(self, side: float) -> tuple[float, float] | None:
        for _ in range(8):
            x, y = self.rng.uniform(-0.1 * side, self.size + 0.1 * side, 2)
            if all(max(abs(x - r[0]), abs(y - r[1])) > 0.6 * (side + r[2]) for r in self.rows):
                return float(x), float(y)
        return None

    def _draw(
        self,
        source: Source,
        window: tuple[float, float, float, float],
        x: float,
        y: float,
        scale: float,
        angle: float,
        mirror: bool,
        feather: float,
        outline: F32 | None = None,
    ) -> tuple[F32, int]:
        """Paste a window (centre, half extents in source pixels) so that its centre falls on (x, y).

        Returns the (2, 3) map from source to canvas pixels and the mark.
        """
        a, b, c, d = similarity(scale, angle, mirror)
        forward = np.array(
            [[a, b, x - a * window[0] - b * window[1]], [c, d, y - c * window[0] - d * window[1]]], np.float32
        )
        level = 0
        while level + 1 < len(source.levels) and scale * 2 ** (level + 1) <= 1.4:
            level += 1
        shrink = 0.5**level
        grow = shrink / (a * d - b * c)
        ia, ib, ic, id_ = d * grow, -b * grow, -c * grow, a * grow
        u, v = (window[0] + 0.5) * shrink - 0.5, (window[1] + 0.5) * shrink - 0.5
        to_source = np.array([[ia, ib, u - ia * x - ib * y], [ic, id_, v - ic * x - id_ * y]], np.float32)
        level_window = np.array([u, v, window[2] * shrink, window[3] * shrink], np.float32)
        gain = np.full(3, self.rng.uniform(0.75, 1.25)) * self.rng.uniform(0.92, 1.08, 3)
        bias = np.full(3, self.rng.uniform(-20, 20))
        mark = self.next_mark
        self.next_mark += 1
        paste(
            self.canvas,
            self.owner,
            source.levels[level],
            to_source,
            level_window,
            random_outline(self.rng) if outline is None else outline,
            max(feather, 1e-3),
            gain.astype(np.float32),
            bias.astype(np.float32),
            mark,
        )
        return forward, mark

    def _feather(self) -> float:
        return 1e-3 if self.rng.random() < 0.5 else float(self.rng.uniform(0.02, 0.3))

    def _pick_face(self, side: float) -> Source:
        studio = self.data.studio
        if studio and self.rng.random() < (0.12 if side > 60 else 0.04):
            return studio[self.rng.integers(len(studio))]
        profiles = self.data.profiles
        if profiles and self.rng.random() < PROFILE_SHARE:
            return self.data.faces[profiles[self.rng.integers(len(profiles))]]
        return self.data.faces[self.rng.integers(len(self.data.faces))]

    def _face(self, x: float, y: float, side: float, extend: bool = False, wander: bool = True) -> None:
        """Paste a face so that its square has about this side and centre, and note its label."""
        if not 0.6 * SMALLEST_FACE < side < 1.2 * LARGEST_FACE:
            return
        source = self._pick_face(side)
        assert source.points68 is not None
        points = source.points68
        mirror = bool(self.rng.random() < 0.5)
        roll = -source.roll if mirror else source.roll
        wanted = self.rng.normal(0, math.radians(12)) if self.rng.random() < 0.6 else self.rng.uniform(-0.9, 0.9)
        angle = wanted - roll if self.rng.random() < 0.97 else self.rng.uniform(-math.pi, math.pi)
        cx, cy, crop_side = face_square(points)
        width, height = source.size
        scale = side / crop_side
        style = self.rng.random()
        if extend:
            half = 3.0 * max(width, height)
            window = (cx, cy, half, half)
            outline: F32 | None = np.empty(0, np.float32)
        elif style < 0.25:
            grow = self.rng.uniform(0.52, 0.72, 2) * crop_side
            window = (cx, cy, float(grow[0]), float(grow[1]))
            outline = None
        else:
            window = ((width - 1) / 2, (height - 1) / 2, width / 2, height / 2)
            outline = None
        a, b, c, d = similarity(scale, angle, mirror)
        dx, dy = window[0] - cx, window[1] - cy
        jitter = self.rng.normal(0, 0.04 * side, 2) if wander else np.zeros(2)
        forward, mark = self._draw(
            source,
            window,
            x + a * dx + b * dy + float(jitter[0]),
            y + c * dx + d * dy + float(jitter[1]),
            scale,
            angle,
            mirror,
            self._feather() if not extend else 1e-3,
            outline,
        )
        placed = points @ forward[:, :2].T + forward[:, 2]
        if mirror:
            placed = placed[MIRROR_68]
        row = np.r_[face_square(placed), five_points(placed).ravel()].astype(np.float32)
        upright = abs((angle + roll + math.pi) % (2 * math.pi) - math.pi) < math.radians(IGNORED_ROLL_DEG)
        self.rows.append(row)
        self.marks.append(mark)
        self.labelled.append(upright and source.trusted and row[2] >= SMALLEST_FACE)
        if self.rng.random() < 0.22:
            self._occlude(row)

    def _occlude(self, row: F32) -> None:
        """Cover a part of the face with a piece of something else."""
        side = float(row[2])
        toward = self.rng.uniform(-math.pi, math.pi)
        extent = self.rng.uniform(0.3, 0.7) * side
        away = 0.5 * side * self.rng.uniform(0.5, 1.0)
        self._face_free_piece(row[0] + away * math.cos(toward), row[1] + away * math.sin(toward), extent)

    def _fill_background(self) -> None:
        """Cover the canvas with a window of a background, or a blend of two, at times in false colours.

        There are few face-free photos; turned by any angle, blended and recoloured they show many more patterns.
        """
        self._draw_background(self.hard is not None and self.rng.random() < self.hard_share)
        if self.rng.random() < 0.2:
            below = self.canvas.copy()
            self._draw_background(False)
            share = np.float32(self.rng.uniform(0.3, 0.7))
            self.canvas = share * self.canvas + (np.float32(1.0) - share) * below
        if self.rng.random() < 0.15:
            self.canvas = np.ascontiguousarray(self.canvas[..., self.rng.permutation(3)])
        if self.rng.random() < 0.05:
            self.canvas = np.float32(255.0) - self.canvas

    def _draw_background(self, fooling: bool) -> None:
        """Cover the canvas with a window of a background, about a place that fooled the network if so asked."""
        backgrounds = self.data.backgrounds
        if fooling and self.hard is not None and len(self.hard.index):
            k = self.rng.integers(len(self.hard.index))
            source = backgrounds[self.hard.index[k]]
            centre = self.hard.centre[k]
            scale = math.exp(self.rng.uniform(math.log(0.6), math.log(1.7)))
        else:
            source = backgrounds[self.rng.integers(len(backgrounds))]
            scale = math.exp(self.rng.uniform(math.log(0.5), math.log(2.5)))
            centre = np.array([self.rng.uniform(0, source.size[0]), self.rng.uniform(0, source.size[1])])
        width, height = source.size
        half = self.size / 2 / scale
        angle = background_angle(self.rng)
        centre = np.clip(centre, min(half, width / 2), [max(width - half, width / 2), max(height - half, height / 2)])
        window = (float(centre[0]), float(centre[1]), 2.0 * half, 2.0 * half)
        middle = self.size / 2
        mirror = bool(self.rng.random() < 0.5)
        self._draw(source, window, middle, middle, scale, angle, mirror, 1e-3, np.empty(0, np.float32))

    def _face_free_piece(self, x: float, y: float, extent: float) -> None:
        """Paste something that is not a face: background, a crop's corner, clothes, shuffled tiles, a texture."""
        kind = self.rng.random()
        feather = self._feather()
        angle = background_angle(self.rng)
        mirror = bool(self.rng.random() < 0.5)
        if kind < 0.55:
            source = self.data.backgrounds[self.rng.integers(len(self.data.backgrounds))]
            share = self.rng.uniform(0.05, 0.5)
            half = np.array([1.0, self.rng.uniform(0.6, 1.6)]) * share * 160.0
        elif kind < 0.72:
            source = self.data.faces[self.rng.integers(len(self.data.faces))]
            window = corner_window(source, self.rng)
            if window is None:
                return
            self._draw(source, window, x, y, extent / (2 * max(window[2:])), angle, mirror, feather)
            return
        elif kind < 0.82 and self.data.studio:
            source = self.data.studio[self.rng.integers(len(self.data.studio))]
            window = clothes_window(source, self.rng)
            if window is None:
                return
            self._draw(source, window, x, y, extent / (2 * max(window[2:])), angle, mirror, feather)
            return
        elif kind < 0.92:
            source = shuffled_tiles(self.data.faces[self.rng.integers(len(self.data.faces))], self.rng)
            half = np.array(source.size) / 2
        else:
            source = texture(self.rng)
            half = np.array(source.size) / 2
        width, height = source.size
        half = np.minimum(half, [width / 2, height / 2])
        cx = self.rng.uniform(half[0], max(width - half[0], half[0] + 1e-3))
        cy = self.rng.uniform(half[1], max(height - half[1], half[1] + 1e-3))
        window = (float(cx), float(cy), float(half[0]), float(half[1]))
        self._draw(source, window, x, y, extent / (2 * float(half.max())), angle, mirror, feather)

    def _finish(self) -> Scene:
        rng = self.rng
        faces, ignored = [], []
        for row, mark, labelled in zip(self.rows, self.marks, self.labelled, strict=True):
            share = visible_share(self.owner, row[0], row[1], row[2], mark)
            if labelled and share >= 0.6:
                faces.append(row)
            elif share > 0.1:
                ignored.append(row[:3])
        gain = np.full(3, rng.uniform(0.8, 1.2)) * rng.uniform(0.9, 1.1, 3)
        bias = np.full(3, rng.uniform(-25, 25))
        if rng.random() < 0.12:
            gain *= rng.uniform(0.2, 0.6)
        gamma = math.exp(rng.normal(0, 0.25))
        grey = 1.0 if rng.random() < 0.15 else (rng.uniform(-0.4, 0.7) if rng.random() < 0.4 else 0.0)
        noise = rng.standard_normal(16001, np.float32) * (rng.uniform(1, 14) if rng.random() < 0.3 else 0.3)
        if rng.random() < 0.25:
            self.canvas = soften(self.canvas, float(rng.uniform(0.4, 1.6)))
        pixels = np.empty((self.size, self.size, 3), np.uint8)
        finish(self.canvas, noise, gain.astype(np.float32), bias.astype(np.float32), gamma, grey, pixels)
        if rng.random() < 0.4:
            pixels = compress(pixels, int(rng.integers(20, 95)))
        return Scene(
            pixels,
            np.array(faces, np.float32).reshape(-1, 13),
            np.array(ignored, np.float32).reshape(-1, 3),
        )

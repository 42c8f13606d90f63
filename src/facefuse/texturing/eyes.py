"""Eyeballs: painted, in the colours of the photo.

A photo shows a few hundred pixels of an eye, half of them lids and lashes, so the eyeballs are not sampled texel by
texel: the iris' colour is estimated from all photos and the ball painted with it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from facefuse.morphable.model import FaceModel
from facefuse.rendering.shading import linear_to_srgb
from facefuse.texturing.atlas import Atlas
from facefuse.texturing.skin import ColourModel, smoothstep
from facefuse.texturing.views import TOLERANCE_MM, View, sample_depth

FloatArray = npt.NDArray[np.floating[Any]]

_SIDES = ("left", "right")
BRIGHTEST_WHITE = (0.2, 1.5)
"""The white of the eyes is at most this, plus this times the skin's brightness."""
LID_DISTANCE = 2.0
"""Colours nearer to the skin's, in standard deviations, may be those of a lid."""
LEAST_PIXELS = 12
"""Fewer visible iris pixels than this say nothing."""


def paint_eyes(
    model: FaceModel,
    atlas: Atlas,
    texture: npt.NDArray[np.float32],
    views: Sequence[tuple[View, npt.NDArray[np.float32]]],
    skin: ColourModel | None,
) -> None:
    """Paint the eyeballs' islands into a texture.

    Parameters
    ----------
    model : FaceModel
        Models without the regions ``sclera_…``, ``iris_…`` and ``pupil_…`` are left alone.
    atlas : Atlas
    texture : (S, S, 3) float32
        sRGB, 0-1; written at the eyeballs.
    views : sequence of (View, (256, 3) float32)
        The photos and their tone curves.
    skin : ColourModel or None
        Of the person: closed lids are no eyes, and eyes do not glow in a dark face.
    """
    balls = _balls_of(model, atlas)
    if not balls:
        return
    iris, sclera = eye_colours(model, balls, views, skin)
    brightness = 1.0 if skin is None else float(skin.colour.mean())
    dimmed = min(1.0, (BRIGHTEST_WHITE[0] + BRIGHTEST_WHITE[1] * brightness) / float(sclera.mean()))
    iris, sclera = iris * dimmed, sclera * dimmed
    for ball in balls:
        texture.reshape(-1, 3)[ball.texels] = paint_ball(ball, iris, sclera)


class _Ball:
    """Geometry of one eyeball on the mean, and of its texels: all that does not depend on the photos."""

    def __init__(self, model: FaceModel, side: str, atlas: Atlas) -> None:
        names = model.region_names
        triangles, mean = np.asarray(model.triangles), np.asarray(model.mean, np.float64)

        def corners(part: str) -> npt.NDArray[np.integer[Any]]:
            return np.unique(triangles[np.asarray(model.region_mask(f"{part}_{side}"))])

        sclera, iris, pupil = corners("sclera"), corners("iris"), corners("pupil")
        regions = [names.index(f"{part}_{side}") for part in ("sclera", "iris", "pupil")]
        self.vertices = np.unique(np.concatenate((sclera, iris, pupil)))
        # least-squares sphere: |x|² = 2 c·x + (r² - |c|²)
        points = mean[sclera]
        system = np.column_stack((2 * points, np.ones(len(points))))
        self.centre = np.linalg.lstsq(system, (points**2).sum(1), rcond=None)[0][:3]
        axis = mean[pupil].mean(0) - self.centre
        self.axis = axis / np.linalg.norm(axis)
        self.iris_angle = float(self.angle(mean[iris] - self.centre).max())
        self.angles = self.angle(mean[self.vertices] - self.centre)
        self.iris_vertices = self.vertices[
            (self.angles < self.iris_angle * 0.95) & (self.angles > 0.4 * self.iris_angle)
        ]
        self.sclera_vertices = self.vertices[(self.angles > self.iris_angle * 1.15) & (self.angles < 1.1)]

        numbers = np.flatnonzero(np.isin(np.asarray(model.region)[atlas.triangle], regions))
        self.texels = atlas.texel[numbers]
        offset = atlas.interpolate(mean, triangles, numbers) - self.centre
        right = np.cross([0.0, 1.0, 0.0], self.axis)
        right /= np.linalg.norm(right)
        up = np.cross(self.axis, right)
        self.radius = self.angle(offset) / self.iris_angle
        turn = np.arctan2(offset @ up, offset @ right)
        self.height = offset @ up / np.linalg.norm(offset, axis=1)
        self.fibre = 0.55 * np.sin(31 * turn + 2.3 * np.sin(3 * turn))
        self.fibre += 0.45 * np.sin(53 * turn + 1.7 * np.sin(5 * turn) + 6 * self.radius)

    def angle(self, offset: FloatArray) -> FloatArray:
        """Angle of (N, 3) offsets from the optical axis, radians."""
        out: FloatArray = np.arccos(np.clip(offset @ self.axis / np.linalg.norm(offset, axis=1), -1, 1))
        return out


def eye_colours(
    model: FaceModel,
    balls: Sequence[_Ball],
    views: Sequence[tuple[View, npt.NDArray[np.float32]]],
    skin: ColourModel | None,
) -> tuple[FloatArray, FloatArray]:
    """Estimate the colours of iris and sclera (sRGB, 0-1) from the photos; the model's where they are not seen."""
    albedo = linear_to_srgb(np.clip(np.asarray(model.albedo, np.float64), 0, 1))
    default_iris = np.mean([albedo[ball.iris_vertices].mean(0) for ball in balls], axis=0)
    default_sclera = np.mean([albedo[ball.sclera_vertices].mean(0) for ball in balls], axis=0)
    iris, sclera = [], []
    for view, tone in views:
        for ball in balls:
            iris.append(_visible_colours(model, view, tone, ball.iris_vertices))
            sclera.append(_visible_colours(model, view, tone, ball.sclera_vertices))
            if skin is not None and _is_lid(iris[-1], skin):
                del iris[-1], sclera[-1]
    dark, light = np.concatenate([np.zeros((0, 3)), *iris]), np.concatenate([np.zeros((0, 3)), *sclera])
    out_iris, out_sclera = default_iris, default_sclera
    if len(dark) >= LEAST_PIXELS:
        brightness = dark.mean(1)
        # neither lashes and pupil nor highlights and sclera
        low, high = np.percentile(brightness, (25, 65))
        out_iris = np.median(dark[(brightness >= low) & (brightness <= high)], axis=0)
        out_iris = out_iris * np.clip(0.38 / max(out_iris.mean(), 1e-3), 1.0, 1.5)
        out_iris = 0.8 * np.clip(out_iris, 0.04, 0.62) + 0.2 * default_iris
    if len(light) >= LEAST_PIXELS:
        brightness = light.mean(1)
        bright = light[brightness >= np.percentile(brightness, 60)]
        grey = np.median(bright, axis=0)
        grey = grey.mean() + 0.5 * (grey - grey.mean())
        out_sclera = 0.5 * default_sclera + 0.5 * grey * np.clip(0.74 / max(grey.mean(), 1e-3), 1.0, 1.6)
    return out_iris, np.clip(out_sclera, 0.55, 0.9)


def _is_lid(colours: FloatArray, skin: ColourModel) -> bool:
    """Whether the colours (n, 3) where the iris should be are mostly those of skin: the eye is closed."""
    return len(colours) > 0 and float(np.mean(skin.distance(colours) < LID_DISTANCE)) > 0.5


def _visible_colours(model: FaceModel, view: View, tone: npt.NDArray[np.float32], vertices: Any) -> FloatArray:
    """Colours of the photo at those vertices that it shows: (n, 3)."""
    screen = view.screen[vertices].astype(np.float64)
    on_map = (screen[:, :2] + 0.5) * view.map_scale - 0.5
    height, width = view.depth.shape
    inside = ((on_map >= 0) & (on_map <= (width - 1, height - 1))).all(1)
    seen = inside & (screen[:, 2] < sample_depth(view.depth, on_map) + TOLERANCE_MM) & (view.cosine[vertices] > 0.5)
    at = np.rint((screen[seen, :2] + 0.5) * view.photo_scale - 0.5).astype(int)
    at = np.clip(at, 0, (view.photo.shape[1] - 1, view.photo.shape[0] - 1))
    codes = view.photo[at[:, 1], at[:, 0]]
    out: FloatArray = tone[codes, np.arange(3)].astype(np.float64)
    return out


def paint_ball(ball: _Ball, iris: FloatArray, sclera: FloatArray) -> FloatArray:
    """Colours of an eyeball's texels, (n, 3) sRGB 0-1, from the colours of iris and sclera."""
    radius = ball.radius
    # the white: warmer and darker towards the back and the corners, and in the shadow of the upper lid
    back = smoothstep(1.0, 3.2, radius)[:, None]
    shadow = 1 - 0.3 * smoothstep(0.05, 0.55, ball.height)[:, None]
    colour = sclera * (1 - back * np.array([0.10, 0.20, 0.21])) * shadow
    # the iris: fibres, a lighter collarette, a dark limbus
    middle = np.exp(-(((radius - 0.52) / 0.16) ** 2))
    shade = (
        0.92 + 0.16 * middle + 0.09 * ball.fibre * smoothstep(0.38, 0.6, radius) - 0.38 * smoothstep(0.72, 1.0, radius)
    )
    ring = np.clip(iris * shade[:, None], 0, 1) * (0.3 + 0.7 * shadow)
    colour = colour + (ring - colour) * (1 - smoothstep(0.93, 1.07, radius))[:, None]
    pupil = (1 - smoothstep(0.29, 0.37, radius))[:, None]
    out: FloatArray = colour + (np.array([0.025, 0.022, 0.022]) - colour) * pupil
    return out


_CACHE: OrderedDict[int, tuple[Atlas, list[_Ball]]] = OrderedDict()


def _balls_of(model: FaceModel, atlas: Atlas) -> list[_Ball]:
    """Return the eyeballs that the model has, kept for the last few atlases."""
    kept = _CACHE.get(id(atlas))
    if kept is None or kept[0] is not atlas:
        known = set(model.region_names)
        sides = [side for side in _SIDES if {f"{part}_{side}" for part in ("sclera", "iris", "pupil")} <= known]
        kept = (atlas, [_Ball(model, side, atlas) for side in sides])
        _CACHE[id(atlas)] = kept
        while len(_CACHE) > 4:
            _CACHE.popitem(last=False)
    return kept[1]

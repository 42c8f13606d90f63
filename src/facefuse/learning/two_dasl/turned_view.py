"""A photo's face seen from further aside: the fitted head, textured by the photo, before warped surroundings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter1d
from scipy.spatial import cKDTree

from facefuse.fitting.fit import fit_face
from facefuse.fitting.types import FitOptions, Observation
from facefuse.geometry.cameras import ScaledOrthographicCamera
from facefuse.geometry.mesh import vertex_normals
from facefuse.learning.landmarks.points import IBUG_POINTS
from facefuse.morphable.model import FaceModel
from facefuse.rendering.interpolate import interpolate, sample_image
from facefuse.rendering.rasterize import Fragments, rasterize, screen_vertices

Floats = NDArray[np.floating[Any]]

_FINER = 2  # samples per pixel and axis
_MARGIN = 60  # px about the photo in which the head's outline is still followed
_HEAD_CENTRE = np.array([[0.0, -10.0, -55.0]])  # mm; the outline is a radius about it
_BINS = 180  # directions of the outline
_FACE_SHARE = 0.60  # side of the face's box over that of the photo drawn
_SEEN_MM = 4.0  # a point this far behind the surface drawn still counts as seen
_NEAREST = 4  # places that colour what no photo shows
_AHEAD_MM = 22.0  # how much further out the photo is taken from before a face
_SEAM_PX = 3.0  # width of the seam between the photo and what lies beyond


@dataclass(frozen=True)
class FittedFace:
    """A face of a photo.

    Attributes
    ----------
    identity, expression
        (K,) and (E,).
    camera
        Of the photo.
    residual
        Percent of the face's size.
    """

    identity: Floats
    expression: Floats
    camera: ScaledOrthographicCamera
    residual: float


@dataclass(frozen=True)
class TurnedPhoto:
    """A turned face.

    Attributes
    ----------
    pixels
        (S, S, 3) uint8 sRGB.
    points, visible
        68 landmarks and all mesh points (P, 2), px, and whether they are seen (P,).
    camera
        Of the new photo.
    """

    pixels: NDArray[np.uint8]
    points: Floats
    visible: NDArray[np.bool_]
    camera: ScaledOrthographicCamera


def all_points(model: FaceModel, vertices: Floats) -> Floats:
    """68 landmarks and all mesh points on given vertices, (P, 3)."""
    return np.concatenate([np.asarray(model.landmarks(vertices)), np.asarray(model.mesh_landmarks(vertices))])


class PhotoTurner:
    """Fits photos and draws them from further aside.

    Parameters
    ----------
    model
        The base model.
    mesh_indices
        (M,) mesh points that are labelled beside the 68 landmarks.
    """

    def __init__(self, model: FaceModel, mesh_indices: NDArray[np.integer]) -> None:
        self.model = model
        self.mesh_indices = np.asarray(mesh_indices)
        self._triangles = np.ascontiguousarray(model.triangles, dtype=np.int32)
        self._mirror = np.asarray(model.symmetric)

    @cached_property
    def _carry(self) -> Floats:
        """(V, P) what each vertex takes of the labels' displacements: smooth over the face, fading out beyond."""
        mean = np.asarray(self.model.mean, dtype=float)
        known = all_points(self.model, mean)[self._labelled]

        def kernel(a: Floats, b: Floats) -> Floats:
            square = ((a[:, None] - b[None]) ** 2).sum(-1)
            return np.asarray(np.exp(-square / (2 * 35.0**2)) + np.exp(-square / (2 * 10.0**2)))

        carry = kernel(mean, known) @ np.linalg.inv(kernel(known, known) + 0.2 * np.eye(len(known)))
        return np.asarray(carry, np.float32)

    @property
    def _labelled(self) -> NDArray[np.integer]:
        return np.concatenate([np.arange(IBUG_POINTS), IBUG_POINTS + self.mesh_indices])

    def fit(self, points: Floats, weight: Floats, side: int) -> FittedFace:
        """Fit the model to the labels (68 + M, 2) of a photo of ``side`` pixels."""
        sigma = np.where(weight > 0, 1.0 / np.maximum(weight, 1e-3), np.inf)
        seen = Observation(
            points[:IBUG_POINTS],
            sigma[:IBUG_POINTS],
            points[IBUG_POINTS:],
            sigma[IBUG_POINTS:],
            self.mesh_indices,
            (side, side),
        )
        found = fit_face(self.model, [seen], FitOptions(camera="orthographic", landmarks="model"))
        photo = found.photos[0]
        far = photo.camera
        scale = float(far.focal / far.translation[2])
        camera = ScaledOrthographicCamera(scale, far.rotation, far.project(np.zeros((1, 3)))[0])
        return FittedFace(found.identity, photo.expression, camera, photo.residual)

    def turn(
        self,
        photo: NDArray[np.uint8],
        points: Floats,
        face: FittedFace,
        rotation: Floats,
        beyond: NDArray[np.uint8],
    ) -> TurnedPhoto:
        """Draw a photo's face from elsewhere.

        Parameters
        ----------
        photo
            (S, S, 3) sRGB.
        points
            (68 + M, 2) its labels; the texture follows them exactly where the fit misses them.
        face
            The fit.
        rotation
            (3, 3) new camera from model.
        beyond
            (N, N, 3) sRGB picture of the new photo's size: what is seen where the photo ends.
        """
        side = len(beyond)
        vertices = np.asarray(self.model.vertices(face.identity, face.expression), dtype=float)
        placed = all_points(self.model, vertices)
        camera = _framed(placed[:IBUG_POINTS], rotation, side)
        source = self._source(vertices, placed, points, face.camera, len(photo))
        new = self._draw(vertices, camera, side * _FINER, _FINER)
        texture = np.pad(photo, ((_MARGIN, _MARGIN), (_MARGIN, _MARGIN), (0, 0)), mode="edge").astype(np.float32)
        behind = ~new.mask
        fine = self._surroundings(behind, camera, source, face.camera.scale)
        around = sample_image(texture, fine + _MARGIN)
        outside = np.maximum(-fine, fine - (len(photo) - 1))
        share = np.clip(np.maximum(outside[:, :1], outside[:, 1:]) / _SEAM_PX, 0.0, 1.0)
        colour = np.repeat(np.repeat(beyond, _FINER, 0), _FINER, 1).astype(np.float32)
        colour[behind] = around + share * (colour[behind] - around)
        colour[new.mask] = self._head_colours(new, source, texture)
        samples = [colour[i::_FINER, j::_FINER] for i in range(_FINER) for j in range(_FINER)]
        projected = np.asarray(camera.project(placed))
        visible = _seen(np.column_stack([projected * _FINER + (_FINER - 1) / 2, camera.depth(placed)]), new.depth)
        return TurnedPhoto(as_bytes(np.mean(samples, axis=0)), projected, visible, camera)

    def _source(
        self, vertices: Floats, placed: Floats, points: Floats, camera: ScaledOrthographicCamera, side: int
    ) -> _Source:
        """Where in the photo the head's vertices are and which are seen there."""
        drawn = self._draw(vertices, camera, side + 2 * _MARGIN, 1, _MARGIN)
        miss = points - np.asarray(camera.project(placed[self._labelled]))
        miss[~np.isfinite(miss).all(1)] = 0.0
        at = np.asarray(camera.project(vertices)) + self._carry @ miss.astype(np.float32)
        normal = np.asarray(vertex_normals(vertices, self._triangles))
        facing = -(normal @ np.asarray(camera.rotation)[2])
        screen = np.column_stack([np.asarray(camera.project(vertices)) + _MARGIN, camera.depth(vertices)])
        seen = np.clip((facing - 0.1) / 0.2, 0.0, 1.0) * _seen(screen, drawn.depth)
        # what neither the photo nor its mirror image shows takes its colour from the nearest places that are shown
        good, lost = np.flatnonzero(seen > 0.9)[::3], np.flatnonzero(np.maximum(seen, seen[self._mirror]) < 1.0)
        distance, found = cKDTree(vertices[good]).query(vertices[lost], _NEAREST)
        weight = 1.0 / (distance + 1.0) ** 2
        nearest = at.copy()
        nearest[lost] = (at[good[found]] * (weight / weight.sum(1, keepdims=True))[..., None]).sum(1)
        centre = np.asarray(camera.project(_HEAD_CENTRE))[0]
        outline = _outline(drawn.mask, centre + _MARGIN)
        return _Source(at, seen, nearest, outline, centre)

    def _draw(
        self, vertices: Floats, camera: ScaledOrthographicCamera, side: int, finer: int, margin: float = 0.0
    ) -> Fragments:
        screen = np.asarray(screen_vertices(vertices, camera), dtype=float)
        screen[:, :2] = screen[:, :2] * finer + (finer - 1) / 2 + margin
        return rasterize(screen, self._triangles, side, side, perspective=False)

    def _head_colours(self, new: Fragments, source: _Source, texture: Floats) -> Floats:
        values = np.column_stack([source.at, source.at[self._mirror], source.nearest, source.seen])
        values = np.column_stack([values, source.seen[self._mirror]])
        found = interpolate(new, values, self._triangles)[new.mask]
        own, mirrored = found[:, 6, None], found[:, 7, None]
        share = own**2
        other = (1 - share) * mirrored**2
        colours = [sample_image(texture, found[:, 2 * k : 2 * k + 2] + _MARGIN) for k in range(3)]
        return np.asarray(share * colours[0] + other * colours[1] + (1 - share - other) * colours[2])

    def _surroundings(
        self, behind: NDArray[np.bool_], camera: ScaledOrthographicCamera, source: _Source, old_scale: float
    ) -> Floats:
        """Photo pixels (B, 2) behind the new head: as far from its outline as they were from the old one.

        Before the face, where it looks to, the photo is taken from further out: hair and cheek beside the face are
        hidden behind a profile.
        """
        centre = np.asarray(camera.project(_HEAD_CENTRE))[0]
        y, x = np.nonzero(behind)
        away = (np.column_stack([x, y]) - (_FINER - 1) / 2) / _FINER - centre
        direction = away / np.maximum(np.hypot(away[:, 0], away[:, 1]), 1e-6)[:, None]
        turn = np.arctan2(direction[:, 1], direction[:, 0]) / (2 * np.pi) % 1.0 * _BINS
        inner = np.interp(turn, np.arange(_BINS + 1), np.append(source.outline, source.outline[0]))
        distance = distance_transform_edt(behind)[behind] / _FINER * (old_scale / camera.scale)
        ahead = np.clip(direction @ np.asarray(camera.rotation)[:2, 2], 0.0, 1.0) ** 2
        out = inner + distance + _AHEAD_MM * old_scale * ahead
        return np.asarray(source.centre + direction * out[:, None])


@dataclass(frozen=True)
class _Source:
    """A head in its photo: vertices (V, 2), how well they are seen (V,), where else to look (V, 2), outline (BINS,)."""

    at: Floats
    seen: Floats
    nearest: Floats
    outline: Floats
    centre: Floats


def _framed(points68: Floats, rotation: Floats, side: int) -> ScaledOrthographicCamera:
    """The camera that shows the face's box in the middle of a photo."""
    flat = points68 @ np.asarray(rotation)[:2].T
    low, high = flat.min(0), flat.max(0)
    scale = float(_FACE_SHARE * side / (high - low).max())
    return ScaledOrthographicCamera(scale, rotation, (side - 1) / 2 - scale * (low + high) / 2)


def _seen(screen: Floats, depth: Floats) -> NDArray[np.bool_]:
    """Whether points (P, 3), px and mm, lie on or near the surface drawn, or on a pixel beside it."""
    padded = np.pad(np.where(np.isfinite(depth), depth, -np.inf), 1, constant_values=-np.inf)
    furthest = np.full(depth.shape, -np.inf)
    for dy in range(3):
        for dx in range(3):
            furthest = np.maximum(furthest, padded[dy : dy + depth.shape[0], dx : dx + depth.shape[1]])
    column, row = np.rint(screen[:, :2]).astype(int).T
    inside = (column >= 0) & (row >= 0) & (column < depth.shape[1]) & (row < depth.shape[0])
    at = furthest[np.clip(row, 0, depth.shape[0] - 1), np.clip(column, 0, depth.shape[1] - 1)]
    found: NDArray[np.bool_] = inside & np.isfinite(at) & (screen[:, 2] <= at + _SEEN_MM)
    return found


def _outline(mask: NDArray[np.bool_], centre: Floats) -> Floats:
    """Radius (BINS,) of a mask about a centre by direction, smoothed."""
    row, column = np.nonzero(mask)
    x, y = column - centre[0], row - centre[1]
    where = (np.arctan2(y, x) / (2 * np.pi) % 1.0 * _BINS).astype(int) % _BINS
    radius = np.zeros(_BINS)
    np.maximum.at(radius, where, np.hypot(x, y))
    return np.asarray(gaussian_filter1d(radius, 2.0, mode="wrap"))


def as_bytes(colour: Floats) -> NDArray[np.uint8]:
    """Rounded and limited to 0-255."""
    return np.clip(np.rint(colour), 0, 255).astype(np.uint8)

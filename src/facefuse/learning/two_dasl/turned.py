"""Real photos turned further: the face of a photo in another pose, with its truth.

In-the-wild photos with trustworthy landmarks are mostly near frontal. Fitted with the face model, such a photo is a
textured head that can be seen from further aside ("face profiling", Zhu et al., *Face Alignment Across Large Poses: A
3D Solution*, CVPR 2016, section 5). Unlike there the whole head is drawn, not the depth image of the photo, and the
surroundings (hair, neck, background) are warped radially from the old outline of the head to the new one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter1d
from scipy.spatial import cKDTree

from facefuse.errors import UnusableInput
from facefuse.fitting.fit import fit_face
from facefuse.fitting.types import FitOptions, Observation
from facefuse.geometry.cameras import ScaledOrthographicCamera
from facefuse.geometry.mesh import vertex_normals
from facefuse.geometry.rotations import euler_to_rotmat, rotmat_to_euler
from facefuse.learning.landmarks.data import FaceSet
from facefuse.learning.landmarks.points import IBUG_POINTS
from facefuse.learning.two_dasl.truth import Sample3D
from facefuse.morphable.model import FaceModel
from facefuse.rendering.interpolate import interpolate, sample_image
from facefuse.rendering.rasterize import Fragments, rasterize, screen_vertices

Floats = NDArray[np.floating[Any]]

NEAREST_YAW, FURTHEST_YAW = 40.0, 95.0
"""Degrees of yaw, either way, of the turned faces."""

LEAST_TURN, MOST_TURN = 15.0, 55.0
"""Degrees by which a face is turned: less adds nothing new, more shows too much of what the photo does not."""

MOST_RESIDUAL = 3.0
"""Percent of the face's size that the fit may miss the labels by."""

_LEAST_TRUST = 0.9  # mean weight of the 68 labels
_MOST_START_YAW = 45.0
_FINER = 2  # samples per pixel and axis
_MARGIN = 60  # px about the photo in which the head's outline is still followed
_HEAD_CENTRE = np.array([[0.0, -10.0, -55.0]])  # mm
_BINS = 180
_FACE_SHARE = 0.60  # side of the face's box over that of the photo drawn
_SEEN_MM = 4.0


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
        # labels lie on the face's own jaw line also where it is not the outline: its landmarks do not slide
        self._rigid_jaw = replace(model, contours=np.full((17, 1), -1), _flat={})
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

        return kernel(mean, known) @ np.linalg.inv(kernel(known, known) + 0.2 * np.eye(len(known)))

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
        found = fit_face(self._rigid_jaw, [seen], FitOptions(camera="orthographic"))
        photo = found.photos[0]
        far = photo.camera
        scale = float(far.focal / far.translation[2])
        camera = ScaledOrthographicCamera(scale, far.rotation, far.project(np.zeros((1, 3)))[0])
        return FittedFace(found.identity, photo.expression, camera, photo.residual)

    def turn(self, photo: NDArray[np.uint8], points: Floats, face: FittedFace, rotation: Floats, side: int) -> TurnedPhoto:
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
        side
            Of the new photo.
        """
        vertices = np.asarray(self.model.vertices(face.identity, face.expression), dtype=float)
        placed = all_points(self.model, vertices)
        camera = _framed(placed[:IBUG_POINTS], rotation, side)
        source = self._source(vertices, placed, points, face.camera, len(photo))
        new = self._draw(vertices, camera, side * _FINER, _FINER)
        texture = np.pad(photo, ((_MARGIN, _MARGIN), (_MARGIN, _MARGIN), (0, 0)), mode="symmetric").astype(np.float32)
        fine = self._surroundings(new.mask, camera, source.outline, source.centre, face.camera.scale, rotation)
        colour = sample_image(texture, fine + _MARGIN)
        on_head = self._head_colours(new, source, texture)
        colour[new.mask] = on_head[new.mask]
        colour = colour.reshape(side, _FINER, side, _FINER, 3).mean((1, 3))
        projected = np.asarray(camera.project(placed))
        visible = _seen(np.column_stack([projected * _FINER + (_FINER - 1) / 2, camera.depth(placed)]), new.depth)
        return TurnedPhoto(np.clip(np.rint(colour), 0, 255).astype(np.uint8), projected, visible, camera)

    def _source(
        self, vertices: Floats, placed: Floats, points: Floats, camera: ScaledOrthographicCamera, side: int
    ) -> _Source:
        """Where in the photo the head's vertices are and which are seen there."""
        drawn = self._draw(vertices, camera, side + 2 * _MARGIN, 1, _MARGIN)
        miss = points - np.asarray(camera.project(placed[self._labelled]))
        miss[~np.isfinite(miss).all(1)] = 0.0
        at = np.asarray(camera.project(vertices)) + self._carry @ miss
        normal = np.asarray(vertex_normals(vertices, self._triangles))
        facing = -(normal @ np.asarray(camera.rotation)[2])
        screen = np.column_stack([np.asarray(camera.project(vertices)) + _MARGIN, camera.depth(vertices)])
        seen = np.clip((facing - 0.1) / 0.2, 0.0, 1.0) * _seen(screen, drawn.depth)
        # what neither the photo nor its mirror image shows takes its colour from the nearest place that is shown
        good = np.flatnonzero(seen > 0.9)
        nearest = good[cKDTree(vertices[good]).query(vertices)[1]]
        centre = np.asarray(camera.project(_HEAD_CENTRE))[0]
        outline = _outline(drawn.mask, centre + _MARGIN)
        return _Source(at, seen, at[nearest], outline, centre)

    def _draw(
        self, vertices: Floats, camera: ScaledOrthographicCamera, side: int, finer: int, margin: float = 0.0
    ) -> Fragments:
        screen = np.asarray(screen_vertices(vertices, camera), dtype=float)
        screen[:, :2] = screen[:, :2] * finer + (finer - 1) / 2 + margin
        return rasterize(screen, self._triangles, side, side, perspective=False)

    def _head_colours(self, new: Fragments, source: _Source, texture: Floats) -> Floats:
        values = np.column_stack([source.at, source.at[self._mirror], source.nearest, source.seen])
        values = np.column_stack([values, source.seen[self._mirror]])
        found = interpolate(new, values, self._triangles)
        own, mirrored = found[..., 6, None], found[..., 7, None]
        share = own**2
        other = (1 - share) * mirrored**2
        colours = [sample_image(texture, found[..., 2 * k : 2 * k + 2] + _MARGIN) for k in range(3)]
        return np.asarray(share * colours[0] + other * colours[1] + (1 - share - other) * colours[2])

    def _surroundings(
        self,
        mask: NDArray[np.bool_],
        camera: ScaledOrthographicCamera,
        outline: Floats,
        old_centre: Floats,
        old_scale: float,
        rotation: Floats,
    ) -> Floats:
        """Photo pixels (H, W, 2) behind the new head: as far from its outline as they were from the old one.

        Before the face, where it looks to, the photo is taken from further out: hair and cheek beside the face are
        hidden behind a profile.
        """
        height, width = mask.shape
        centre = np.asarray(camera.project(_HEAD_CENTRE))[0]
        y, x = np.mgrid[:height, :width]
        away = (np.stack([x, y], -1) - (_FINER - 1) / 2) / _FINER - centre
        radius = np.maximum(np.linalg.norm(away, axis=-1, keepdims=True), 1e-6)
        direction = away / radius
        turn = np.arctan2(direction[..., 1], direction[..., 0]) / (2 * np.pi) % 1.0 * _BINS
        inner = np.interp(turn, np.arange(_BINS + 1), np.append(outline, outline[0]))
        distance = distance_transform_edt(~mask) / _FINER * (old_scale / camera.scale)
        looks = np.asarray(rotation)[:2, 2]
        ahead = np.clip(direction @ looks, 0.0, 1.0) ** 2
        out = inner + distance + 22.0 * old_scale * ahead
        return np.asarray(old_centre + direction * out[..., None])


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


def turned_rotation(rotation: Floats, rng: np.random.Generator) -> Floats | None:
    """A pose further from frontal, within the limits of this module; None where there is none."""
    yaw, pitch, roll = (float(angle) for angle in rotmat_to_euler(rotation))
    low, high = max(NEAREST_YAW, abs(yaw) + LEAST_TURN), min(FURTHEST_YAW, abs(yaw) + MOST_TURN)
    side = np.sign(yaw) if abs(yaw) > 3.0 else rng.choice([-1.0, 1.0])
    new = side * rng.uniform(low, high)
    moved = np.clip(pitch + rng.normal(0.0, 6.0), -40.0, 40.0)
    return np.asarray(euler_to_rotmat(*(np.array(angle) for angle in (new, moved, roll + rng.normal(0.0, 4.0)))))


def usable(faces: FaceSet) -> NDArray[np.intp]:
    """Photos with a mesh, trustworthy labels and a yaw that leaves the face's side in view."""
    trusted = faces.weight[:, :IBUG_POINTS].mean(1) > _LEAST_TRUST
    meshed = (faces.weight[:, IBUG_POINTS:] > 0).all(1)
    return np.flatnonzero(trusted & meshed & (np.abs(faces.yaw_deg) < _MOST_START_YAW))


def collect_turned(
    faces: FaceSet,
    model: FaceModel,
    count: int,
    seed: int,
    side: int,
    tell: Callable[[int], None] = lambda done: None,
) -> Sample3D:
    """Turn photos until there are ``count``; every photo is used once before any is used again.

    Raises
    ------
    UnusableInput
        If no photo is usable.
    """
    rng = np.random.default_rng(seed)
    turner = PhotoTurner(model, faces.mesh_indices)
    chosen = usable(faces)
    rows: list[tuple[Any, ...]] = []
    fits = 0
    while len(rows) < count:
        before = fits, len(rows)
        for i in rng.permutation(chosen):
            if len(rows) == count:
                break
            points = faces.points[i].astype(float)
            face = turner.fit(points, faces.weight[i].astype(float), faces.photos.shape[1])
            fits += 1
            if face.residual > MOST_RESIDUAL:
                continue
            rotation = turned_rotation(face.camera.rotation, rng)
            if rotation is None:
                continue
            photo = turner.turn(faces.photos[i], points, face, rotation, side)
            rows.append(_row(photo, face))
            tell(len(rows))
        if len(rows) == before[1]:
            raise UnusableInput(f"none of {len(faces)} photos has labels good enough to be turned")
    pixels, *others = zip(*rows, strict=True)
    return Sample3D(np.stack(pixels), *(np.asarray(values, np.float32) for values in others))


def _row(photo: TurnedPhoto, face: FittedFace) -> tuple[Any, ...]:
    camera = photo.camera
    yaw = float(rotmat_to_euler(np.asarray(camera.rotation))[0])
    weight = np.where(photo.visible, 1.0, 0.5)
    identity, expression = face.identity, face.expression
    return photo.pixels, photo.points, weight, identity, expression, camera.rotation, camera.scale, camera.translation, yaw

"""Landmarks placed by hand pull each photo onto the mesh, so that brows meet brows and lips meet lips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt

from facefuse.geometry.cameras import PinholeCamera
from facefuse.learning.appearance.people import Person
from facefuse.morphable.model import FaceModel, barycentric_points
from facefuse.rendering.rasterize import rasterize_camera
from facefuse.texturing.parts import parts_of

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]

LOOSE = (*(0, 1), *range(134, 158), 183, 184)
"""Points that are not places on the skin: pupils, hairline, hair, shoulders and collar."""
REACH_MM = 16.0
"""How far a point pulls."""
NOISE = 0.35
"""Standard deviation of the hand-placed points relative to that of the displacements."""
STEADY_MM = 9.0
"""Points that lie farther apart than this from person to person (median) are no places on the mesh."""


@dataclass(frozen=True)
class WarpedCamera(PinholeCamera):
    """A camera whose picture is displaced smoothly.

    Attributes
    ----------
    places : (P, 3) float
        Where the displacement is given, mm, model frame.
    pull : (P, 2) float
        Coefficients of the Gaussians about them, pixels.
    """

    places: Any = None
    pull: Any = None

    def project(self, points: Any) -> Any:
        """Project (N, 3) model points, mm, to (N, 2) pixels."""
        return super().project(points) + _gaussian(points, self.places) @ self.pull


@dataclass(frozen=True)
class Places:
    """Where the hand-placed points lie on the mesh.

    Attributes
    ----------
    points : (P,) int
        Which of the 189.
    corners : (P, 3) int
        Vertices, and
    weights : (P, 3) float
        their barycentric weights.
    """

    points: IntArray
    corners: IntArray
    weights: FloatArray


def find_places(model: FaceModel, people: Sequence[Person]) -> Places:
    """Find where the hand-placed points lie on the mesh: the median over people."""
    parts = parts_of(model)
    skin = np.asarray(model.triangles)[parts.photographed]
    mean = np.asarray(model.mean, np.float64)
    found = []
    for person in people:
        if person.points189 is None:
            continue
        height, width = person.pixels.shape[:2]
        seen = rasterize_camera(person.vertices, skin, person.camera, width, height)
        # a point beside the skin (between the lids, beyond the outline) belongs to the nearest pixel of skin
        rows, columns = distance_transform_edt(~seen.mask, return_distances=False, return_indices=True)
        at = np.rint(person.points189).astype(int).clip(0, (width - 1, height - 1))
        row, column = rows[at[:, 1], at[:, 0]], columns[at[:, 1], at[:, 0]]
        corners = skin[seen.triangle[row, column]]
        found.append(barycentric_points(mean, corners, seen.barycentric[row, column]))
    places = np.median(found, axis=0)
    apart = np.median(np.linalg.norm(np.array(found) - places, axis=2), axis=0)
    used = np.setdiff1d(np.flatnonzero(apart < STEADY_MM), LOOSE)
    corners, weights = _closest(mean, skin, places[used])
    return Places(used, corners, weights)


def warped(person: Person, places: Places) -> PinholeCamera:
    """Return the person's camera with the hand-placed points pulled onto their places on the mesh."""
    camera = person.camera
    if person.points189 is None:
        return camera
    at = barycentric_points(person.vertices, places.corners, places.weights)
    wanted = person.points189[places.points] - camera.project(at)
    gram = _gaussian(at, at)
    # a point far from where all others want it was misplaced, or is hidden: it counts less
    trust = np.ones(len(at))
    pull = np.zeros_like(wanted)
    for _ in range(3):
        pull = np.linalg.solve(gram + np.diag(NOISE**2 / trust), wanted)
        left = np.linalg.norm(wanted - gram @ pull, axis=1)
        trust = 1 / (1 + (left / (3 * np.median(left) + 1e-9)) ** 2)
    return WarpedCamera(camera.focal, camera.centre, camera.rotation, camera.translation, at, pull)


def _gaussian(points: FloatArray, centres: FloatArray) -> FloatArray:
    squared = ((points[:, None] - centres[None]) ** 2).sum(2)
    out: FloatArray = np.exp(-squared / (2 * REACH_MM**2))
    return out


def _closest(vertices: FloatArray, triangles: IntArray, points: FloatArray) -> tuple[IntArray, FloatArray]:
    """Find the closest points of a mesh to some points (P, 3): corners (P, 3) and barycentric weights (P, 3)."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    corners, weights = [], []
    for point in points:
        # least squares on every triangle, pushed into it: exact inside, close enough at its rim
        u, v, w = b - a, c - a, point - a
        uu, uv, vv = (u * u).sum(1), (u * v).sum(1), (v * v).sum(1)
        wu, wv = (w * u).sum(1), (w * v).sum(1)
        area = np.maximum(uu * vv - uv**2, 1e-12)
        share = np.stack([(vv * wu - uv * wv) / area, (uu * wv - uv * wu) / area], axis=1)
        whole = np.clip(np.column_stack((1 - share.sum(1), share)), 0, 1)
        whole /= whole.sum(1, keepdims=True)
        gap = ((whole[:, :1] * a + whole[:, 1:2] * b + whole[:, 2:] * c - point) ** 2).sum(1)
        best = int(gap.argmin())
        corners.append(triangles[best])
        weights.append(whole[best])
    return np.array(corners), np.array(weights)

"""Where the landmarks of photos lie on the mean: estimated by ``facefuse.learning.landmark_places``.

ICT-FaceKit's own 68 landmarks mark other places than those annotated in photos (the jaw up to 25 mm, brows and nose
about 5 mm), and a canonical face mesh laid over the mean by them inherits that.
"""

from __future__ import annotations

import json
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RBFInterpolator

from facefuse.learning.base_model.landmarks import SurfacePoints, closest_surface_points
from facefuse.learning.base_model.mesh_points import register

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def photo_landmarks(vertices: Floats, triangles: Ints) -> SurfacePoints:
    """Return the skin points nearest the estimated places of the 68 landmarks."""
    return closest_surface_points(np.array(_places()["ibug68"]), vertices, triangles)


def photo_mesh_points(
    canonical: Floats, canonical_triangles: Ints, landmarks: Floats, vertices: Floats, triangles: Ints
) -> SurfacePoints:
    """Return the skin points of MediaPipe's mesh points.

    The estimated places decide; points without one are carried along from where
    :func:`facefuse.learning.base_model.mesh_points.register` puts them by the model's own 68 ``landmarks``.
    """
    first = register(canonical, canonical_triangles, landmarks, vertices, triangles).on(vertices)
    places = _places()
    known, goal = np.array(places["mediapipe_indices"]), np.array(places["mediapipe"])
    carried = first + RBFInterpolator(first[known], goal - first[known], kernel="linear", smoothing=0.5)(first)
    carried[known] = goal
    return closest_surface_points(carried, vertices, triangles)


def _places() -> dict[str, list[list[float]]]:
    text = files("facefuse.learning.base_model").joinpath("landmark_places.json").read_text()
    found: dict[str, list[list[float]]] = json.loads(text)
    return found

import json

import numpy as np

from facefuse.fitting.types import Observation
from facefuse.geometry import PinholeCamera, euler_to_rotmat
from facefuse.learning.landmark_places.__main__ import as_json
from facefuse.learning.landmark_places.estimate import Places, estimate_places
from facefuse.learning.landmarks.points import IBUG_MIRROR
from facefuse.morphable import load_model


def test_finds_landmarks_that_photos_place_elsewhere():
    model = load_model("base")
    rng = np.random.default_rng(0)
    shift = np.zeros((68, 3))
    shift[[4, 12]] = [[-3, -4, -6], [3, -4, -6]]  # a pair of jaw landmarks
    shift[30] = [0, -4, 0]  # the tip of the nose
    seen = []
    for yaw in np.linspace(-70, 70, 22):
        shape = model.vertices(rng.normal(size=model.identity_count) * 0.7)
        rotation = euler_to_rotmat(np.float64(yaw), np.float64(rng.normal(0, 8)), np.float64(rng.normal(0, 8)))
        camera = PinholeCamera(260.0, np.array([59.5, 59.5]), rotation, np.array([0.0, 20.0, 500.0]))
        pixels = camera.project(model.landmarks(shape) + shift)
        none = np.zeros(0)
        seen.append(Observation(pixels, np.ones(68), np.zeros((0, 2)), none, none.astype(int), (120, 120)))
    found = estimate_places(model, seen, IBUG_MIRROR, rounds=3)
    moved = found.points - model.landmarks(model.mean)
    for point in (4, 12, 30):
        assert np.linalg.norm(moved[point] - shift[point]) < 0.55 * np.linalg.norm(shift[point])
    still = np.setdiff1d(np.arange(17, 68), [30])
    assert np.median(np.linalg.norm(moved[still], axis=1)) < 1.2
    np.testing.assert_allclose(moved[IBUG_MIRROR] * [-1, 1, 1], moved, atol=1e-6)


def test_places_are_written_whole():
    points = np.random.default_rng(1).normal(size=(70, 3))
    read = json.loads(as_json(Places(np.array([3, 9]), points, np.ones(70))))
    np.testing.assert_allclose(read["ibug68"], points[:68], atol=0.006)
    np.testing.assert_allclose(read["mediapipe"], points[68:], atol=0.006)
    assert read["mediapipe_indices"] == [3, 9]

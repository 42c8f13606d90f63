from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from facefuse.learning.landmarks.data import FaceSet  # noqa: E402
from facefuse.learning.two_dasl.data import with_shut_eyes  # noqa: E402
from facefuse.morphable.registry import load_model  # noqa: E402


def test_labels_shut_their_eyes_where_the_mesh_does_but_not_on_profiles() -> None:
    model = load_model("base")
    blink = np.zeros(model.expression_count)
    blink[[model.expression_names.index(f"eyeBlink{side}") for side in ("Left", "Right")]] = 1.0
    still = model.landmarks(model.vertices(np.zeros(1)))[:, :2]
    shut = model.mesh_landmarks(model.vertices(np.zeros(1), blink))[:, :2]
    points = np.tile(np.concatenate([still, shut]).astype(np.float32), (3, 1, 1))
    points[2, 68:] = np.nan
    rows = np.arange(3)
    yaw = np.array([0.0, 70.0, 0.0], np.float32)
    faces = FaceSet(
        np.zeros((3, 8, 8, 3), np.uint8), points, np.ones((3, 536), np.float32), yaw, rows, np.arange(468), rows, rows
    )
    found = with_shut_eyes(faces).points
    assert np.linalg.norm(found[0, 37] - found[0, 41]) < 0.5 * np.linalg.norm(points[0, 37] - points[0, 41])
    np.testing.assert_array_equal(found[0, 68:], points[0, 68:])
    np.testing.assert_array_equal(found[1:], points[1:])
    assert found.dtype == np.float32

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from two_dasl_sample import TINY, made_up_2d  # noqa: E402

from facefuse.learning.landmarks.data import FaceSet  # noqa: E402
from facefuse.learning.two_dasl.data import LandmarkPhotos, with_shut_eyes  # noqa: E402
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


def test_shut_eyes_get_the_share_of_the_photos_that_is_asked_for() -> None:
    names = load_model("base").expression_names
    sample = made_up_2d()
    scores = np.zeros_like(sample.scores)
    scores[0, [names.index("eyeBlinkLeft"), names.index("eyeBlinkRight")]] = 0.6
    scores[1, names.index("eyeBlinkLeft")] = 0.9  # a wink is not two shut eyes
    sample = replace(sample, scores=scores)
    shares = []
    for wanted in (0.0, 0.5):
        photos = LandmarkPhotos(sample, names, replace(TINY.data, shut_eyes=wanted, pose_shares=(0.4, 0.3, 0.3)))
        drawn = photos.draw(600, 4, np.random.default_rng(0))
        shares.append((drawn.scores[:, names.index("eyeBlinkLeft")] == np.float32(0.6)).mean())
    assert shares[0] < 0.4
    assert shares[1] == pytest.approx(0.5 + 0.5 * shares[0], abs=0.06)

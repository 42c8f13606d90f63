from __future__ import annotations

import numpy as np
import pytest

from facefuse.morphable.registry import load_model
from facefuse.regression.lids import SHUT, closed_lids

MODEL = load_model("base")
MESH = np.arange(468)


def faces(blink: float) -> tuple[np.ndarray, np.ndarray]:
    """Landmarks that never blink and a mesh that does, of the same head, front view."""
    expression = np.zeros((2, MODEL.expression_count))
    for side in ("Left", "Right"):
        expression[1, MODEL.expression_names.index(f"eyeBlink{side}")] = blink
    still, moved = MODEL.vertices(np.zeros(1), expression[0]), MODEL.vertices(np.zeros(1), expression[1])
    return (2.0 * MODEL.landmarks(still)[:, :2]).astype(float), (2.0 * MODEL.mesh_landmarks(moved)[:, :2]).astype(float)


def openness(points: np.ndarray) -> float:
    return float(np.linalg.norm(points[[37, 38, 43, 44]] - points[[41, 40, 47, 46]], axis=1).mean())


def test_open_eyes_stay_exactly_as_they_are() -> None:
    points, mesh = faces(0.0)
    np.testing.assert_array_equal(closed_lids(points, mesh, MESH), points)


def test_shut_eyes_shut_and_nothing_else_moves() -> None:
    points, mesh = faces(1.0)
    found = closed_lids(points, mesh, MESH)
    assert openness(found) < 0.4 * openness(points)
    assert openness(found) >= SHUT * openness(points) - 1e-9
    others = np.setdiff1d(np.arange(68), [37, 38, 43, 44])
    np.testing.assert_array_equal(found[others], points[others])


def test_lids_follow_the_mesh_in_proportion_and_with_the_face() -> None:
    gaps = [openness(closed_lids(*faces(blink), MESH)) for blink in (0.0, 0.5, 0.8, 1.0)]
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[2] < gaps[0]
    points, mesh = faces(0.9)
    turn, shift = np.array([[0.6, -0.8], [0.8, 0.6]]) * 3.0, np.array([40.0, -7.0])
    moved = closed_lids(points @ turn.T + shift, mesh @ turn.T + shift, MESH)
    np.testing.assert_allclose(moved, closed_lids(points, mesh, MESH) @ turn.T + shift)


@pytest.mark.parametrize("indices", [np.zeros(0, int), np.arange(10)])
def test_without_the_lids_nothing_is_known(indices: np.ndarray) -> None:
    points, mesh = faces(1.0)
    np.testing.assert_array_equal(closed_lids(points, mesh[indices], indices), points)
    np.testing.assert_array_equal(closed_lids(points, np.full_like(mesh, np.nan), MESH), points)


def test_one_eye_winks_in_a_batch() -> None:
    points, mesh = faces(1.0)
    open_mesh = faces(0.0)[1]
    wink = mesh.copy()
    left = [385, 387, 380, 373, 362, 263]
    wink[left] = open_mesh[left]
    found = closed_lids(np.stack([points, points]), np.stack([wink, open_mesh]), MESH)
    np.testing.assert_array_equal(found[1], points)
    np.testing.assert_array_equal(found[0, [43, 44]], points[[43, 44]])
    assert np.abs(found[0, [37, 38]] - points[[37, 38]]).max() > 1.0

import numpy as np
import pytest

from facefuse.errors import UnusableInput
from facefuse.evaluation.compat import COMPAT_LANDMARKS, compat_distance, compat_region, nose_tip
from facefuse.evaluation.mesh_files import NOW_LANDMARKS, read_landmarks, read_mesh
from facefuse.geometry.alignment import Similarity
from facefuse.geometry.mesh import Mesh
from facefuse.geometry.rotations import rotvec_to_rotmat
from facefuse.morphable.registry import load_model

MODEL = load_model()
HEAD = MODEL.vertices(np.random.default_rng(1).normal(size=MODEL.identity_count) * 0.6)
POINTS = MODEL.landmarks(HEAD)
NOW, COMPAT = POINTS[list(NOW_LANDMARKS)], POINTS[list(COMPAT_LANDMARKS)]
MOVE = Similarity(1.0, np.asarray(rotvec_to_rotmat(np.array([0.4, -0.9, 0.3]))), np.array([200.0, -30.0, 4.0]))


def test_the_tip_of_the_nose_is_found_whatever_the_scans_frame():
    tip = nose_tip(MOVE.apply(HEAD), MOVE.apply(NOW))
    np.testing.assert_allclose(MOVE.inverse().apply(tip), nose_tip(HEAD, NOW), atol=1e-4)
    assert np.linalg.norm(nose_tip(HEAD, NOW) - COMPAT[4]) < 6
    assert np.linalg.norm(nose_tip(HEAD, NOW) - NOW[4]) > 8


def test_a_scan_in_another_unit_is_refused():
    with pytest.raises(UnusableInput, match="same unit"):
        nose_tip(HEAD * 1000, NOW)


def test_region_by_hand():
    landmarks = np.array([[-40.0, 0, 0], [-15, 0, 0], [15, 0, 0], [40, 0, 0], [0, -40, 0], [-20, -60, 0], [20, -60, 0]])
    # centre (0, -28, 0), radius 1.4 * (40 + 80) / 2 = 84
    points = np.array([[0.0, 55.9, 0], [0, 56.1, 0], [83.9, -28, 0], [84.1, -28, 0], [0, -28, 83.9], [0, -28, -84.1]])
    np.testing.assert_array_equal(compat_region(points, landmarks), [True, False, True, False, True, False])


def test_scale_is_free_and_what_lies_outside_does_not_count():
    scan = MOVE.apply(HEAD)
    far = np.linalg.norm(scan - scan[MODEL.face_mask].mean(0), axis=1) > 140
    scan = scan + np.where(far[:, None], 30.0, 0.0)
    found = compat_distance(Mesh(HEAD * 0.1, MODEL.triangles), COMPAT * 0.1, scan, MOVE.apply(NOW))
    assert found.summary.mean < 0.02
    assert found.similarity.scale == pytest.approx(10, rel=1e-3)
    assert 0.2 * len(scan) < found.summary.count < 0.9 * len(scan)


def test_the_published_figure_is_the_mean_and_lies_below_the_root_mean_square(shared_data):
    folder = shared_data / "scans" / "lee_perry_smith"
    scan, landmarks = read_mesh(folder / "scan.ply"), read_landmarks(folder / "scan_landmarks7.txt")
    mean = MODEL.vertices()
    points = MODEL.landmarks(mean)[list(COMPAT_LANDMARKS)]
    found = compat_distance(Mesh(mean, MODEL.triangles), points, scan.vertices, landmarks)
    assert 1.1 < found.summary.mean < 1.5 < found.summary.rms

import json
import time

import numpy as np
import pytest
import trimesh

from facefuse.errors import UnusableInput
from facefuse.evaluation.mesh_files import NOW_LANDMARKS, read_landmarks, read_mesh
from facefuse.evaluation.scan import DistanceSummary, evaluate_scan, evaluate_scan_files, mesh_to_scan, scan_to_mesh
from facefuse.geometry.alignment import Similarity
from facefuse.geometry.mesh import Mesh
from facefuse.geometry.rotations import rotvec_to_rotmat


def bumpy_sheet(step=5.0, half=60.0):
    """A curved, asymmetric sheet, mm, on which a pose and a scale can be told."""
    x, y = np.meshgrid(np.arange(-half, half + 1e-6, step), np.arange(-half, half + 1e-6, step))
    z = 50 - (x**2 + 1.4 * y**2) / 90 + 12 * np.exp(-((x - 5) ** 2 + (y + 8) ** 2) / 150) + 3 * np.sin(x / 13 + y / 29)
    n = x.shape[0]
    i = (np.arange(n - 1)[:, None] * n + np.arange(n - 1)).ravel()
    triangles = np.concatenate([np.stack([i, i + 1, i + n + 1], 1), np.stack([i, i + n + 1, i + n], 1)])
    return Mesh(np.stack([x, y, z], axis=-1).reshape(-1, 3), triangles)


def seven(mesh):
    return mesh.vertices[np.linspace(60, len(mesh.vertices) - 80, 7).astype(int)]


MOVE = Similarity(1.3, np.asarray(rotvec_to_rotmat(np.array([0.3, -0.5, 0.2]))), np.array([20.0, -30.0, 400.0]))


def test_summary_of_hand_computed_distances():
    summary = DistanceSummary.of(np.array([1.0, 2.0, 3.0, 6.0]))
    assert (summary.median, summary.mean, summary.count) == (2.5, 3.0, 4)
    assert summary.std == pytest.approx(np.sqrt(3.5))
    assert summary.rms == pytest.approx(np.sqrt(12.5))


def test_a_moved_and_scaled_copy_is_found_from_inexact_landmarks():
    mesh = bumpy_sheet()
    rng = np.random.default_rng(0)
    inner = (np.abs(mesh.vertices[:, :2]) < 45).all(axis=1)
    landmarks = MOVE.apply(seven(mesh)) + rng.normal(scale=3, size=(7, 3))
    result = scan_to_mesh(mesh, MOVE.apply(mesh.vertices[inner]), seven(mesh), landmarks)
    assert result.summary.rms < 1e-3
    assert result.similarity.scale == pytest.approx(1.3, abs=1e-4)
    np.testing.assert_allclose(result.similarity.rotation, MOVE.rotation, atol=1e-4)
    fixed = scan_to_mesh(mesh, MOVE.apply(mesh.vertices[inner]), seven(mesh), landmarks, with_scale=False)
    assert fixed.similarity.scale == 1
    assert fixed.summary.median > 0.5


def test_a_sheet_raised_in_one_place_has_that_error_there():
    mesh = bumpy_sheet(step=4.0)
    scan = mesh.vertices.copy()
    raised = (np.hypot(scan[:, 0] + 35, scan[:, 1] - 35) < 8) & (np.abs(scan[:, :2]) < 50).all(axis=1)
    scan[raised, 2] += 5
    result = scan_to_mesh(mesh, scan, seven(mesh), seven(mesh), keep=0.9)
    assert result.summary.median < 1e-3
    # the sheet leans there, so the distance to it is shorter than the rise
    assert 3 < result.distances[raised].mean() < 5
    assert result.distances[~raised].max() < 0.1


def test_reverse_distance_ignores_what_the_scan_does_not_cover():
    mesh = bumpy_sheet()
    small = bumpy_sheet(half=30.0)
    result = scan_to_mesh(mesh, small.vertices, seven(mesh), seven(mesh))
    reverse = mesh_to_scan(mesh, small, result)
    assert 50 < len(reverse) < len(mesh.vertices) / 2
    assert reverse.max() < 1e-3


def test_no_less_than_the_known_offset_between_two_spheres():
    ball, bigger = (trimesh.creation.icosphere(subdivisions=4, radius=r) for r in (80.0, 82.0))
    corners = ball.vertices[[0, 11, 50, 200, 400, 900, 1500]]
    mesh = Mesh(np.asarray(ball.vertices), np.asarray(ball.faces))
    result = scan_to_mesh(mesh, np.asarray(bigger.vertices), corners, corners * 82 / 80, with_scale=False)
    assert result.summary.median == pytest.approx(2.0, abs=0.1)
    assert scan_to_mesh(mesh, np.asarray(bigger.vertices), corners, corners * 82 / 80).summary.median < 0.1


def write(folder, mesh, name):
    trimesh.Trimesh(mesh.vertices, mesh.triangles, process=False).export(folder / name)


def test_files_and_where_the_predictions_landmarks_come_from(tmp_path):
    mesh = bumpy_sheet()
    points = mesh.vertices[np.arange(68) * 7]
    write(tmp_path, mesh, "head.ply")
    write(tmp_path, Mesh(MOVE.apply(mesh.vertices), mesh.triangles), "scan.ply")
    chosen = points[list(NOW_LANDMARKS)]
    np.savetxt(tmp_path / "scan.txt", MOVE.apply(chosen))
    paths = (tmp_path / "head.ply", tmp_path / "scan.ply", tmp_path / "scan.txt")
    with pytest.raises(UnusableInput, match="landmarks are not known"):
        evaluate_scan_files(*paths)
    np.savetxt(tmp_path / "head.txt", chosen)
    assert evaluate_scan_files(*paths, prediction_landmarks=tmp_path / "head.txt").similarity.summary.rms < 1e-3
    (tmp_path / "reconstruction.json").write_text(json.dumps({"landmarks68_mm": points.tolist()}))
    evaluation = evaluate_scan_files(*paths)
    plain = json.loads(json.dumps(evaluation.to_dict()))
    assert plain["similarity"]["median"] < 1e-3 < plain["rigid"]["median"]
    assert plain["reverse"]["count"] > 100
    cloud = evaluate_scan(mesh, Mesh(mesh.vertices, np.zeros((0, 3), int)), chosen, chosen)
    assert cloud.reverse is None
    with pytest.raises(UnusableInput, match="no faces"):
        evaluate_scan(Mesh(mesh.vertices, np.zeros((0, 3), int)), mesh, chosen, chosen)


def test_the_mean_face_against_a_real_scan(shared_data):
    folder = shared_data / "scans" / "lee_perry_smith"
    with np.load(shared_data / "ict_facekit" / "ict_facekit_light.npz") as ict:
        mean, quads = ict["mean"] * 10.0, ict["polygons"][:9230]
        points = mean[ict["landmarks68"][list(NOW_LANDMARKS)]]
    face = Mesh(mean, np.concatenate([quads[:, :3], quads[quads[:, 3] >= 0][:, [0, 2, 3]]]))
    scan = read_mesh(folder / "scan.ply")
    landmarks = read_landmarks(folder / "scan_landmarks7.txt")
    scan_to_mesh(face, scan.vertices[:10], points, landmarks)  # compiled before the clock starts
    start = time.process_time()
    evaluation = evaluate_scan(face, scan, points, landmarks)
    assert time.process_time() - start < 6  # three alignments and the way back
    assert evaluation.similarity.summary.median == pytest.approx(0.90, abs=0.05)
    assert evaluation.untrimmed.summary.rms <= evaluation.similarity.summary.rms
    assert evaluation.rigid.summary.median > evaluation.similarity.summary.median

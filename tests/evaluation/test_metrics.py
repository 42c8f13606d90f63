import numpy as np
import pytest

from facefuse.evaluation.metrics import (
    ced_auc,
    nme,
    nme_3d,
    pose_angles,
    summarise_nme,
    summarise_pose,
    wilson_interval,
    yaw_bin,
)
from facefuse.geometry.rotations import rotvec_to_rotmat

# a 16 by 9 box: the normaliser is sqrt(144) = 12
SQUARE = np.array([[0.0, 0.0], [16.0, 0.0], [16.0, 9.0], [0.0, 9.0]])


def test_nme_by_hand():
    predicted = SQUARE + np.array([[3.0, 4.0], [0.0, 0.0], [0.0, -1.0], [6.0, 0.0]])
    # distances 5, 0, 1, 6: mean 3, 3 / 12 = 25 %
    assert nme(predicted, SQUARE) == pytest.approx(25.0)
    both = nme(np.stack([predicted, SQUARE]), np.stack([SQUARE, SQUARE]))
    np.testing.assert_allclose(both, [25.0, 0.0])


def test_nme_divides_by_the_truths_box_not_the_predictions():
    assert nme(SQUARE * 2, SQUARE) == pytest.approx(100 * (0 + 16 + np.hypot(16, 9) + 9) / 4 / 12)


def test_nme_refuses_other_shapes():
    with pytest.raises(ValueError, match="expected two"):
        nme(SQUARE, SQUARE[:3])
    with pytest.raises(ValueError, match="expected two"):
        nme_3d(SQUARE, SQUARE)


def test_3d_nme_forgets_the_mean_depth_only():
    truth = np.concatenate([SQUARE, [[1.0], [2.0], [3.0], [4.0]]], axis=1)
    assert nme_3d(truth + np.array([0, 0, 50.0]), truth) == pytest.approx(0.0)
    deeper = truth.copy()
    deeper[0, 2] += 8.0  # after removing the mean shift of 2: 6, -2, -2, -2; mean 3
    assert nme_3d(deeper, truth) == pytest.approx(25.0)


def test_yaw_bins_include_their_upper_limit_and_have_no_last_one():
    yaw = np.array([0, -30, 30.001, -60, 60.5, 90, -351.2])
    assert yaw_bin(yaw).tolist() == [0, 0, 1, 1, 2, 2, 2]


def test_summary_by_hand():
    errors = np.array([2.0, 4.0, 5.0, 12.0, 6.0])
    yaw = np.array([0.0, 10.0, -45.0, 70.0, 80.0])
    s = summarise_nme(errors, yaw)
    assert s.bins == (3.0, 5.0, 9.0)
    assert s.counts == (2, 1, 2)
    assert s.balanced == pytest.approx(17 / 3)
    assert s.std == pytest.approx(np.sqrt(((3 - 17 / 3) ** 2 + (5 - 17 / 3) ** 2 + (9 - 17 / 3) ** 2) / 3))
    assert s.mean == pytest.approx(5.8)
    assert s.failure_rate == pytest.approx(20.0)
    assert s.auc == pytest.approx((6 / 8 + 4 / 8 + 3 / 8 + 0 + 2 / 8) / 5)
    assert s.missed == 0


def test_a_missed_face_is_a_failure_and_not_in_the_mean():
    errors, yaw = np.array([2.0, np.nan, 4.0, 6.0]), np.array([0.0, 0.0, 40.0, 80.0])
    s = summarise_nme(errors, yaw)
    assert (s.mean, s.balanced, s.counts, s.missed) == (4.0, 4.0, (1, 1, 1), 1)
    assert s.failure_rate == 25.0
    assert s.auc == pytest.approx((6 / 8 + 0 + 4 / 8 + 2 / 8) / 4)
    with pytest.raises(ValueError, match="no image"):
        summarise_nme(errors * np.nan, yaw)


def test_an_empty_bin_leaves_the_balanced_mean_unknown():
    s = summarise_nme(np.array([1.0, 3.0]), np.array([0.0, 10.0]))
    assert np.isnan(s.balanced)
    assert s.mean == 2.0


def test_auc_is_the_area_under_the_step_curve():
    errors = np.random.default_rng(0).exponential(4.0, 400)
    grid = np.linspace(0, 8, 40_001)
    curve = (errors[:, None] <= grid[::50]).mean(axis=0)
    assert ced_auc(errors) == pytest.approx((curve[1:] + curve[:-1]).mean() / 2, abs=2e-3)
    assert ced_auc(np.zeros(3)) == 1.0


def test_bootstrap_interval_agrees_with_the_normal_approximation():
    rng = np.random.default_rng(1)
    errors = rng.normal(4.0, 1.0, 900)
    yaw = np.repeat([0.0, 45.0, 75.0], [600, 200, 100])
    s = summarise_nme(errors, yaw)
    half = 1.96 * np.sqrt(1 / 600 + 1 / 200 + 1 / 100) / 3  # stratified: the bins' own standard errors
    assert s.balanced_interval[1] - s.balanced_interval[0] == pytest.approx(2 * half, rel=0.1)
    assert s.mean_interval[1] - s.mean_interval[0] == pytest.approx(2 * 1.96 / 30, rel=0.1)
    assert s.balanced_interval[0] < s.balanced < s.balanced_interval[1]
    assert summarise_nme(errors, yaw) == s


def published_rotation(pitch, yaw, roll):
    """R = Rx Ry Rz of the 300W-LP tools (transposed elementary matrices), y up; radians."""
    cx, sx, cy, sy, cz, sz = np.cos(pitch), np.sin(pitch), np.cos(yaw), np.sin(yaw), np.cos(roll), np.sin(roll)
    x = np.array([[1, 0, 0], [0, cx, sx], [0, -sx, cx]])
    y = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
    z = np.array([[cz, sz, 0], [-sz, cz, 0], [0, 0, 1]])
    return x @ y @ z


def test_pose_angles_invert_the_published_composition():
    rng = np.random.default_rng(2)
    for _ in range(20):
        pitch, yaw, roll = rng.uniform(-1.4, 1.4, 3)
        ours = np.diag([1.0, -1.0, -1.0]) @ published_rotation(pitch, yaw, roll)
        np.testing.assert_allclose(pose_angles(ours), np.rad2deg([yaw, pitch, roll]), atol=1e-9)


def test_pose_angles_of_a_frontal_face_and_a_turned_one():
    frontal = np.diag([1.0, -1.0, -1.0])
    np.testing.assert_allclose(pose_angles(frontal), 0, atol=1e-12)
    turned = frontal @ np.asarray(rotvec_to_rotmat(np.array([0.0, np.deg2rad(40), 0.0])))
    np.testing.assert_allclose(np.abs(pose_angles(turned)), [40, 0, 0], atol=1e-9)


def test_pose_summary_drops_impossible_truth_and_missed_faces():
    truth = np.array([[10.0, 0, 0], [-351.0, 0, 0], [0.0, 5, 0], [1.0, 1, 1]])
    predicted = np.array([[12.0, -1, 3], [9.0, 0, 0], [-4.0, 5, 1], [np.nan, 0, 0]])
    s = summarise_pose(predicted, truth)
    assert (s.yaw, s.pitch, s.roll, s.mean, s.count) == (3.0, 0.5, 2.0, pytest.approx(5.5 / 3), 2)
    assert s.bias == (-1.0, -0.5, 2.0)


def test_interval_of_a_share():
    # Newcombe 1998, table I: 81 of 263, 15 of 148 and 0 of 20, score method without continuity correction
    assert wilson_interval(81, 263) == pytest.approx((25.53, 36.62), abs=0.006)
    assert wilson_interval(15, 148) == pytest.approx((6.24, 16.05), abs=0.006)
    assert wilson_interval(0, 20) == pytest.approx((0.0, 16.11), abs=0.006)
    assert np.isnan(wilson_interval(0, 0)).all()

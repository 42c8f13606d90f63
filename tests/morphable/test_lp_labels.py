from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facefuse.morphable.importers.lp_labels import (
    CropMap,
    euler_matrix,
    exact_map,
    label_to_pose,
    matrix_angles,
    pose_to_label,
    published_map,
)

ANGLE = st.floats(-1.4, 1.4)


@given(ANGLE, ANGLE, st.floats(-3.0, 3.0), st.floats(50, 400), st.floats(50, 400), st.floats(1e-4, 3e-3))
@settings(max_examples=60, deadline=None)
def test_pose_survives_the_way_to_the_label_and_back(
    pitch: float, yaw: float, roll: float, x: float, y: float, scale: float
) -> None:
    pose = np.array([pitch, yaw, roll, x, y, -60.0, scale])
    crop = CropMap(0.63, np.array([-40.2, -55.0]))
    np.testing.assert_allclose(label_to_pose(pose_to_label(pose, 450, crop), 450, crop), pose, rtol=1e-6, atol=1e-9)


def test_a_labelled_point_lies_in_the_crop_where_the_photo_shows_it() -> None:
    rng = np.random.default_rng(0)
    shape = rng.normal(0, 5e4, (20, 3))
    pose = np.array([0.2, -0.7, 0.1, 210.0, 260.0, -50.0, 1.1e-3])
    box = np.array([101.0, 121.0, 331.0, 351.0])
    in_photo = pose[6] * shape @ euler_matrix(*pose[:3]).T + pose[3:6]
    image = np.stack([in_photo[:, 0], 450 + 1 - in_photo[:, 1]], axis=-1)  # MATLAB's pixels
    for crop in (published_map(box), exact_map(box)):
        label = pose_to_label(pose, 450, crop).reshape(3, 4)
        placed = shape @ label[:, :3].T + label[:, 3]
        found = np.stack([placed[:, 0], 121.0 - placed[:, 1]], axis=-1)
        np.testing.assert_allclose(found, crop.scale * image + crop.offset, atol=1e-6)


def test_the_published_map_takes_the_box_to_0_and_120() -> None:
    box = np.array([100.0, 80.0, 300.0, 280.0])
    crop = published_map(box)
    np.testing.assert_allclose(crop.scale * box[:2] + crop.offset, 0.0)
    np.testing.assert_allclose(crop.scale * box[2:] + crop.offset, 120.0)


def test_the_exact_map_takes_pixel_edges_to_crop_edges() -> None:
    box = np.array([100.0, 80.0, 300.0, 280.0])  # 201 pixels
    crop = exact_map(box)
    np.testing.assert_allclose(crop.scale * (box[:2] - 0.5) + crop.offset, -0.5)
    np.testing.assert_allclose(crop.scale * (box[2:] + 0.5) + crop.offset, 119.5)


def test_rotations_of_the_data_set_are_rotations() -> None:
    matrix = euler_matrix(0.3, 0.9, -0.4)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(matrix) == pytest.approx(1.0)
    np.testing.assert_allclose(matrix_angles(5.0 * matrix), [0.3, 0.9, -0.4])


def test_poses_of_aflw2000_survive(shared_data: Path) -> None:
    from facefuse.evaluation.matfile import read_mat5

    files = sorted((shared_data / "aflw2000").rglob("*.mat"))
    if not files:
        pytest.skip("the .mat files of AFLW2000-3D are in an archive")
    checked = 0
    for path in files[:300]:
        pose = np.ravel(read_mat5(path.read_bytes())["Pose_Para"])
        if abs(pose[1]) > np.pi / 2 or abs(pose[0]) > np.pi / 2:
            continue
        crop = exact_map(np.array([100.0, 100.0, 300.0, 300.0]))
        back = label_to_pose(pose_to_label(pose, 450, crop), 450, crop)
        np.testing.assert_allclose(back[1:], pose[1:], atol=1e-5)
        checked += 1
    assert checked > 50

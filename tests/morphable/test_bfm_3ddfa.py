from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bfm_3ddfa_files import VERTICES, made_up, write_first_layout, write_second_layout

from facefuse.errors import AssetError
from facefuse.morphable.importers.bfm_3ddfa import Bfm3ddfa, read_bfm_3ddfa


@pytest.fixture
def model(tmp_path: Path) -> Bfm3ddfa:
    return read_bfm_3ddfa(write_first_layout(tmp_path, made_up()))


def test_both_layouts_give_the_same_model(tmp_path: Path, model: Bfm3ddfa) -> None:
    other = read_bfm_3ddfa(write_second_layout(tmp_path / "v2", made_up()))
    for name in ("shape_basis", "expression_basis", "keypoints", "triangles", "parameter_mean", "parameter_std"):
        np.testing.assert_array_equal(getattr(model, name), getattr(other, name))
    np.testing.assert_allclose(model.mean, other.mean, rtol=1e-6)


def test_vertices_are_mean_plus_modes_interleaved(model: Bfm3ddfa) -> None:
    arrays = made_up()
    rng = np.random.default_rng(1)
    parameters = np.concatenate([np.zeros(12), rng.normal(0, 1e5, 40), rng.normal(0, 1, 10)])[None]
    flat = arrays["u_shp"] + arrays["u_exp"]
    flat = flat[:, 0] + arrays["w_shp_sim"] @ parameters[0, 12:52] + arrays["w_exp_sim"] @ parameters[0, 52:]
    np.testing.assert_allclose(model.vertices(parameters)[0], flat.reshape(-1, 3), rtol=1e-3, atol=1.0)


def test_points_lie_in_the_crop_y_flipped_at_121(model: Bfm3ddfa) -> None:
    pose = np.array([[4e-4, 0, 0, 60.0], [0, 4e-4, 0, 70.0], [0, 0, 4e-4, -70.0]])
    parameters = np.concatenate([pose.reshape(-1), np.zeros(50)])[None]
    points = model.project(parameters)[0]
    np.testing.assert_allclose(points[:, 0], 4e-4 * model.mean[:, 0] + 60.0, rtol=1e-5)
    np.testing.assert_allclose(points[:, 1], 121.0 - (4e-4 * model.mean[:, 1] + 70.0), rtol=1e-5)


def test_whitening_goes_back_and_forth(model: Bfm3ddfa) -> None:
    whitened = np.random.default_rng(2).normal(size=(4, 62))
    np.testing.assert_allclose(model.whiten(model.unwhiten(whitened)), whitened, atol=1e-4)


def test_the_face_model_is_in_millimetres_with_unit_coefficients(model: Bfm3ddfa) -> None:
    face = model.to_face_model()
    rng = np.random.default_rng(3)
    identity, expression = rng.normal(size=40), rng.normal(size=10)
    whitened = np.concatenate([np.zeros(12), identity, expression])[None]
    expected = model.vertices(model.unwhiten(whitened))[0] / 1000.0
    found = face.vertices(identity.astype(np.float32), expression.astype(np.float32))
    apart = (found - found.mean(0)) - (expected - expected.mean(0))
    assert np.abs(apart).max() < 0.05
    corners = face.mean[face.triangles]
    assert np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, 2].sum() > 0  # outward
    np.testing.assert_array_equal(face.landmarks68[:, 0], model.keypoints)


def test_without_triangles_there_is_no_mesh(tmp_path: Path) -> None:
    configs = write_first_layout(tmp_path, made_up())
    (tmp_path / "visualize" / "tri.mat").unlink()
    with pytest.raises(AssetError, match="no triangles"):
        read_bfm_3ddfa(configs).to_face_model()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("w_shp_sim", np.zeros((3 * VERTICES, 39), np.float32), "bases of shape"),
        ("keypoints_sim", np.arange(204) + 1, "key points"),
        ("param_std", np.zeros(62, np.float32), "whitening"),
        ("tri", np.full((4, 3), VERTICES), "triangles"),
        ("u_exp", np.full((3 * VERTICES, 1), np.nan, np.float32), "not finite"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, name: str, value: np.ndarray, said: str) -> None:
    configs = write_first_layout(tmp_path, {**made_up(), name: value})
    with pytest.raises(AssetError, match=said):
        read_bfm_3ddfa(configs)


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match=r"u_shp\.npy"):
        read_bfm_3ddfa(tmp_path)

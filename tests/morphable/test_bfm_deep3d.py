import numpy as np
import pytest
from deep3d_file import deep3d_arrays, write_deep3d

from facefuse.errors import AssetError
from facefuse.geometry.mesh import Mesh, vertex_normals
from facefuse.morphable.importers.bare_mesh import cylindrical_uv, mirror_partners
from facefuse.morphable.importers.bfm_deep3d import read_deep3d
from facefuse.morphable.io import check_model, read_model, write_model
from facefuse.morphable.registry import load_model


@pytest.fixture(scope="module")
def arrays():
    return deep3d_arrays()


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return read_deep3d(write_deep3d(tmp_path_factory.mktemp("bfm")))


def test_counts_units_and_frame(found, arrays):
    model = found.model
    assert (model.identity_count, model.expression_count, len(found.texture_modes)) == (80, 64, 80)
    assert not model.blendshapes
    check_model(model)
    np.testing.assert_allclose(model.mean.mean(axis=0), 0, atol=1e-3)
    base = load_model()
    points, expected = model.landmarks(model.mean), base.landmarks(base.mean)
    np.testing.assert_allclose(points[45] - points[36], expected[45] - expected[36], atol=3)  # mm, the left at +x
    assert points[30, 2] > points[:17, 2].max()  # the nose points out of the face
    mesh = Mesh(model.mean, model.triangles)
    normals = vertex_normals(mesh.vertices, mesh.triangles)[found.front]
    assert (normals[:, 2] > 0).mean() > 0.75  # but for lids, lips and nostrils


def test_decoding_is_the_files_own(found, arrays):
    rng = np.random.default_rng(1)
    identity, expression, texture = (rng.normal(size=n) for n in (80, 64, 80))
    published = arrays["meanshape"][0] + arrays["idBase"] @ identity + arrays["exBase"] @ expression
    expected = (published.reshape(-1, 3) - arrays["meanshape"].reshape(-1, 3).mean(axis=0)) * 100
    np.testing.assert_allclose(found.model.vertices(identity, expression), expected, atol=2e-3)
    colours = found.texture_mean + np.tensordot(texture, found.texture_modes, 1)
    np.testing.assert_allclose(
        colours.ravel(), arrays["meantex"][0] + arrays["texBase"] @ texture, rtol=1e-4, atol=1e-3
    )
    assert 0.2 < found.model.albedo.mean() < 0.4  # linear: 150 of 255 in sRGB is 0.3


def test_indices_count_from_zero(found, arrays):
    np.testing.assert_array_equal(found.model.landmarks68[:, 0], arrays["keypoints"][0] - 1)
    np.testing.assert_array_equal(found.model.triangles, arrays["tri"] - 1)
    for vertex in (0, 100, len(found.point_buf) - 1):
        listed = found.point_buf[vertex][found.point_buf[vertex] < len(found.model.triangles)]
        assert (found.model.triangles[listed] == vertex).any(axis=1).all()
        assert len(listed) > 0
    assert found.front.sum() == len(arrays["frontmask2_idx"])


def test_it_can_be_kept_as_a_model_of_ours(found, tmp_path):
    write_model(found.model, tmp_path / "bfm.safetensors")
    kept = read_model(tmp_path / "bfm.safetensors")
    identity = np.random.default_rng(0).normal(size=80)
    np.testing.assert_allclose(kept.vertices(identity), found.model.vertices(identity), atol=0.1)
    assert kept.licence.startswith("Basel")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"idBase": None}, "lacks idBase"),
        ({"idBase": np.zeros((30, 80))}, "idBase has shape"),
        ({"exBase": "text"}, "hold no numbers"),
        ({"keypoints": np.ones((1, 60))}, "60 keypoints"),
        ({"tri": np.zeros((5, 3))}, "indices from 1"),
        ({"tri": np.ones((5, 4))}, "rows of 3"),
        ({"skinmask": np.ones((1, 9))}, "skinmask has 9"),
    ],
)
def test_files_that_do_not_fit_together(tmp_path, changes, words):
    with pytest.raises(AssetError, match=words):
        read_deep3d(write_deep3d(tmp_path, **changes))


def test_a_file_that_counts_from_zero_or_in_another_unit_is_refused(tmp_path, arrays):
    shifted = np.maximum(arrays["point_buf"] - 1, 1)
    with pytest.raises(AssetError, match="away from their vertex"):
        read_deep3d(write_deep3d(tmp_path, point_buf=shifted))
    with pytest.raises(AssetError, match="outer eye corners"):
        read_deep3d(write_deep3d(tmp_path, meanshape=arrays["meanshape"] * 100))
    mirrored = arrays["meanshape"].reshape(-1, 3) * [-1, 1, 1]
    with pytest.raises(AssetError, match="left at larger x"):
        read_deep3d(write_deep3d(tmp_path, meanshape=mirrored.reshape(1, -1)))


def test_files_of_another_kind(tmp_path):
    with pytest.raises(AssetError, match="no such file"):
        read_deep3d(tmp_path / "nothing.mat")
    (tmp_path / "text.mat").write_text("not a model")
    with pytest.raises(AssetError, match="not a readable MATLAB file"):
        read_deep3d(tmp_path / "text.mat")


def test_mirror_partners_are_pairs_across_the_middle():
    rng = np.random.default_rng(0)
    right = rng.uniform([1, -50, -50], [80, 50, 50], size=(200, 3))
    middle = np.concatenate([np.zeros((5, 1)), rng.uniform(-50, 50, size=(5, 2))], axis=1)
    lonely = np.array([[60.0, 90.0, 0.0]])
    mean = np.concatenate([right, right * [-1, 1, 1] + rng.normal(scale=0.1, size=right.shape), middle, lonely])
    partners = mirror_partners(mean)
    np.testing.assert_array_equal(partners[partners], np.arange(len(mean)))
    assert (partners[:200] == np.arange(200) + 200).mean() > 0.95
    np.testing.assert_array_equal(partners[400:], np.arange(400, 406))


def test_unrolled_faces_do_not_fold(found):
    uv = cylindrical_uv(found.model.mean)
    assert uv.min() >= 0
    assert uv.max() <= 1
    a, b, c = (uv[found.model.triangles[:, k]] for k in range(3))
    area = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    assert area[area > 0].sum() > 20 * -area[area < 0].sum()  # but for lips and nostrils
    points = uv[found.model.landmarks68[:, 0]]
    assert points[45, 0] > points[36, 0]  # u grows to the subject's left
    assert points[27, 1] > points[8, 1]

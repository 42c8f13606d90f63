from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

torch = pytest.importorskip("torch")

from two_dasl_sample import MESH, MIRROR, TINY, made_up_3d  # noqa: E402

from facefuse.errors import UnusableInput, UsageError  # noqa: E402
from facefuse.learning.landmarks.augment import Placement  # noqa: E402
from facefuse.learning.two_dasl.folder_2d import read_folder  # noqa: E402
from facefuse.learning.two_dasl.lp300w import LpPhotos, moved_label, read_label  # noqa: E402
from facefuse.learning.two_dasl.sources import Sources, read_sets, with_mesh  # noqa: E402
from facefuse.learning.two_dasl.space62 import WhitenedSpace  # noqa: E402
from facefuse.learning.two_dasl.synthetic import joined, load_sample, save_sample  # noqa: E402
from facefuse.morphable.importers.bfm_3ddfa import Bfm3ddfa  # noqa: E402
from facefuse.morphable.importers.lp_labels import euler_matrix  # noqa: E402

HEIGHT = 220


def bfm(seed: int = 0) -> Bfm3ddfa:
    rng = np.random.default_rng(seed)
    mean = rng.normal(0, 4e4, (90, 3)).astype(np.float32)
    std = np.concatenate([np.full(12, 3e-4), np.full(40, 1e4), np.full(10, 0.5)]).astype(np.float32)
    std[[3, 7, 11]] = 18.0
    return Bfm3ddfa(
        mean=mean,
        shape_basis=rng.normal(0, 0.1, (40, 90, 3)).astype(np.float32),
        expression_basis=rng.normal(0, 2e3, (10, 90, 3)).astype(np.float32),
        keypoints=np.arange(68),
        triangles=np.zeros((0, 3), np.int64),
        parameter_mean=np.zeros(62, np.float32),
        parameter_std=std,
    )


def write_lp(folder: Path, count: int = 4) -> None:
    rng = np.random.default_rng(3)
    folder.mkdir()
    for k in range(count):
        Image.fromarray(rng.integers(0, 256, (HEIGHT, HEIGHT, 3)).astype(np.uint8)).save(folder / f"image{k}.jpg")
        pose = np.array([[0.1, -0.6 + 0.4 * k, 0.2, 110.0, 115.0, -40.0, 6e-4]])
        shape, expression = rng.normal(0, 1e4, (199, 1)), rng.normal(0, 0.5, (29, 1))
        savemat(folder / f"image{k}.mat", {"Pose_Para": pose, "Shape_Para": shape, "Exp_Para": expression})


def test_labels_of_300w_lp_follow_their_photos_into_crops(tmp_path: Path) -> None:
    write_lp(tmp_path / "lp")
    model = bfm()
    photos = LpPhotos(tmp_path / "lp", model, TINY.data)
    assert len(photos) == 4
    batch = photos.draw(6, 62, np.random.default_rng(0))
    space = WhitenedSpace(model, np.arange(0))
    placed = space.place(torch.from_numpy(batch.truth))
    np.testing.assert_allclose(placed.points.numpy(), batch.points, atol=0.05)
    assert batch.crops.shape == (6, 48, 48, 3)
    with pytest.raises(ValueError, match="62 parameters"):
        photos.draw(2, 50, np.random.default_rng(0))


def test_a_moved_label_keeps_depth_and_shape() -> None:
    rng = np.random.default_rng(1)
    label = np.concatenate([np.zeros(12), rng.normal(size=50)])[None]
    matrix = np.concatenate([7e-4 * euler_matrix(0.2, 0.5, -0.1), [[100.0], [120.0], [-30.0]]], axis=1)
    label[0, :12] = matrix.reshape(-1)
    placement = Placement(np.array([[110.0, 100.0]]), np.array([150.0]), np.array([0.4]), np.array([False]))
    moved = moved_label(label, placement, HEIGHT)
    rows = moved[0, :12].reshape(3, 4)[:, :3]
    scale = 7e-4 * 120.0 / 150.0
    np.testing.assert_allclose(rows @ rows.T, scale**2 * np.eye(3), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(rows), scale**3, rtol=1e-9)
    np.testing.assert_array_equal(moved[0, 12:], label[0, 12:])


def test_other_mat_files_are_refused(tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"Pose_Para": np.zeros((1, 7)), "Shape_Para": np.zeros((100, 1))})
    with pytest.raises(UnusableInput, match="not a label"):
        read_label(tmp_path / "a.mat")
    with pytest.raises(UnusableInput, match="no photo with its"):
        LpPhotos(tmp_path, bfm(), TINY.data)


def test_real_labels_of_the_same_format_are_read(shared_data: Path, tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(shared_data / "aflw2000" / "AFLW2000-3D.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".mat")][:40]
        for name in names:
            (tmp_path / "one.mat").write_bytes(archive.read(name))
            label = read_label(tmp_path / "one.mat")
            rows = label[:12].reshape(3, 4)[:, :3]
            scale = np.linalg.norm(rows[0])
            np.testing.assert_allclose(rows @ rows.T, scale**2 * np.eye(3), atol=1e-6 * scale**2 + 1e-12)
            assert 1e-4 < scale < 1e-2  # px per µm
            assert 0.0 < label[3] < 450.0


def test_the_published_space_decodes_like_the_importer() -> None:
    model = bfm()
    space = WhitenedSpace(model, np.array([70, 80]))
    values = torch.randn(3, 62, generator=torch.Generator().manual_seed(0))
    placed = space.place(values)
    expected = model.project(model.unwhiten(values.numpy()))
    chosen = [*model.keypoints, 70, 80]
    np.testing.assert_allclose(placed.points.numpy(), expected[:, chosen, :2], rtol=1e-3, atol=0.05)
    np.testing.assert_allclose(placed.depth.numpy(), -expected[:, chosen, 2], rtol=1e-3, atol=0.05)


def test_published_weights_are_3ddfas() -> None:
    model = bfm()
    space = WhitenedSpace(model, np.array([70, 80]))
    values = torch.zeros(1, 62)
    impact = space.impacts(values)[0].numpy() / model.parameter_std
    vertices = model.vertices(np.zeros((1, 62)))[0][[*model.keypoints, 70, 80]]
    norms = np.linalg.norm(vertices, axis=0)
    np.testing.assert_allclose(impact[[0, 1, 2, 4, 5, 6, 8, 9, 10]], np.tile(norms, 3), rtol=1e-4)
    np.testing.assert_allclose(impact[[3, 7]], np.sqrt(70.0), rtol=1e-5)
    assert impact[11] == 0.0
    basis = model.shape_basis[:, [*model.keypoints, 70, 80]].reshape(40, -1)
    np.testing.assert_allclose(impact[12:52], 0.00057339936 * np.linalg.norm(basis, axis=1), rtol=1e-4)


def test_a_folder_of_photos_and_landmarks_is_set_i(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    photo = np.zeros((300, 400, 3), np.uint8)
    points = rng.uniform(100.0, 200.0, (2, 68, 2))
    for x, y in points[0]:
        photo[round(y), round(x)] = 255
    for k in range(2):
        Image.fromarray(photo).save(tmp_path / f"{k}.png")
    np.savez(tmp_path / "landmarks.npz", names=np.array(["0.png", "1.png"]), landmarks68=points)
    found = read_folder(tmp_path, MESH, MIRROR, 5)
    assert found.faces.points.shape == (2, 71, 2)
    assert (found.faces.weight[:, :68] == 1).all()
    assert (found.faces.weight[:, 68:] == 0).all()
    assert np.isnan(found.scores).all()
    bright = found.faces.photos[0].max(axis=-1)
    near = [
        bright[round(y) - 1 : round(y) + 2, round(x) - 1 : round(x) + 2].max() for x, y in found.faces.points[0, :68]
    ]
    assert np.mean(np.array(near) > 60) > 0.95
    with pytest.raises(UnusableInput, match="no landmarks"):
        read_folder(tmp_path / "none", MESH, MIRROR, 5)
    np.savez(tmp_path / "landmarks.npz", names=np.array(["0.png"]), landmarks68=points)
    with pytest.raises(UnusableInput, match="1 names"):
        read_folder(tmp_path, MESH, MIRROR, 5)


def test_stored_photos_come_back_and_join(tmp_path: Path) -> None:
    sample = made_up_3d(3)
    save_sample(sample, tmp_path / "a.npz")
    found = joined([load_sample(tmp_path / "a.npz")] * 2)
    assert len(found) == 6
    np.testing.assert_array_equal(found.photos[3:], sample.photos)
    with pytest.raises(UnusableInput, match="not a file of synthetic photos"):
        load_sample(tmp_path / "none.npz")
    (tmp_path / "b.npz").write_bytes(b"PK nonsense")
    with pytest.raises(UnusableInput):
        load_sample(tmp_path / "b.npz")


def test_mesh_points_are_chosen_by_number() -> None:
    sample = replace(made_up_3d(2), points=np.arange(2 * 78 * 2.0).reshape(2, 78, 2), weight=np.ones((2, 78)))
    found = with_mesh(sample, np.array([0, 7]))
    np.testing.assert_array_equal(found.points[:, 68:], sample.points[:, [68, 75]])
    assert found.weight.shape == (2, 70)


def test_missing_data_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="neither aflw/ nor photos/"):
        read_sets(TINY, Sources(tmp_path))
    with pytest.raises(UsageError, match="--face-model"):
        read_sets(replace(TINY, space="bfm62"), Sources(tmp_path))
    only_3d = replace(TINY, data=replace(TINY.data, labelled_2d=0))
    with pytest.raises(UsageError, match="no synthetic"):
        read_sets(only_3d, Sources(tmp_path))


def test_sources_survive_json(tmp_path: Path) -> None:
    sources = Sources(tmp_path, None, tmp_path / "m")
    assert Sources.from_plain(sources.to_plain()) == sources


def test_made_up_photos_feed_both_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    from facefuse.learning.two_dasl import sources as module

    monkeypatch.setattr(module, "MADE_UP_PHOTOS", 4)
    sets = read_sets(replace(TINY, data=replace(TINY.data, held_out=1)), Sources())
    assert sets.labelled_3d is not None
    assert sets.labelled_2d is not None
    assert sets.held_out is not None
    assert len(sets.held_out) == 1
    picture = io.BytesIO()
    Image.fromarray(sets.held_out.faces.photos[0]).save(picture, "PNG")
    assert len(picture.getvalue()) > 500  # not an empty picture

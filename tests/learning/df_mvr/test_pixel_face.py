import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from facefuse.errors import UnusableInput
from facefuse.evaluation.people import see_face
from facefuse.fitting import fit_face
from facefuse.geometry import rotmat_to_euler
from facefuse.learning.df_mvr.data import pixel_face
from facefuse.learning.df_mvr.data.pixel_face import (
    ANCHORS,
    NECK_KEYPOINTS,
    adult_scale,
    face_keypoints,
    find_samples,
    front_vertices,
    looks_mirrored,
    mirror_views,
    read_ground_truth,
)
from facefuse.morphable.registry import load_model

RNG = np.random.default_rng(0)


def store(path, upright):
    """Write a picture as the data set does: turned by 90° to the left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.rot90(upright, 1)).save(path, quality=100)


def pictures(height=40, width=24):
    """Three pictures, each with a bright top left corner."""
    out = RNG.integers(0, 60, (3, height, width, 3)).astype(np.uint8)
    out[:, :8, :8] = 250
    return out


def contest(root, subject="00331", expression="07", lines=106):
    folder = root / "train" / subject / expression / "Images"
    for view, upright in enumerate(pictures()):
        store(folder / str(view) / "t.jpg", upright)
    points = RNG.normal(size=(lines, 3))
    (folder / "fusion").mkdir()
    np.savetxt(folder / "fusion" / "nicp_106_pts.txt", points)
    return points


def struct(vertices, faces, keypoints):
    dtype = [(name, "O") for name in ("v", "f", "kpt_ind", "tex")]
    return np.array([[(vertices, faces, keypoints, vertices * 0)]], dtype=dtype)


def release(root, keypoints=None):
    folder = root / "000123"
    for view, upright in enumerate(pictures()):
        store(folder / str(view) / "t.bmp", upright)
    vertices = RNG.normal(size=(300, 3))
    indices = RNG.permutation(300)[:106] + 1 if keypoints is None else keypoints
    faces = RNG.integers(1, 301, (50, 3))
    faces[0] = 1, 2, 300
    (folder / "fusion").mkdir()
    scan = struct(vertices[:200], np.array([[1, 2, 200]]), RNG.integers(1, 201, (106, 1)))
    content = {"neck_obj09": struct(vertices, faces, indices[:, None]), "new_kpt_gt_obj": scan}
    savemat(folder / "fusion" / "gt.mat", content)
    return vertices, faces, indices


def test_contest_packing(tmp_path):
    points = contest(tmp_path)
    (sample,) = find_samples(tmp_path)
    assert (sample.subject, sample.expression, sample.packing) == ("00331", "07", "contest")
    np.testing.assert_allclose(sample.read_keypoints(), points * 100)
    for view in sample.read_views():
        assert view.shape == (40, 24, 3)
        assert view[:6, :6].min() > 200  # upright again, and not mirrored
        assert view[-6:].max() < 120


def test_release_packing(tmp_path):
    vertices, faces, indices = release(tmp_path)
    (sample,) = find_samples(tmp_path)
    assert (sample.subject, sample.packing) == ("000123", "release")
    np.testing.assert_allclose(sample.read_keypoints(), vertices[indices - 1] * 100)
    mesh, found = read_ground_truth(sample.truth, "registered")
    np.testing.assert_array_equal(mesh.triangles, faces - 1)
    np.testing.assert_array_equal(found, indices - 1)
    scan, _ = read_ground_truth(sample.truth, "scanned")
    assert scan.vertices.shape == (200, 3)
    assert sample.read_views()[0][:6, :6].min() > 200


def test_both_packings_together_and_incomplete_samples_left_out(tmp_path):
    contest(tmp_path)
    release(tmp_path)
    contest(tmp_path, expression="08")
    (tmp_path / "train" / "00331" / "08" / "Images" / "2" / "t.jpg").unlink()
    assert [sample.packing for sample in find_samples(tmp_path)] == ["release", "contest"]
    with pytest.raises(UnusableInput, match="no Pixel-Face sample"):
        find_samples(tmp_path / "val")


def test_damaged_truth_is_named(tmp_path):
    contest(tmp_path, lines=90)
    release(tmp_path, keypoints=np.arange(106))
    first, second = find_samples(tmp_path)
    with pytest.raises(UnusableInput, match=r"key points of neck_obj09 do not count from 1"):
        first.read_keypoints()
    with pytest.raises(UnusableInput, match=r"shape \(90, 3\)"):
        second.read_keypoints()
    first.truth.write_bytes(b"nothing")
    with pytest.raises(UnusableInput, match="no Pixel-Face ground truth"):
        read_ground_truth(first.truth, "scanned")


def test_key_points_carried_to_the_front_are_the_101():
    inside = RNG.permutation(53215)[:35709]
    outside = np.setdiff1d(np.arange(53215), inside)
    keypoints = RNG.choice(inside, 106, replace=False)
    keypoints[list(NECK_KEYPOINTS)] = outside[:5]
    found = front_vertices(keypoints, inside)
    assert len(found) == 101
    np.testing.assert_array_equal(inside[found], face_keypoints(keypoints))
    keypoints[40] = outside[9]
    with pytest.raises(UnusableInput, match="40"):
        front_vertices(keypoints, inside)


def test_a_set_that_is_not_metric_is_noticed():
    width = 1.18 * 89
    samples = []
    for _ in range(5):
        points = RNG.normal(size=(106, 3))
        kept = np.delete(np.arange(106), NECK_KEYPOINTS)
        points[kept[list(ANCHORS[:4])]] = np.array([[-0.5, 0, 0], [-0.2, 0, 0], [0.2, 0, 0], [0.5, 0, 0]]) * width
        samples.append(points)
    assert adult_scale(samples) == pytest.approx(1 / 1.18)


def test_mirroring_keeps_view_0_on_the_left():
    views = pictures()
    mirrored = mirror_views(list(views))
    np.testing.assert_array_equal(mirrored[0], views[2][:, ::-1])
    for view, again in zip(views, mirror_views(mirrored), strict=True):
        np.testing.assert_array_equal(view, again)
    assert looks_mirrored(-40, 38)
    assert not looks_mirrored(35, -42)
    with pytest.raises(UnusableInput, match="two sides"):
        looks_mirrored(35, 40)


def test_the_crops_of_df_mvr_are_mirrored(shared_data):
    samples = find_samples(shared_data / "multiview" / "pixel_face_crops")
    assert [(one.subject, one.expression, one.packing) for one in samples] == [
        ("00331", "07", "crops"),
        ("10075", "other_1", "crops"),
        ("10091", "other_2", "crops"),
    ]
    model = load_model()
    for sample in samples:
        assert {view.shape for view in sample.read_views()} == {(224, 224, 3)}
        fits = [fit_face(model, [see_face(path).observation()]).photos[0] for path in sample.images]
        yaw = [float(rotmat_to_euler(fit.camera.rotation)[0]) for fit in fits]
        assert abs(yaw[1]) < 15 < min(abs(yaw[0]), abs(yaw[2]))
        assert looks_mirrored(yaw[0], yaw[2])
    with pytest.raises(UnusableInput, match=r"no gt\.mat"):
        samples[0].read_keypoints()


def test_constants_agree_with_the_published_counts():
    assert len(face_keypoints(np.zeros((pixel_face.KEYPOINTS, 3)))) == 101
    assert max(ANCHORS) < 101

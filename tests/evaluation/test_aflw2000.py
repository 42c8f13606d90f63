import zipfile

import numpy as np
import pytest
from aflw_files import NAMES, YAWS, mat_bytes, published_points, write_aflw

from facefuse.errors import UnusableInput
from facefuse.evaluation.aflw2000 import AflwDataset, crop_to_face_box, published_crop, read_annotation


def write_protocol(path, names=NAMES, boxes=None, **more):
    count = len(names)
    boxes = np.tile([10.0, 20, 109, 119], (count, 1)) if boxes is None else boxes
    points = np.arange(count * 136, dtype=np.float32).reshape(count, 2, 68)
    np.savez(path, names=np.array(names), roi_box=boxes, landmarks68_reannotated=points, **more)
    return points


@pytest.mark.parametrize("zipped", [False, True])
def test_published_files_are_read_in_our_pixels(tmp_path, zipped):
    path = write_aflw(tmp_path / "data")
    if zipped:
        path = tmp_path / "AFLW2000-3D.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for file in (tmp_path / "data").rglob("*.*"):
                archive.write(file, file.relative_to(tmp_path / "data"))
    data = AflwDataset(path)
    assert data.names == NAMES
    assert len(data) == 4
    assert not data.has_reannotation
    for index, yaw in enumerate(YAWS):
        sample = data[index]
        points = published_points(index).T
        np.testing.assert_allclose(sample.points[:, :2], points[:, :2] - 1, atol=1e-5)
        np.testing.assert_allclose(sample.points[:, 2], points[:, 2], atol=1e-5)
        np.testing.assert_allclose(sample.angles, [yaw, np.rad2deg(0.1), np.rad2deg(-0.2)], atol=1e-4)
        assert sample.pixels.shape == (160, 160, 3)
        assert sample.reannotated is None


def test_published_crop_by_hand():
    # 40 wide, 20 high about (50, 60); the side is 56.57, so columns 22 (21.7) to 79 and rows 32 to 89
    points = np.array([[30.0, 50.0], [70.0, 70.0], [40.0, 60.0]])
    crop = published_crop(points)
    assert crop.tolist() == [22, 32, 79, 89]
    near_border = published_crop(points - [25, 45])
    assert near_border.tolist() == [-3, -13, 54, 44]
    box = crop_to_face_box(crop)
    centre, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2 * np.sqrt(2)
    # enlarged by the square root of two it reaches from the outer edge of column 22 - 1 to that of column 79 - 1
    np.testing.assert_allclose(np.concatenate([centre - half, centre + half]), [20.5, 30.5, 78.5, 88.5])


@pytest.mark.parametrize("beside", [True, False])
def test_protocol_boxes_and_reannotation(tmp_path, beside):
    folder = write_aflw(tmp_path / "data")
    boxes = np.tile([10.0, 20, 109, 119], (4, 1))
    boxes[1] = [1, 20, 100, 119]  # cut at the border: the rule's crop stands
    boxes[2] = [70, 90, 160, 160]
    points = write_protocol((tmp_path if beside else folder) / "protocol.npz", boxes=boxes)
    data = AflwDataset(folder)
    assert data.has_reannotation
    for index in (0, 3):
        np.testing.assert_allclose(data[index].box, crop_to_face_box(boxes[index]))
    for index in (1, 2):
        rule = published_crop(published_points(index)[:2].T)
        np.testing.assert_allclose(data[index].box, crop_to_face_box(rule))
    np.testing.assert_allclose(data[2].reannotated, points[2].T - 1)


def test_a_protocol_that_does_not_fit_says_so(tmp_path):
    folder = write_aflw(tmp_path / "data")
    path = folder / "protocol.npz"
    write_protocol(path, names=NAMES[:2])
    with pytest.raises(UnusableInput, match="does not list image00004 and 1 more"):
        AflwDataset(folder)
    write_protocol(path, boxes=np.zeros((4, 3)))
    with pytest.raises(UnusableInput, match="expected"):
        AflwDataset(folder)
    path.write_bytes(b"PK nonsense")
    with pytest.raises(UnusableInput, match="not a readable protocol"):
        AflwDataset(folder)
    np.savez(path, names=np.array([{"a": 1}], dtype=object), roi_box=np.zeros((1, 4)))
    with pytest.raises(UnusableInput, match="not a readable protocol"):
        AflwDataset(folder)


def test_a_folder_without_pairs_says_so(tmp_path):
    (tmp_path / "image00002.jpg").write_bytes(b"x")
    with pytest.raises(UnusableInput, match=r"no photo with its \.mat"):
        AflwDataset(tmp_path)


def test_a_damaged_annotation_names_its_file(tmp_path):
    folder = write_aflw(tmp_path / "data")
    (folder / "AFLW2000" / f"{NAMES[1]}.mat").write_bytes(b"\x00" * 300)
    data = AflwDataset(folder)
    assert data[0].name == NAMES[0]
    with pytest.raises(UnusableInput, match=rf"{NAMES[1]}.mat is no AFLW2000-3D annotation"):
        data[1]


@pytest.mark.parametrize(
    "content",
    [
        b"MATLAB 5.0",
        mat_bytes(pt3d_68=np.zeros((3, 67)), Pose_Para=np.zeros((1, 7))),
        mat_bytes(pt3d_68=np.zeros((3, 68))),
        mat_bytes(pt3d_68=np.full((3, 68), np.nan), Pose_Para=np.zeros((1, 7))),
        b"\x80\x04K\x01.",
    ],
)
def test_other_content_is_refused(content):
    with pytest.raises(ValueError, match=r"MATLAB 5|expected"):
        read_annotation(content)


def test_the_real_files_agree_with_their_protocol(shared_data):
    data = AflwDataset(shared_data / "aflw2000" / "AFLW2000-3D.zip")
    with np.load(shared_data / "aflw2000" / "protocol.npz") as protocol:
        assert len(data) == len(protocol["names"])
        where = {str(name): k for k, name in enumerate(protocol["names"])}
        for index in range(0, len(data), 53):
            sample, k = data[index], where[data.names[index]]
            np.testing.assert_allclose(sample.points + np.array([1, 1, 0]), protocol["landmarks68"][k].T, atol=1e-4)
            assert sample.angles[0] == pytest.approx(protocol["yaw_deg"][k], abs=1e-3)
            stored = protocol["roi_box"][k]
            if stored.min() > 1 and stored.max() < 450:
                assert published_crop(protocol["landmarks68"][k, :2].T).tolist() == stored.tolist()

import struct

import numpy as np
import pytest

from facefuse.errors import UnusableInput
from facefuse.geometry.mesh import triangle_normals
from facefuse.learning.df_mvr.data.bosphorus import (
    eye_corners,
    find_scans,
    read_landmarks,
    read_scan,
    view_triplets,
)

BACKGROUND = -1e9


def surface(rows=12, columns=10, step=3.0, downwards=False):
    """A bulging grid, lowest row first, with unknown corners."""
    y, x = np.meshgrid((np.arange(rows) - rows / 2) * step, (np.arange(columns) - columns / 2) * step, indexing="ij")
    z = 80 - (x**2 + y**2) / 60
    known = x**2 + y**2 < 200
    grid = np.stack([x, y, np.where(known, z, BACKGROUND)], axis=-1)
    return (grid[::-1], known[::-1]) if downwards else (grid, known)


def write_scan(path, grid, numbers=None):
    rows, columns = grid.shape[:2]
    name = b"bs000_N_N_0.png"
    flat = grid.reshape(-1, 3)
    values = np.concatenate([flat, np.zeros((len(flat), 2))], axis=1).T
    head = struct.pack("<HHdH", rows, columns, BACKGROUND, len(name)) + name
    path.write_bytes(
        head + struct.pack("<I", values.size if numbers is None else numbers) + values.astype("<f8").tobytes()
    )


@pytest.mark.parametrize("downwards", [False, True])
def test_a_scan_faces_the_camera_without_its_background(tmp_path, downwards):
    grid, known = surface(downwards=downwards)
    write_scan(tmp_path / "a.bnt", grid)
    mesh = read_scan(tmp_path / "a.bnt")
    np.testing.assert_allclose(mesh.vertices, grid[known])
    assert len(mesh.triangles) > 80
    assert (triangle_normals(mesh.vertices, mesh.triangles)[:, 2] > 0).all()


def test_no_triangle_spans_a_step_in_depth(tmp_path):
    grid, _ = surface()
    grid = np.where((grid[..., :1] > 0) & (grid[..., 2:] > 0), grid + np.array([0, 0, 40.0]), grid)
    write_scan(tmp_path / "a.bnt", grid)
    mesh = read_scan(tmp_path / "a.bnt")
    depth = mesh.vertices[mesh.triangles][..., 2]
    assert np.ptp(depth, axis=1).max() < 8


def test_damaged_scans(tmp_path):
    path = tmp_path / "a.bnt"
    with pytest.raises(UnusableInput, match="no such file"):
        read_scan(path)
    path.write_bytes(b"\x01\x02")
    with pytest.raises(UnusableInput, match="not a Bosphorus range file"):
        read_scan(path)
    write_scan(path, surface()[0])
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(UnusableInput, match="cut short"):
        read_scan(path)
    write_scan(path, surface()[0], numbers=50)
    with pytest.raises(UnusableInput, match="10 points in a grid of 12 by 10"):
        read_scan(path)


def test_names_tell_pose_and_triplets_are_of_one_person(tmp_path):
    names = ["bs000_N_N_0", "bs000_YR_L45_0", "bs000_YR_R45_0", "bs000_E_HAPPY_0", "bs000_CR_RD_0", "bs001_N_N_0"]
    names += ["bs001_YR_R45_0", "bs000_O_EYEGLASSES_0", "bs000_CAU_A12A15_0", "bs000_YR_R20_0"]
    for name in names:
        (tmp_path / f"{name}.bnt").write_bytes(b"")
    (tmp_path / "notes.bnt").write_bytes(b"")
    scans = find_scans(tmp_path)
    assert len(scans) == len(names)
    by_name = {scan.bnt.stem: scan for scan in scans}
    assert by_name["bs000_YR_R45_0"].turn == ("R", 45)
    assert by_name["bs000_N_N_0"].turn == ("", 0)
    assert by_name["bs000_E_HAPPY_0"].turn is None
    assert by_name["bs000_E_HAPPY_0"].what == "HAPPY"
    assert by_name["bs000_N_N_0"].photo.name == "bs000_N_N_0.png"
    assert by_name["bs000_N_N_0"].landmarks.suffix == ".lm3"
    (triplet,) = view_triplets(scans)
    assert [scan.bnt.stem for scan in triplet] == ["bs000_YR_L45_0", "bs000_N_N_0", "bs000_YR_R45_0"]
    assert view_triplets(scans, degrees=20) == ()
    with pytest.raises(UnusableInput, match="no Bosphorus scan"):
        find_scans(tmp_path / "nowhere")


LANDMARKS = """# 3D landmark file

4 landmarks:
Outer left eye corner
-45.5 30.0 60.0
Inner left eye corner
-18.0 30.0 70.0
Inner right eye corner
17.0 30.5 70.0
Outer right eye corner
46.0 31.0 61.0
"""


@pytest.mark.parametrize("named_by_the_subject", [False, True])
def test_eye_corners_go_by_geometry_whatever_left_means(tmp_path, named_by_the_subject):
    text = LANDMARKS
    if named_by_the_subject:
        text = text.replace("left", "?").replace("right", "left").replace("?", "right")
    (tmp_path / "a.lm3").write_text(text)
    found = read_landmarks(tmp_path / "a.lm3")
    assert len(found) == 4
    np.testing.assert_allclose(eye_corners(found)[:, 0], [-45.5, -18, 17, 46])
    del found["Inner left eye corner"]
    with pytest.raises(UnusableInput, match="Inner left eye corner"):
        eye_corners(found)


def test_damaged_landmarks(tmp_path):
    path = tmp_path / "a.lm3"
    for text in ("", "no numbers", LANDMARKS[:120], LANDMARKS.replace("46.0 31.0", "46.0")):
        path.write_text(text)
        with pytest.raises(UnusableInput, match="no Bosphorus landmarks"):
            read_landmarks(path)
    with pytest.raises(UnusableInput, match=r"b\.lm3"):
        read_landmarks(tmp_path / "b.lm3")

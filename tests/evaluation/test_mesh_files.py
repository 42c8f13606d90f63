import json

import numpy as np
import pytest
import trimesh

from facefuse.errors import UnusableInput
from facefuse.evaluation.mesh_files import NOW_LANDMARKS, read_landmarks, read_mesh

VERTICES = np.array([[0, 0, 0], [10, 0, 0], [10, 10, 0], [0, 10, 5]], float)


def test_obj_keeps_vertices_and_splits_polygons(tmp_path):
    path = tmp_path / "m.obj"
    corners = "".join(f"v {x} {y} {z} 0.5 0.5 0.5\n" for x, y, z in VERTICES)
    path.write_text(f"mtllib x.mtl\n{corners}vt 0 0\nvt 1 1\nf 1/1 2/2 3/1 4/2\nf -4//1 -2//1 -1//1\n")
    mesh = read_mesh(path)
    np.testing.assert_allclose(mesh.vertices, VERTICES)
    assert mesh.triangles.tolist() == [[0, 1, 2], [0, 2, 3], [0, 2, 3]]


@pytest.mark.parametrize("encoding", ["ascii", "binary"])
def test_ply_round_trip(tmp_path, encoding):
    path = tmp_path / "m.ply"
    trimesh.Trimesh(VERTICES, [[0, 1, 2], [0, 2, 3]], process=False).export(path, encoding=encoding)
    mesh = read_mesh(path)
    np.testing.assert_allclose(mesh.vertices, VERTICES)
    assert mesh.triangles.tolist() == [[0, 1, 2], [0, 2, 3]]


def test_a_point_cloud_has_no_triangles(tmp_path):
    path = tmp_path / "m.ply"
    trimesh.PointCloud(VERTICES).export(path)
    assert read_mesh(path).triangles.shape == (0, 3)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("m.ply", b"ply\nformat binary_little_endian 1.0\nelement vertex 99\nproperty float x\n", "PLY"),
        ("m.ply", b"\x00" * 50, "PLY"),
        ("m.obj", b"v 0 0 zero\n", "OBJ"),
        ("m.obj", b"", "0 vertices"),
        ("m.obj", b"v 0 0 0\nf 1 2 3\n", "does not exist"),
        ("m.obj", b"v nan 0 0\n", "finite"),
        ("m.stl", b"solid", "suffix|.ply or .obj"),
    ],
)
def test_damaged_files_say_so(tmp_path, name, content, reason):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UnusableInput, match=reason):
        read_mesh(path)


def test_a_missing_or_huge_file_says_so(tmp_path, monkeypatch):
    with pytest.raises(UnusableInput, match="no such file"):
        read_mesh(tmp_path / "m.ply")
    monkeypatch.setattr("facefuse.evaluation.mesh_files.MAX_MESH_BYTES", 3)
    (tmp_path / "m.ply").write_bytes(b"ply\n")
    with pytest.raises(UnusableInput, match="more than"):
        read_mesh(tmp_path / "m.ply")


def test_landmarks_from_seven_lines_68_lines_and_json(tmp_path):
    points = np.arange(204, dtype=float).reshape(68, 3)
    seven = points[list(NOW_LANDMARKS)]
    (tmp_path / "a.txt").write_text("# right eye first\n" + "\n".join(f"{x}, {y}, {z}" for x, y, z in seven))
    (tmp_path / "b.txt").write_text("\n".join(f"{x} {y} {z}" for x, y, z in points))
    (tmp_path / "c.json").write_text(json.dumps({"landmarks68_mm": points.tolist()}))
    for name in ("a.txt", "b.txt", "c.json"):
        np.testing.assert_array_equal(read_landmarks(tmp_path / name), seven)


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.txt", "1 2 3\n4 5 6"), ("a.txt", "1 2 3\n4 5"), ("a.txt", "x y z"), ("a.json", "{}"), ("a.json", "[1")],
)
def test_bad_landmarks_say_so(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(UnusableInput, match=r"landmarks|expected 7 or 68"):
        read_landmarks(tmp_path / name)

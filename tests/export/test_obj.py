"""head.obj, read back by a parser of the format."""

from __future__ import annotations

import io

import numpy as np
import trimesh

from facefuse.export.obj import format_rows, material_library, mesh_to_obj
from facefuse.geometry.mesh import vertex_normals


def parse(text):
    rows = {"v": [], "vt": [], "vn": [], "f": [], "usemtl": []}
    material = None
    for line in text.splitlines():
        key, *values = line.split()
        if key == "f":
            corners = [[int(index) for index in value.split("/")] for value in values]
            rows["f"].append(corners)
            rows["usemtl"].append(material)
        elif key == "usemtl":
            material = values[0]
        elif key in ("v", "vt", "vn"):
            rows[key].append([float(value) for value in values])
    return {key: np.array(value) for key, value in rows.items()}


def test_numbers_are_written_as_python_writes_them():
    rng = np.random.default_rng(0)
    numbers = np.concatenate([rng.normal(size=(50, 3)) * [0.01, 1, 1e5], [[0, -0.00004, 9.99996], [1e12, -7, 0.5]]])
    expected = "".join("v {:.4f} {:.4f} {:.4f}\n".format(*row) for row in numbers).replace("-0.0000", "0.0000")
    assert format_rows("v", numbers, 4).decode() == expected
    corners = rng.integers(1, 20000, (20, 6))
    expected = "".join("f {}/{}/{} {}/{}/{}\n".format(*row) for row in corners)
    assert format_rows("f", corners, 0, " // //").decode() == expected


def test_everything_is_there_in_the_order_of_the_model(model, reconstruction):
    vertices = reconstruction.mesh.vertices
    rows = parse(mesh_to_obj(model, vertices, "head.mtl", "neutral head").decode())
    np.testing.assert_allclose(rows["v"], vertices, atol=1e-4)
    np.testing.assert_allclose(rows["vt"], model.uv, atol=1e-6)
    np.testing.assert_allclose(rows["vn"], vertex_normals(vertices, model.triangles), atol=1e-4)
    expected = np.stack([model.triangles, model.uv_triangles, model.triangles], -1) + 1
    order = np.lexsort(expected.reshape(len(expected), -1).T)
    found = np.lexsort(rows["f"].reshape(len(expected), -1).T)
    assert (rows["f"][found] == expected[order]).all()
    assert {name: int((rows["usemtl"] == name).sum()) for name in ("skin", "eyes", "mouth")} == {
        "skin": 1472,
        "eyes": 160,
        "mouth": 48,
    }


def test_header_says_the_frame(model, reconstruction):
    text = mesh_to_obj(model, reconstruction.mesh.vertices, "head.mtl", "neutral head").decode()
    header = [line for line in text.splitlines() if line.startswith("#")]
    assert any("Millimetres, model frame" in line for line in header)
    assert any("neutral head" in line for line in header)
    assert "mtllib head.mtl" in text


def test_materials_used_are_defined(model, reconstruction):
    text = mesh_to_obj(model, reconstruction.mesh.vertices, "head.mtl", "neutral head").decode()
    library = material_library("head_texture.png").decode()
    defined = {line.split()[1] for line in library.splitlines() if line.startswith("newmtl")}
    used = {line.split()[1] for line in text.splitlines() if line.startswith("usemtl")}
    assert used <= defined
    assert library.count("map_Kd head_texture.png") == len(defined)


def test_trimesh_reads_it(model, reconstruction):
    data = mesh_to_obj(model, reconstruction.mesh.vertices, "head.mtl", "neutral head")
    mesh = trimesh.load(io.BytesIO(data), file_type="obj", process=False, force="mesh")
    assert len(mesh.faces) == len(model.triangles)
    np.testing.assert_allclose(mesh.bounds[1], reconstruction.mesh.vertices.max(0), atol=1e-3)

"""head.ply, read back by hand and by trimesh."""

from __future__ import annotations

import io

import numpy as np
import trimesh

from facefuse.export.ply import mesh_to_ply
from facefuse.export.textures import vertex_colours
from facefuse.geometry.mesh import vertex_normals


def test_bytes_are_what_the_header_says(model, reconstruction):
    vertices = reconstruction.mesh.vertices
    data = mesh_to_ply(model, vertices, reconstruction.texture, "neutral head")
    header, body = data.split(b"end_header\n", 1)
    lines = header.decode("ascii").splitlines()
    assert lines[:2] == ["ply", "format binary_little_endian 1.0"]
    assert any("millimetres, model frame" in line for line in lines)
    vertex_bytes = (6 * 4 + 3) * len(vertices)
    assert len(body) == vertex_bytes + 13 * len(model.triangles)
    names = [(name, "<f4") for name in ("x", "y", "z", "nx", "ny", "nz")] + [(name, "u1") for name in "rgb"]
    rows = np.frombuffer(body, np.dtype(names), len(vertices))
    np.testing.assert_allclose(np.stack([rows["x"], rows["y"], rows["z"]], 1), vertices, atol=1e-4)
    normals = vertex_normals(vertices, model.triangles)
    np.testing.assert_allclose(np.stack([rows["nx"], rows["ny"], rows["nz"]], 1), normals, atol=1e-6)
    faces = np.frombuffer(body[vertex_bytes:], np.dtype([("n", "u1"), ("corner", "<i4", (3,))]))
    assert (faces["n"] == 3).all()
    assert (faces["corner"] == model.triangles).all()


def test_trimesh_reads_it(model, reconstruction):
    data = mesh_to_ply(model, reconstruction.mesh.vertices, reconstruction.texture, "neutral head")
    mesh = trimesh.load(io.BytesIO(data), file_type="ply", process=False)
    np.testing.assert_allclose(mesh.vertices, reconstruction.mesh.vertices, atol=1e-4)
    assert (mesh.visual.vertex_colors[:, :3] == vertex_colours(model, reconstruction.texture)).all()


def test_a_name_that_is_not_ascii_leaves_the_header_readable(model, reconstruction):
    data = mesh_to_ply(model, reconstruction.mesh.vertices, reconstruction.texture, "head of Zoë")
    assert len(trimesh.load(io.BytesIO(data), file_type="ply", process=False).faces) == len(model.triangles)

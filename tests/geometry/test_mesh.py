from __future__ import annotations

import numpy as np
import pytest

from facefuse.geometry.mesh import triangle_normals, unique_edges, vertex_normals

# a cube with outward triangles
CORNERS = np.array([[x, y, z] for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)])
FACES = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
TRIANGLES = np.array([t for a, b, c, d in FACES for t in ((a, b, c), (a, c, d))])


def test_normals_of_a_cube_point_outwards() -> None:
    normals = vertex_normals(CORNERS, TRIANGLES)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1.0)
    assert ((normals * CORNERS).sum(1) > 0.8).all()
    np.testing.assert_allclose(np.linalg.norm(triangle_normals(CORNERS, TRIANGLES), axis=1), 4.0)


def test_normals_turn_with_the_mesh_and_take_batches() -> None:
    from facefuse.geometry import rotvec_to_rotmat

    rotmats = rotvec_to_rotmat(np.random.default_rng(0).normal(size=(4, 3)))
    turned = CORNERS @ np.swapaxes(rotmats, -1, -2)
    expected = vertex_normals(CORNERS, TRIANGLES) @ np.swapaxes(rotmats, -1, -2)
    np.testing.assert_allclose(vertex_normals(turned, TRIANGLES), expected, atol=1e-12)


def test_a_vertex_without_triangles_has_no_normal() -> None:
    normals = vertex_normals(np.vstack([CORNERS, [[9.0, 9.0, 9.0]]]), TRIANGLES)
    np.testing.assert_array_equal(normals[-1], 0.0)


def test_numpy_and_pytorch_agree_with_gradients() -> None:
    torch = pytest.importorskip("torch")
    vertices = CORNERS + np.random.default_rng(1).normal(scale=0.1, size=CORNERS.shape)
    tensor, triangles = torch.tensor(vertices, requires_grad=True), torch.tensor(TRIANGLES)
    np.testing.assert_allclose(vertex_normals(tensor, triangles).detach().numpy(), vertex_normals(vertices, TRIANGLES))
    assert torch.autograd.gradcheck(lambda v: vertex_normals(v, triangles), (tensor,))


def test_every_edge_once() -> None:
    edges = unique_edges(TRIANGLES)
    assert len(edges) == 18  # Euler: V - E + F = 2
    assert (edges[:, 0] < edges[:, 1]).all()

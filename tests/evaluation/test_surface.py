import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facefuse.evaluation.surface import TriangleSurface, boundary_triangles


def closest_by_search(point, corners):
    """The plain definition: the best of the plane, when the foot lies inside, and the three edges."""
    candidates = list(corners)
    for k in range(3):
        a, b = corners[k], corners[(k + 1) % 3]
        length = (b - a) @ (b - a)
        if length > 0:
            candidates.append(a + np.clip((point - a) @ (b - a) / length, 0, 1) * (b - a))
    normal = np.cross(corners[1] - corners[0], corners[2] - corners[0])
    if normal @ normal > 0:
        foot = point - ((point - corners[0]) @ normal) / (normal @ normal) * normal
        sides = [np.cross(corners[(k + 1) % 3] - corners[k], foot - corners[k]) @ normal for k in range(3)]
        if min(sides) >= 0:
            candidates.append(foot)
    return min(np.linalg.norm(point - c) for c in candidates)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 60), far=st.sampled_from([0.1, 1.0, 30.0]))
def test_distances_agree_with_brute_force(seed, count, far):
    rng = np.random.default_rng(seed)
    vertices = rng.normal(size=(20, 3))
    triangles = rng.integers(0, 20, size=(count, 3))  # some degenerate ones among them
    points = far * rng.normal(size=(8, 3))
    surface = TriangleSurface(vertices, triangles)
    result = surface.closest(points)
    expected = [min(closest_by_search(p, vertices[t]) for t in triangles) for p in points]
    np.testing.assert_allclose(result.distances, expected, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(result.points - points, axis=1), result.distances, atol=1e-9)
    for point, found, triangle in zip(points, result.distances, result.triangles, strict=True):
        assert found == pytest.approx(closest_by_search(point, vertices[triangles[triangle]]), abs=1e-9)
    hinted = surface.closest(points, rng.integers(0, count, len(points)))
    np.testing.assert_allclose(hinted.distances, expected, atol=1e-9)


def test_hand_computed_regions_of_one_triangle():
    surface = TriangleSurface(np.array([[0, 0, 0], [4, 0, 0], [0, 3, 0]], float), np.array([[0, 1, 2]]))
    points = np.array([[1, 1, 2], [-3, -4, 0], [2, -5, 0], [4, 3, 0], [0, 5, 0], [7, 0, 4]], float)
    # above the face, beyond a corner, beyond the two axes, beyond the long edge 3x + 4y = 12, corners again
    np.testing.assert_allclose(surface.closest(points).distances, [2, 5, 5, 12 / 5, 2, 5], atol=1e-12)
    np.testing.assert_allclose(surface.normals, [[0, 0, 1]])


def test_an_unusable_mesh_is_refused():
    vertices = np.zeros((3, 3))
    for triangles in (np.zeros((0, 3), int), np.array([[0, 1, 3]]), np.array([[0, 1, -1]])):
        with pytest.raises(ValueError, match="triangle"):
            TriangleSurface(vertices, triangles)
    with pytest.raises(ValueError, match="finite"):
        TriangleSurface(vertices * np.nan, np.array([[0, 1, 2]]))


def test_boundary_triangles_of_a_fan():
    closed = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 1]])
    assert boundary_triangles(closed).all()
    tetrahedron = np.concatenate([closed, [[1, 3, 2]]])
    assert not boundary_triangles(tetrahedron).any()

"""The rasteriser agrees with a plain reference written with exact integers."""

from __future__ import annotations

import numpy as np
import pytest

from facefuse.geometry import PinholeCamera, ScaledOrthographicCamera
from facefuse.rendering.rasterize import Fragments, rasterize, rasterize_camera, screen_vertices


def reference(vertices, triangles, width, height, perspective=True, cull_back=True):
    """One triangle after the other, every pixel, Python integers for coverage."""
    fixed = [[int(v) for v in row] for row in np.rint(vertices[:, :2] * 4096)]
    index = np.full((height, width), -1)
    depth = np.full((height, width), np.inf)
    weights = np.zeros((height, width, 3))
    for number, corners in enumerate(triangles):
        points = [fixed[i] for i in corners]
        area = (points[1][0] - points[0][0]) * (points[2][1] - points[0][1]) - (points[1][1] - points[0][1]) * (
            points[2][0] - points[0][0]
        )
        if area == 0 or (area > 0 and cull_back):
            continue
        sign = 1 if area > 0 else -1
        for y in range(height):
            for x in range(width):
                edges = []
                for k in range(3):
                    a, b = points[(k + 1) % 3], points[(k + 2) % 3]
                    if sign < 0:
                        a, b = b, a
                    dx, dy = b[0] - a[0], b[1] - a[1]
                    edge = dx * (y * 4096 - a[1]) - dy * (x * 4096 - a[0])
                    left_or_top = dy < 0 or (dy == 0 and dx > 0)
                    edges.append(edge if edge > 0 or (edge == 0 and left_or_top) else None)
                if None in edges:
                    continue
                w = np.array(edges, float)
                z = vertices[corners, 2]
                if perspective:
                    w /= z
                w /= w.sum()
                here = float(w @ z)
                if here < depth[y, x] - 1e-4 * abs(here):
                    index[y, x], depth[y, x], weights[y, x] = number, here, w
    return index, depth, weights


def soup(seed: int, count: int = 60, width: int = 40, height: int = 30):
    rng = np.random.default_rng(seed)
    vertices = np.column_stack(
        (rng.uniform(-8, width + 8, count * 2), rng.uniform(-8, height + 8, count * 2), rng.uniform(50, 500, count * 2))
    )
    # a third of the vertices sit exactly on pixel centres, where the fill rule decides
    vertices[::3, :2] = np.rint(vertices[::3, :2])
    return vertices, rng.integers(0, len(vertices), (count, 3))


@pytest.mark.parametrize("perspective", [True, False])
@pytest.mark.parametrize("cull_back", [True, False])
def test_agrees_with_the_reference(perspective: bool, cull_back: bool) -> None:
    vertices, triangles = soup(3 + perspective)
    got = rasterize(vertices, triangles, 40, 30, perspective=perspective, cull_back=cull_back)
    index, depth, weights = reference(vertices, triangles, 40, 30, perspective, cull_back)
    assert (index >= 0).mean() > 0.5
    np.testing.assert_array_equal(got.triangle, index)
    np.testing.assert_allclose(got.depth, depth, rtol=1e-4)
    np.testing.assert_allclose(got.barycentric, weights, atol=1e-5)


def test_every_pixel_of_a_tessellated_rectangle_belongs_to_exactly_one_triangle() -> None:
    rng = np.random.default_rng(0)
    x, y = np.meshgrid(np.arange(0, 25, 3.0), np.arange(0, 22, 3.0))
    inner = (x > 0) & (x < x.max()) & (y > 0) & (y < y.max())
    jitter = rng.integers(-2, 3, (2, *x.shape)) * 0.5  # many shared edges run exactly through pixel centres
    grid = np.stack((x + inner * jitter[0], y + inner * jitter[1], np.full_like(x, 7.0)), -1)
    rows, columns = x.shape
    number = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = number[:-1, :-1].ravel(), number[:-1, 1:].ravel(), number[1:, 1:].ravel(), number[1:, :-1].ravel()
    triangles = np.concatenate([np.stack((a, b, c), 1), np.stack((a, c, d), 1)])
    count = np.zeros((30, 30), int)
    for one in triangles:
        count += rasterize(grid.reshape(-1, 3), one[None], 30, 30, cull_back=False).mask
    assert (count[: int(y.max()), : int(x.max())] == 1).all()
    assert count.sum() == int(y.max()) * int(x.max())  # right and bottom borders belong to the next tile


def test_back_faces_are_those_that_a_camera_sees_clockwise() -> None:
    # counter-clockwise seen from +Z; the frontal camera looks along -Z of the model
    vertices = np.array([[-10.0, -10, 0], [10, -10, 0], [0, 10, 0]])
    triangle = np.array([[0, 1, 2]])
    front = PinholeCamera(100.0, np.array([15.5, 15.5]), np.diag([1.0, -1, -1]), np.array([0.0, 0, 100]))
    behind = PinholeCamera(100.0, np.array([15.5, 15.5]), np.diag([-1.0, -1, 1]), np.array([0.0, 0, 100]))
    assert rasterize_camera(vertices, triangle, front, 32, 32).mask.any()
    assert not rasterize_camera(vertices, triangle, behind, 32, 32).mask.any()
    assert rasterize_camera(vertices, triangle, behind, 32, 32, cull_back=False).mask.any()


def test_interpolated_position_projects_back_to_the_pixel() -> None:
    rng = np.random.default_rng(1)
    vertices = rng.normal(size=(3, 3)) * 20
    camera = PinholeCamera(60.0, np.array([31.5, 31.5]), np.diag([1.0, -1, -1]), np.array([0.0, 0, 80]))
    seen = rasterize_camera(vertices, np.array([[0, 1, 2]]), camera, 64, 64, cull_back=False)
    y, x = np.nonzero(seen.mask)
    assert len(x) > 50
    points = seen.barycentric[y, x].astype(float) @ vertices
    np.testing.assert_allclose(camera.project(points), np.stack((x, y), 1), atol=0.02)
    np.testing.assert_allclose(camera.depth(points), seen.depth[y, x], rtol=1e-3)


def test_orthographic_camera_matches_a_distant_pinhole() -> None:
    rng = np.random.default_rng(2)
    vertices, triangles = rng.normal(size=(30, 3)) * 10, rng.integers(0, 30, (40, 3))
    turn = np.diag([1.0, -1, -1])
    near = rasterize_camera(
        vertices, triangles, ScaledOrthographicCamera(1.0, turn, np.array([31.5, 31.5])), 64, 64, cull_back=False
    )
    far = rasterize_camera(
        vertices,
        triangles,
        PinholeCamera(1e6, np.array([31.5, 31.5]), turn, np.array([0.0, 0, 1e6])),
        64,
        64,
        cull_back=False,
    )
    assert near.mask.mean() > 0.1
    assert (near.triangle == far.triangle).mean() > 0.995


def test_triangles_behind_the_camera_are_dropped() -> None:
    vertices = np.array([[0.0, 0, 5], [0, 20, 5], [20, 0, -1], [20, 20, 5]])
    got = rasterize(vertices, np.array([[0, 1, 2], [0, 1, 3]]), 16, 16, cull_back=False)
    assert set(np.unique(got.triangle)) == {-1, 1}


def test_points_in_the_plane_of_the_camera_do_no_harm() -> None:
    camera = PinholeCamera(50.0, np.array([8.0, 8.0]), np.eye(3), np.zeros(3))
    vertices = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 10], [-1, -1, 10], [1, -1, 10], [0, 1, 10]])
    got = rasterize_camera(vertices, np.array([[0, 1, 2], [3, 4, 5]]), camera, 17, 17, cull_back=False)
    assert set(np.unique(got.triangle)) == {-1, 1}


def test_huge_coordinates_and_empty_meshes() -> None:
    vertices = np.array([[-1e7, -1e7, 5.0], [1e7, -1e7, 5], [0, 1e7, 5]])
    assert rasterize(vertices, np.array([[0, 1, 2]]), 8, 8, cull_back=False).mask.all()
    empty = rasterize(vertices, np.zeros((0, 3), int), 8, 8)
    assert not empty.mask.any()
    assert np.isinf(empty.depth).all()


def test_small_triangles_agree_with_the_reference() -> None:
    rng = np.random.default_rng(5)
    corners = rng.uniform((-2, -2, 50), (42, 32, 500), (400, 1, 3)) + rng.uniform(-1.4, 1.4, (400, 3, 3))
    corners[::2, :, :2] = np.rint(corners[::2, :, :2] * 2) / 2  # edges through pixel centres
    vertices, triangles = corners.reshape(-1, 3), np.arange(1200).reshape(-1, 3)
    for perspective in (True, False):
        got = rasterize(vertices, triangles, 40, 30, perspective=perspective, cull_back=False)
        index, depth, weights = reference(vertices, triangles, 40, 30, perspective, False)
        assert len(np.unique(index)) > 100
        np.testing.assert_array_equal(got.triangle, index)
        np.testing.assert_allclose(got.depth, depth, rtol=1e-4)
        np.testing.assert_allclose(got.barycentric, weights, atol=1e-4)


def test_a_batch_is_its_meshes_one_by_one_on_any_number_of_threads() -> None:
    meshes = np.stack([soup(seed)[0] for seed in range(5)])
    triangles = soup(0)[1]
    for threads in (1, 3):
        batch = rasterize(meshes, triangles, 40, 30, threads=threads)
        assert batch.mask.shape == (5, 30, 40)
        for n, mesh in enumerate(meshes):
            one = rasterize(mesh, triangles.astype(np.int32), 40, 30)
            for name in Fragments.__dataclass_fields__:
                np.testing.assert_array_equal(getattr(batch, name)[n], getattr(one, name))


def test_orthographic_depths_of_any_sign() -> None:
    vertices, triangles = soup(6)
    vertices[:, 2] -= 300
    got = rasterize(vertices, triangles, 40, 30, perspective=False, cull_back=False)
    expected = rasterize(vertices + np.array([0, 0, 1000]), triangles, 40, 30, perspective=False, cull_back=False)
    assert (got.depth[got.mask] < 0).any()
    np.testing.assert_array_equal(got.triangle, expected.triangle)
    np.testing.assert_allclose(got.depth[got.mask], expected.depth[got.mask] - 1000, atol=1e-3)


def test_of_two_surfaces_at_the_same_depth_the_lower_index_is_seen() -> None:
    vertices = np.array([[1.0, 1, 50], [20, 1, 50], [1, 20, 50]])
    got = rasterize(vertices, np.array([[0, 1, 2], [0, 1, 2], [2, 0, 1]]), 24, 24, cull_back=False)
    assert set(np.unique(got.triangle)) == {-1, 0}


def test_same_input_same_bits() -> None:
    vertices, triangles = soup(9, 400)
    first, second = (rasterize(vertices, triangles, 64, 48) for _ in range(2))
    for name in Fragments.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


@pytest.mark.parametrize(
    ("vertices", "triangles"),
    [
        (np.zeros((3, 2)), np.zeros((1, 3), int)),
        (np.zeros((3, 3)), np.array([[0, 1, 3]])),
        (np.zeros((3, 3)), np.array([[0, -1, 2]])),
        (np.zeros((3, 3)), np.array([[0, 1, 2**32]])),
        (np.zeros((3, 3)), np.zeros((1, 3))),
        (np.zeros((3, 3)), np.zeros((1, 4), int)),
    ],
)
def test_wrong_arrays_are_refused(vertices: np.ndarray, triangles: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"found|outside"):
        rasterize(vertices, triangles, 8, 8)


def test_screen_vertices_hold_pixels_and_depth() -> None:
    camera = PinholeCamera(100.0, np.array([10.0, 20.0]), np.diag([1.0, -1, -1]), np.array([0.0, 0, 500]))
    np.testing.assert_allclose(screen_vertices(np.array([[5.0, 10, 0]]), camera), [[11, 18, 500]])

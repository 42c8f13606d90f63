from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from facefuse.geometry.cameras import PinholeCamera, ScaledOrthographicCamera
from facefuse.geometry.rotations import euler_to_rotmat
from facefuse.rendering.maps import (
    LEAST_VISIBLE,
    MAPS,
    camera_normals,
    draw_maps,
    normalised_coordinates,
    viewing_cosine,
)

RADIUS, DISTANCE, FOCAL = 80.0, 500.0, 400.0
FRONTAL = np.diag([1.0, -1.0, -1.0])


def ball(rows: int = 40) -> SimpleNamespace:
    """A sphere whose left and right halves are two regions; texture coordinates from longitude and latitude."""
    v, u = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, 2 * rows), indexing="ij")
    polar, around = np.pi * (1 - v), 2 * np.pi * u - np.pi
    points = RADIUS * np.stack((np.sin(polar) * np.sin(around), np.cos(polar), np.sin(polar) * np.cos(around)), -1)
    number = np.arange(v.size).reshape(v.shape)
    a, b, c, d = (number[:-1, :-1], number[:-1, 1:], number[1:, 1:], number[1:, :-1])
    triangles = np.concatenate([np.stack(t, -1).reshape(-1, 3) for t in ((a, b, c), (a, c, d))])
    points = points.reshape(-1, 3)
    region = (points[triangles].mean(1)[:, 0] > 0).astype(np.int64)
    uv = np.stack((u, v), -1).reshape(-1, 2)
    return SimpleNamespace(mean=points, triangles=triangles, uv=uv, uv_triangles=triangles, region=region)


@pytest.fixture(scope="module")
def surface() -> SimpleNamespace:
    return ball()


def camera(yaw: float = 0.0) -> PinholeCamera:
    rotation = euler_to_rotmat(np.asarray(yaw), np.asarray(0.0), np.asarray(0.0))
    return PinholeCamera(FOCAL, np.array([90.0, 75.0]), rotation, np.array([0.0, 0.0, DISTANCE]))


def sphere_truth(width: int, height: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where rays through the pixels meet the sphere: whether, the points in camera axes, the unit rays."""
    y, x = np.mgrid[:height, :width].astype(float)
    rays = np.stack([(x - 90) / FOCAL, (y - 75) / FOCAL, np.ones_like(x)], -1)
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    centre = np.array([0.0, 0.0, DISTANCE])
    along = rays @ centre
    gap = RADIUS**2 - (centre @ centre - along**2)
    hit = gap > 0
    return hit, rays * (along - np.sqrt(np.where(hit, gap, 0)))[..., None], rays


@pytest.mark.parametrize("yaw", [0.0, 35.0])
def test_sphere_against_ray_casting(surface: SimpleNamespace, yaw: float) -> None:
    width, height = 180, 150
    drawn = draw_maps(MAPS, surface, surface.mean, camera(yaw), width, height)
    hit, points, rays = sphere_truth(width, height)
    cosine = -np.einsum("hwc,hwc->hw", points - [0, 0, DISTANCE], rays) / RADIUS
    inner = hit & (cosine > 0.3)  # away from the outline, where a polyhedron is no sphere
    np.testing.assert_allclose(drawn["depth"][inner], points[inner, 2], atol=0.6)
    normals = (points - [0, 0, DISTANCE]) / RADIUS
    np.testing.assert_allclose(drawn["normals"][inner], normals[inner], atol=0.02)
    np.testing.assert_allclose(drawn["visibility"][inner], cosine[inner], atol=0.02)
    model_points = (points - [0, 0, DISTANCE]) @ camera(yaw).rotation
    np.testing.assert_allclose(drawn["pncc"][inner], (model_points[inner] / RADIUS + 1) / 2, atol=0.01)
    side = np.abs(model_points[..., 0]) > 4  # away from the border between the regions
    np.testing.assert_array_equal(drawn["parts"][inner & side], 1 + (model_points[inner & side, 0] > 0))
    latitude = np.arccos(np.clip(model_points[inner, 1] / RADIUS, -1, 1))
    np.testing.assert_allclose(drawn["uv"][inner, 1], 1 - latitude / np.pi, atol=0.01)


def test_maps_are_zero_exactly_where_the_head_is_not(surface: SimpleNamespace) -> None:
    drawn = draw_maps(MAPS, surface, surface.mean, camera(), 180, 150)
    here = drawn["depth"] > 0
    assert 0.2 < here.mean() < 0.6
    for name, values in drawn.items():
        filled = values.any(-1) if values.ndim == 3 else values != 0
        if name in ("pncc", "uv"):  # a corner of their cube is a value too
            assert not filled[~here].any()
        else:
            np.testing.assert_array_equal(filled, here, err_msg=name)
    np.testing.assert_allclose(np.linalg.norm(drawn["normals"][here], axis=-1), 1, atol=1e-5)
    assert drawn["visibility"][here].min() >= np.float32(LEAST_VISIBLE)
    assert drawn["normals"][here][:, 2].max() < 0.2  # all but the outline faces the camera


def test_depth_of_a_slanted_plane_is_the_camera_z() -> None:
    corners = np.array([[-60.0, -50, -20], [60, -50, 30], [60, 50, 30], [-60, 50, -20]])
    triangles = np.array([[0, 1, 2], [0, 2, 3]])
    plane = SimpleNamespace(
        mean=corners, triangles=triangles, uv=corners[:, :2], uv_triangles=triangles, region=np.zeros(2, int)
    )
    eye = camera()
    depth = draw_maps(["depth"], plane, corners, eye, 180, 150)["depth"]
    y, x = np.nonzero(depth)
    # back to the model: all points must satisfy the plane's equation z = 5 + 50 x / 120
    seen = np.stack([(x - 90) / FOCAL, (y - 75) / FOCAL, np.ones(len(x))], 1) * depth[y, x, None]
    points = (seen - eye.translation) @ eye.rotation
    assert len(x) > 5000
    np.testing.assert_allclose(points[:, 2], 5 + 50 * points[:, 0] / 120, atol=1e-2)


def test_pncc_at_a_vertex_is_its_normalised_mean_coordinate(surface: SimpleNamespace) -> None:
    code = normalised_coordinates(surface.mean)
    np.testing.assert_allclose([code.min(0), code.max(0)], [[0] * 3, [1] * 3], atol=1e-12)
    moved = surface.mean + np.array([3.0, -7.0, 5.0])  # an expression: the code stays with the vertex
    eye = camera()
    nearest = int(np.argmax(moved[:, 2]))
    screen = eye.project(moved[nearest : nearest + 1])[0]
    shifted = PinholeCamera(eye.focal, eye.centre - screen + np.rint(screen), eye.rotation, eye.translation)
    pncc = draw_maps(["pncc"], surface, moved, shifted, 180, 150)["pncc"]
    column, row = np.rint(screen).astype(int)
    np.testing.assert_allclose(pncc[row, column], code[nearest], atol=2e-3)


@pytest.mark.parametrize("centre", [(400.0, 60.0), (-300.0, -300.0)])
def test_a_head_outside_the_picture_gives_empty_maps(surface: SimpleNamespace, centre: tuple[float, float]) -> None:
    eye = ScaledOrthographicCamera(0.5, FRONTAL, np.array(centre))
    drawn = draw_maps(MAPS, surface, surface.mean, eye, 120, 100)
    assert [values.shape[:2] for values in drawn.values()] == [(100, 120)] * len(MAPS)
    assert not any(values.any() for values in drawn.values())


def test_orthographic_maps(surface: SimpleNamespace) -> None:
    drawn = draw_maps(["visibility", "normals"], surface, surface.mean, scaled(), 120, 100)
    y, x = np.mgrid[:100, :120]
    across = np.hypot(x - 60, y - 50) / 40
    inner = across < 0.9
    np.testing.assert_allclose(drawn["visibility"][inner], np.sqrt(1 - across[inner] ** 2), atol=0.02)
    np.testing.assert_allclose(drawn["visibility"][inner], -drawn["normals"][inner, 2], atol=0.02)


def scaled() -> ScaledOrthographicCamera:
    return ScaledOrthographicCamera(0.5, FRONTAL, np.array([60.0, 50.0]))


def test_unknown_map(surface: SimpleNamespace) -> None:
    with pytest.raises(ValueError, match="curvature"):
        draw_maps(["depth", "curvature"], surface, surface.mean, camera(), 10, 10)


@pytest.mark.parametrize("eye", [camera(20.0), scaled()], ids=["pinhole", "orthographic"])
def test_numpy_and_torch_agree(surface: SimpleNamespace, eye: PinholeCamera | ScaledOrthographicCamera) -> None:
    torch = pytest.importorskip("torch")
    vertices, triangles = torch.as_tensor(surface.mean), torch.as_tensor(surface.triangles)
    for function in (camera_normals, viewing_cosine):
        here = function(surface.mean, surface.triangles, eye)
        np.testing.assert_allclose(function(vertices, triangles, eye).numpy(), here, atol=1e-12)
    np.testing.assert_allclose(normalised_coordinates(vertices).numpy(), normalised_coordinates(surface.mean))

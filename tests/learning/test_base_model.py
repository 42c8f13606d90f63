"""Building the base model: the pieces on small surfaces, and the whole against ICT-FaceKit where that is at hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facefuse.learning.base_model.atlas import boundary_loop, embed
from facefuse.learning.base_model.curves import boundary_edges, trace_curves
from facefuse.learning.base_model.ict import fit_sphere, load_ict
from facefuse.learning.base_model.landmarks import SurfacePoints, closest_surface_points, symmetrise
from facefuse.learning.base_model.measure import held_out_error, mesh_point_residual
from facefuse.learning.base_model.regions import inside_polygon
from facefuse.learning.base_model.remesh import remesh
from facefuse.learning.base_model.skin import cut_by_plane
from facefuse.learning.base_model.statistics import (
    ARKIT_NAMES,
    arkit_expressions,
    ict_sources,
    orthogonal_modes,
    vertex_areas,
)
from facefuse.learning.base_model.surface import Surface, limit_gradient
from facefuse.morphable.registry import load_model


def _sheet(nx: int, ny: int, step: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """A gently domed sheet of (nx, ny) squares."""
    x, y = np.meshgrid(np.arange(nx + 1) * step, np.arange(ny + 1) * step, indexing="ij")
    z = -0.01 * ((x - nx * step / 2) ** 2 + (y - ny * step / 2) ** 2)
    points = np.stack([x.ravel(), y.ravel(), z.ravel()], axis=1)
    triangles = []
    for i in range(nx):
        for j in range(ny):
            a, b = i * (ny + 1) + j, (i + 1) * (ny + 1) + j
            triangles += [(a, b, b + 1), (a, b + 1, a + 1)]
    return points, np.array(triangles)


def _surface() -> Surface:
    points, triangles = _sheet(20, 16)
    label = (points[triangles].mean(1)[:, 0] > 10).astype(np.int64)
    return Surface.build(points, triangles, label)


def test_remesh_reaches_the_size_and_keeps_border_labels_and_surface() -> None:
    surface = _surface()
    edges = boundary_edges(surface.triangles)
    edges |= {(i * 17 + j, i * 17 + j + 1) for i in (10,) for j in range(16)}
    curves = trace_curves(surface.points, edges, set())
    made = remesh(surface, curves, np.full(len(surface.triangles), 2.0))
    again = remesh(surface, curves, np.full(len(surface.triangles), 2.0))
    np.testing.assert_array_equal(made.points, again.points)
    sides = np.concatenate([made.triangles[:, [i, j]] for i, j in ((0, 1), (1, 2), (2, 0))])
    length = np.linalg.norm(made.points[sides[:, 0]] - made.points[sides[:, 1]], axis=1)
    assert 1.6 < np.median(length) < 2.4
    assert length.max() < 3.5
    rebuilt = (surface.points[surface.triangles[made.source]] * made.weights[:, :, None]).sum(1)
    np.testing.assert_allclose(rebuilt, made.points, atol=1e-9)
    centre = made.points[made.triangles].mean(1)
    np.testing.assert_array_equal(made.label, (centre[:, 0] > 10).astype(int))
    first, second = (made.points[made.triangles[:, k]] - made.points[made.triangles[:, 0]] for k in (1, 2))
    normal = np.cross(first, second)
    assert (normal[:, 2] > 0).all()
    assert np.abs(normal[:, 2]).sum() / 2 == pytest.approx(320.0, rel=1e-6)  # nothing lost at the straight border


def test_curves_end_at_sharp_turns_and_measure_length() -> None:
    points, triangles = _sheet(4, 3)
    curves = trace_curves(points, boundary_edges(triangles), set())
    assert len(curves.lines) == 4
    total = sum(curves.length(k) for k in range(4))
    assert total == pytest.approx(14.0, rel=0.02)
    for k in range(4):
        where = np.linspace(0, curves.length(k), 7)
        np.testing.assert_allclose(curves.locate(k, curves.at(k, where)), where, atol=1e-9)


def test_cut_by_plane_keeps_area_above_and_lies_on_it() -> None:
    points, triangles = _sheet(6, 6)
    points[:, 2] = 0
    transfer, kept, label = cut_by_plane(
        points, triangles, np.zeros(len(triangles), dtype=np.int64), np.array([2.5, 0, 0]), np.array([1.0, 0, 0])
    )
    new = transfer @ points
    assert new[:, 0].min() == pytest.approx(2.5)
    assert len(label) == len(kept)
    area = np.cross(new[kept[:, 1]] - new[kept[:, 0]], new[kept[:, 2]] - new[kept[:, 0]])[:, 2].sum() / 2
    assert area == pytest.approx(3.5 * 6)
    np.testing.assert_allclose(np.asarray(transfer.sum(1)).ravel(), 1)


def test_size_field_grows_no_faster_than_allowed() -> None:
    surface = _surface()
    size = np.full(len(surface.points), 9.0)
    size[40] = 1.0
    limited = limit_gradient(size, surface.graph(), 0.25)
    assert limited[40] == pytest.approx(1.0)
    distance = surface.distance(np.array([40]))
    np.testing.assert_allclose(limited, np.minimum(9.0, 1.0 + 0.25 * distance), atol=1e-9)


def test_projection_stays_within_its_label() -> None:
    surface = _surface()
    seed = int(np.flatnonzero(surface.label == 0)[-1])
    found, triangle = surface.project(np.array([[10.8, 15.2, 0.0]]), np.array([seed]))
    assert surface.label[triangle[0]] == 0
    assert found[0, 0] <= 10 + 1e-9


def test_embedding_never_folds_and_follows_the_weights() -> None:
    points, triangles = _sheet(10, 10)
    loop = boundary_loop(triangles)[0]
    turn = 2 * np.pi * np.arange(len(loop)) / len(loop)
    outline = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    left = points[triangles].mean(1)[:, 0] < 5
    shares = []
    for weight in (1.0, 4.0):
        uv = embed(points, triangles, loop, outline, np.where(left, weight, 1.0), None)
        a, b, c = (uv[triangles[:, k]] for k in range(3))
        area = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
        assert (area > 0).all()
        shares.append(area[left].sum() / area.sum())
    assert shares[1] > shares[0] + 0.1


def test_closest_points_respect_normals_and_symmetry() -> None:
    points, triangles = _sheet(8, 8)
    points = points - [4.0, 0, 0]
    mirror = np.array([(8 - i) * 9 + j for i in range(9) for j in range(9)])
    queries = np.array([[2.3, 3.1, 5.0], [-2.0, 3.0, 5.0], [0.4, 5.2, 5.0]])
    found = closest_surface_points(queries, points, triangles, np.tile([0, 0, 1.0], (3, 1)))
    np.testing.assert_allclose(found.on(points)[:, :2], queries[:, :2], atol=0.4)
    even = symmetrise(found, np.array([1, 0, 2]), mirror, points).on(points)
    np.testing.assert_allclose(even[1], even[0] * [-1, 1, 1], atol=1e-12)
    assert abs(even[2, 0]) < 1e-9
    twice = np.concatenate([points, points - [0, 0, 0.2]])
    both = np.concatenate([triangles, triangles[:, [0, 2, 1]] + len(points)])
    behind = closest_surface_points(np.array([[1.0, 4.0, -3.0]]), twice, both, np.array([[0, 0, 1.0]]))
    assert behind.corners.max() < len(points)  # the nearer sheet faces away


def test_sphere_and_polygon() -> None:
    rng = np.random.default_rng(1)
    direction = rng.normal(size=(60, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    centre, radius = fit_sphere(direction * 12 + [3, -2, 5])
    np.testing.assert_allclose(centre, [3, -2, 5], atol=1e-9)
    assert radius == pytest.approx(12)
    square = np.array([[0, 0], [2, 0], [2, 2], [0, 2.0]])
    np.testing.assert_array_equal(inside_polygon(np.array([[1, 1], [3, 1], [1, -1.0]]), square), [True, False, False])


def test_arkit_names_map_to_ict_shapes() -> None:
    assert len(ARKIT_NAMES) == len(set(ARKIT_NAMES)) == 52
    assert ict_sources("browInnerUp") == ("browInnerUp_L", "browInnerUp_R")
    assert ict_sources("eyeBlinkRight") == ("eyeBlink_R",)
    assert ict_sources("jawLeft") == ("jawLeft",)
    shapes = {"browInnerUp_L": np.full((2, 3), 1.0), "browInnerUp_R": np.full((2, 3), 2.0), "jawLeft": np.eye(3)[:2]}
    names, values = arkit_expressions(shapes)
    assert names == ("browInnerUp", "jawLeft")
    np.testing.assert_array_equal(values[0], np.full((2, 3), 3.0))


def test_orthogonal_modes_keep_the_distribution() -> None:
    points, triangles = _sheet(4, 4)
    points = points - [2.0, 0, 0]
    mirror = np.array([(4 - i) * 5 + j for i in range(5) for j in range(5)])
    rng = np.random.default_rng(2)
    modes, parity = rng.normal(size=(6, 25, 3)), np.array([1, 1, 1, 1, -1, -1])
    modes = (modes + parity[:, None, None] * modes[:, mirror] * [-1, 1, 1]) / 2
    made = orthogonal_modes(modes, parity, vertex_areas(points, triangles), mirror, 6)
    before, after = (m.reshape(6, -1).T @ m.reshape(6, -1) for m in (modes, made))
    np.testing.assert_allclose(after, before, atol=1e-9)  # the same covariance of the vertices
    strength = np.linalg.norm(made.reshape(6, -1), axis=1)
    assert strength[0] > strength[-1]
    mirrored = made[:, mirror] * [-1, 1, 1]
    sign = np.sign((made * mirrored).sum((1, 2)))
    np.testing.assert_allclose(mirrored, sign[:, None, None] * made, atol=1e-9)


@pytest.fixture(scope="module")
def ict_file(shared_data: Path) -> Path:
    path = shared_data / "ict_facekit" / "ict_facekit_light.npz"
    if not path.is_file():
        pytest.skip("ICT-FaceKit is not on this machine")
    return path


def test_unseen_random_ict_faces_are_represented(ict_file: Path) -> None:
    """Random faces of ICT's 100 modes, explained by the model's modes, over ICT's narrow face: at most 0.35 mm RMS."""
    rms, spread = held_out_error(load_model("base"), load_ict(ict_file), count=20, seed=7)
    assert rms.max() <= 0.35
    assert 0.85 < spread < 1.15  # unit variance


def test_mesh_points_of_photos_show_no_large_residual_and_misplaced_ones_do() -> None:
    model = load_model("base")
    rng = np.random.default_rng(3)
    photos = []
    for _ in range(12):
        expression = np.zeros(model.expression_count)
        points = model.mesh_landmarks(model.vertices(rng.standard_normal(40), expression))
        photos.append(points[:, :2] * [3.0, -3.0] + 300)
    assert mesh_point_residual(model, np.array(photos)) < 0.4
    moved = np.array(photos)
    moved[:, ::5, 0] += 9.0  # every fifth point 3 mm aside
    assert mesh_point_residual(model, moved) > 0.6


def test_ict_is_read_symmetric_in_our_frame(ict_file: Path) -> None:
    ict = load_ict(ict_file)
    flip = np.array([-1.0, 1.0, 1.0])
    np.testing.assert_allclose(ict.mean[ict.mirror] * flip, ict.mean, atol=1e-9)
    blink = ict.expression[ict.expression_names.index("eyeBlink_L")]
    assert ict.mean[np.linalg.norm(blink, axis=1).argmax(), 0] > 0
    points = SurfacePoints(ict.landmarks68[:, None].repeat(3, 1), np.full((68, 3), 1 / 3)).on(ict.mean)
    assert points[8, 1] < points[57, 1] < points[33, 1] < points[27, 1]

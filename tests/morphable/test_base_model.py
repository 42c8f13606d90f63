"""What the shipped base model promises."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pytest

from facefuse.learning.base_model.landmarks import IBUG_MIRROR
from facefuse.learning.base_model.measure import FACE_REGIONS, SKIN_REGIONS, atlas_share, triangle_quality
from facefuse.learning.base_model.statistics import ARKIT_NAMES
from facefuse.morphable.model import FaceModel
from facefuse.morphable.registry import load_model
from facefuse.rendering.draw import portrait_camera
from facefuse.rendering.rasterize import rasterize, screen_vertices

FLIP = np.array([-1.0, 1.0, 1.0])


@pytest.fixture(scope="module")
def model() -> FaceModel:
    return load_model("base")


def _expression(model: FaceModel, **weights: float) -> np.ndarray:
    out = np.zeros(model.expression_count)
    for name, value in weights.items():
        out[model.expression_names.index(name)] = value
    return out


def test_size(model: FaceModel) -> None:
    skin = np.unique(model.triangles[model.region_mask(*SKIN_REGIONS)])
    assert 6000 <= len(skin) <= 9000
    assert model.vertex_count <= 10500
    assert model.identity_count >= 80
    assert len(files("facefuse").joinpath("assets/base_model.safetensors").read_bytes()) <= 8_000_000


def test_expressions_are_arkit_without_the_tongue(model: FaceModel) -> None:
    assert set(model.expression_names) == set(ARKIT_NAMES) - {"tongueOut"}
    assert np.linalg.norm(model.expression, axis=2).max(axis=1).min() > 1.0


def test_mean_and_modes_are_exactly_symmetric(model: FaceModel) -> None:
    pair = model.symmetric
    np.testing.assert_allclose(model.mean[pair] * FLIP, model.mean, atol=1e-4)
    mirrored = model.identity[:, pair] * FLIP
    parity = np.sign((mirrored * model.identity).sum((1, 2)))
    np.testing.assert_allclose(mirrored, parity[:, None, None] * model.identity, atol=1e-6)
    triangles = {tuple(np.roll(t, -int(t.argmin()))) for t in model.triangles}
    turned = pair[model.triangles][:, ::-1]
    assert {tuple(np.roll(t, -int(t.argmin()))) for t in turned} == triangles


def test_left_expressions_mirror_right_ones(model: FaceModel) -> None:
    for name in model.expression_names:
        if name.endswith("Left"):
            left = model.expression[model.expression_names.index(name)]
            right = model.expression[model.expression_names.index(name[:-4] + "Right")]
            np.testing.assert_allclose(left[model.symmetric] * FLIP, right, atol=0.02)
            if name not in ("jawLeft", "mouthLeft"):
                moved = np.linalg.norm(left, axis=1)
                assert (moved * model.mean[:, 0]).sum() > 0, name  # the subject's left is +X


def test_skin_is_closed_but_for_the_neck(model: FaceModel) -> None:
    skin = model.triangles[model.region_mask(*SKIN_REGIONS, "eye_socket")]
    bag = model.triangles[model.region_mask("mouth_interior")]
    triangles = np.concatenate([skin, bag[(bag < skin.max() + 1).all(1)]])
    edges = np.sort(np.concatenate([triangles[:, [i, j]] for i, j in ((0, 1), (1, 2), (2, 0))]), axis=1)
    unique, count = np.unique(edges, axis=0, return_counts=True)
    assert count.max() == 2
    rim = np.unique(unique[count == 1])
    assert model.mean[rim, 1].max() < -115  # mm: nothing above the neck is open


def test_triangles_are_well_shaped(model: FaceModel) -> None:
    skin = model.triangles[model.region_mask(*SKIN_REGIONS)]
    quality = triangle_quality(model.mean, skin)
    assert np.quantile(quality, 0.02) > 0.6
    assert quality.min() > 0.03


@pytest.mark.parametrize("weights", [{}, {"jawOpen": 0.7}, {"mouthSmileLeft": 1.0, "mouthSmileRight": 1.0}])
def test_no_triangle_turns_over(model: FaceModel, weights: dict[str, float]) -> None:
    front = model.triangles[model.region_mask("face", "forehead", "nose", "brow_left", "brow_right")]
    before, after = (
        np.cross(v[front[:, 1]] - v[front[:, 0]], v[front[:, 2]] - v[front[:, 0]])
        for v in (model.mean, model.vertices(None, _expression(model, **weights)))
    )
    turned = (before * after).sum(1) < 0
    assert turned.mean() < 0.002


def test_eyes_lie_about_the_origin_and_look_ahead(model: FaceModel) -> None:
    left, right = (
        np.unique(model.triangles[model.region_mask(f"sclera_{s}", f"pupil_{s}")]) for s in ("left", "right")
    )
    centres = np.stack([model.mean[ids].mean(0) for ids in (left, right)])
    assert centres[0, 0] > 25
    np.testing.assert_allclose(centres.mean(0)[:2], 0, atol=0.05)
    pupil = model.mean[np.unique(model.triangles[model.region_mask("pupil_left")])].mean(0)
    assert pupil[2] > centres[0, 2] + 8


def test_gaze_shapes_turn_the_pupils(model: FaceModel) -> None:
    pupil = np.unique(model.triangles[model.region_mask("pupil_left")])
    for name, axis, sign in (("Up", 1, 1), ("Down", 1, -1), ("In", 0, -1), ("Out", 0, 1)):
        moved = model.vertices(None, _expression(model, **{f"eyeLook{name}Left": 1.0})) - model.mean
        assert sign * moved[pupil, axis].mean() > 4, name


def test_blink_brings_the_lids_together(model: FaceModel) -> None:
    skin = np.unique(model.triangles[model.region_mask(*SKIN_REGIONS)])
    socket = np.unique(model.triangles[model.region_mask("eye_socket")])
    rim = np.intersect1d(skin, socket)
    rim = rim[model.mean[rim, 0] > 0]
    closed = model.vertices(None, _expression(model, eyeBlinkLeft=1.0))

    def opening(vertices: np.ndarray) -> float:
        inner = rim[np.abs(model.mean[rim, 0] - model.mean[rim, 0].mean()) < 5]
        return float(np.ptp(vertices[inner, 1]))

    assert opening(model.mean) > 8
    assert opening(closed) < 2.5


def test_jaw_carries_the_lower_teeth_only(model: FaceModel) -> None:
    moved = model.vertices(None, _expression(model, jawOpen=1.0)) - model.mean
    upper, lower = (np.unique(model.triangles[model.region_mask(f"{r}_teeth")]) for r in ("upper", "lower"))
    assert np.abs(moved[upper]).max() < 1.0
    assert moved[lower, 1].max() < -5.0


def test_atlas_does_not_overlap_and_faces_one_way(model: FaceModel) -> None:
    corners = model.uv[model.uv_triangles].astype(np.float64)
    assert corners.min() >= 0
    assert corners.max() <= 1
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    assert (area > 0).all()
    size = 512
    owner = np.full((size, size), -1)
    for k, triangle in enumerate(corners * size):
        low = np.floor(triangle.min(0)).astype(int)
        high = np.minimum(np.ceil(triangle.max(0)).astype(int), size - 1)
        x, y = np.meshgrid(np.arange(low[0], high[0] + 1) + 0.5, np.arange(low[1], high[1] + 1) + 0.5)
        a, b, c = triangle
        total = area[k] * size * size
        w0 = ((b[0] - x) * (c[1] - y) - (b[1] - y) * (c[0] - x)) / total
        w1 = ((c[0] - x) * (a[1] - y) - (c[1] - y) * (a[0] - x)) / total
        inside = (w0 > 1e-4) & (w1 > 1e-4) & (1 - w0 - w1 > 1e-4)
        ys, xs = y[inside].astype(int), x[inside].astype(int)
        assert (owner[ys, xs] == -1).all(), f"triangle {k} lies over triangle {owner[ys, xs].max()}"
        owner[ys, xs] = k
    assert atlas_share(model, *FACE_REGIONS) >= 0.6


def test_landmarks_are_symmetric_and_in_order(model: FaceModel) -> None:
    points = model.landmarks(model.mean)
    np.testing.assert_allclose(points[IBUG_MIRROR] * FLIP, points, atol=1e-3)
    assert (np.diff(points[:17, 0]) > 0).all()  # from the subject's right to the left
    assert points[8, 1] == points[:, 1].min()
    assert points[30, 2] == points[:, 2].max()
    assert points[37, 1] > points[41, 1]
    assert points[51, 1] > points[57, 1]


def test_contours_run_from_the_cheek_outwards(model: FaceModel) -> None:
    jaw = model.landmarks(model.mean)[:17]
    for j in range(9, 17):
        line = model.contours[j][model.contours[j] >= 0]
        assert len(line) >= 8
        points = model.mean[line]
        assert points[-1, 2] < points[0, 2]  # outwards is backwards
        assert np.linalg.norm(points - jaw[j], axis=1).min() < 6
        np.testing.assert_array_equal(model.symmetric[line], model.contours[16 - j][: len(line)])


def test_mesh_points_mirror_each_other_and_meet_the_landmarks(model: FaceModel) -> None:
    points = model.mesh_landmarks(model.mean)
    assert points.shape == (468, 3)
    inner = model.landmarks(model.mean)
    for mesh, ibug in ((1, 30), (33, 36), (263, 45), (133, 39), (362, 42), (61, 48), (291, 54), (152, 8)):
        assert np.linalg.norm(points[mesh] - inner[ibug]) < 9, (mesh, ibug)
    gap = np.linalg.norm(points[:, None] * FLIP - points[None], axis=2).min(1)
    assert gap.max() < 1e-3


def test_random_people_stay_plausible(model: FaceModel) -> None:
    rng = np.random.default_rng(0)
    for _ in range(5):
        vertices = model.vertices(rng.standard_normal(model.identity_count))
        assert np.abs(vertices - model.mean).max() < 60
        eyes = [
            vertices[np.unique(model.triangles[model.region_mask(f"sclera_{s}")])].mean(0) for s in ("left", "right")
        ]
        assert 50 < np.linalg.norm(eyes[0] - eyes[1]) < 78


@pytest.mark.parametrize("yaw", [-40.0, 0.0, 40.0])
@pytest.mark.parametrize("weights", [{}, {"jawOpen": 1.0}, {"eyeBlinkLeft": 1.0, "mouthFunnel": 1.0}])
def test_no_hole_is_seen(model: FaceModel, yaw: float, weights: dict[str, float]) -> None:
    vertices = model.vertices(None, _expression(model, **weights))
    camera = portrait_camera(model.mean, 256, yaw=yaw)
    seen = rasterize(screen_vertices(vertices, camera), model.triangles, 256, 256, cull_back=False)
    ids = seen.triangle[seen.mask]
    corners = vertices[model.triangles[ids]]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    away = (normal * (camera.position() - corners[:, 0])).sum(1) < 0
    assert seen.mask.sum() > 5000
    assert away.sum() <= 3  # pixels; the inside of anything is out of sight

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from two_dasl_sample import MESH, MIRROR, TINY, made_up_3d  # noqa: E402

from facefuse.geometry.cameras import PinholeCamera, ScaledOrthographicCamera  # noqa: E402
from facefuse.geometry.rotations import euler_to_rotmat  # noqa: E402
from facefuse.learning.landmarks.augment import Placement  # noqa: E402
from facefuse.learning.two_dasl.build import base_space  # noqa: E402
from facefuse.learning.two_dasl.truth import TruthPhotos, moved_camera, orthographic_view  # noqa: E402
from facefuse.morphable.registry import load_model  # noqa: E402

MODEL = load_model("base")


@pytest.fixture(scope="module")
def space():  # type: ignore[no-untyped-def]
    return base_space(MODEL, 6, MESH)


def values_of(space, seed: int = 0, count: int = 3) -> torch.Tensor:  # type: ignore[no-untyped-def]
    return space.values(0.5 * torch.randn(count, space.size, generator=torch.Generator().manual_seed(seed)))


def test_zero_output_is_the_mean_face_looking_into_the_camera(space) -> None:  # type: ignore[no-untyped-def]
    values = space.values(torch.zeros(1, space.size))
    placed = space.place(values)
    points = placed.points[0].numpy()
    assert points[36, 0] < points[45, 0]  # the subject's right eye is left in the image
    assert points[36, 1] < points[8, 1]  # the chin is below
    assert placed.depth[0, 30] < placed.depth[0, 0]  # the nose is nearer than the jaw's end
    assert float(placed.expression.max()) < 0.1
    side = (points[:68].max(0) - points[:68].min(0)).max()
    assert 60.0 < side < 110.0


def test_points_are_those_of_the_face_model(space) -> None:  # type: ignore[no-untyped-def]
    values = values_of(space)
    placed = space.place(values)
    for k in range(len(values)):
        vertices = MODEL.vertices(values[k, :6].numpy(), values[k, 6:57].numpy())
        np.testing.assert_allclose(placed.model[k, :68].numpy(), MODEL.landmarks(vertices), atol=1e-3)
        np.testing.assert_allclose(placed.model[k, 68:71].numpy(), MODEL.mesh_landmarks(vertices)[MESH], atol=1e-3)


def test_expression_stays_between_zero_and_one_and_rotations_are_rotations(space) -> None:  # type: ignore[no-untyped-def]
    values = space.values(10.0 * torch.randn(20, space.size))
    expression, rows = values[:, 6:57], values[:, -9:-3].unflatten(1, (2, 3))
    assert ((expression >= 0) & (expression <= 1)).all()
    assert torch.allclose(rows @ rows.transpose(1, 2), torch.eye(2).expand(20, 2, 2), atol=1e-5)


def test_impacts_are_the_displacements_per_unit(space) -> None:  # type: ignore[no-untyped-def]
    values = values_of(space, seed=3, count=1)
    impact = space.impacts(values)[0]
    points = space.place(values).points[0]
    for index in (0, 3, 8, 20, space.size - 3, space.size - 2, space.size - 1):
        step = 1e-2
        moved = values.clone()
        moved[0, index] += step
        rms = float((space.place(moved).points[0] - points).square().sum(-1).mean().sqrt()) / step
        # a mode's motion in depth is not seen: the stated impact is that of a motion in a random direction
        tolerance = 0.05 if index >= space.size - 3 else 0.6
        assert float(impact[index]) == pytest.approx(rms, rel=tolerance), index


def test_gradients_reach_every_value(space) -> None:  # type: ignore[no-untyped-def]
    raw = torch.zeros(1, space.size, requires_grad=True)
    (space.place(space.values(raw)).points * torch.randn(1, space.points, 2)).sum().backward()
    # at a frontal face three of the six rotation numbers are taken out: two lengths and the angle between the rows
    assert (raw.grad[0] == 0).nonzero().flatten().tolist() == [space.size - 9, space.size - 6, space.size - 5]


def test_orthographic_view_of_a_far_camera_projects_alike() -> None:
    points = MODEL.landmarks(MODEL.mean).astype(float)
    rotation = euler_to_rotmat(*np.array([30.0, -10.0, 5.0]))
    camera = PinholeCamera(9000.0, np.array([50.0, 60.0]), rotation, np.array([900.0, -400.0, 20000.0]))
    found, scale, translation = orthographic_view(camera, points)
    seen = ScaledOrthographicCamera(scale, found, translation).project(points)
    assert np.abs(seen - camera.project(points)).max() < 0.5
    assert scale == pytest.approx(9000.0 / 20000.0, rel=0.02)


def test_truth_moves_with_the_crop_mirrored_or_not() -> None:
    # The face of the moved truth lands on the moved landmarks: this ties together rotation, scale, shift, mirror.
    sample = made_up_3d(8)
    config = TINY.data
    space = base_space(MODEL, 6, MESH)
    photos = TruthPhotos(sample, MODEL, 6, MIRROR, config)
    batch = photos.draw(16, space.size, np.random.default_rng(0))
    placed = space.place(torch.from_numpy(batch.truth))
    apart = np.linalg.norm(placed.points[:, :71].numpy() - batch.points, axis=-1)
    assert apart.max() < 0.6  # px: mirror partners of mesh points are not exactly symmetric
    assert np.median(apart) < 0.1
    assert batch.has_truth.all()


def test_a_mirrored_crop_has_a_rotation() -> None:
    rotation = euler_to_rotmat(*np.array([40.0, 10.0, -15.0]))[None]
    placement = Placement(np.array([[50.0, 40.0]]), np.array([80.0]), np.array([0.3]), np.array([True]))
    rows = moved_camera(rotation, np.array([0.4]), np.array([[45.0, 50.0]]), placement)[0, :6].reshape(2, 3)
    np.testing.assert_allclose(rows @ rows.T, np.eye(2), atol=1e-9)
    third = np.cross(rows[0], rows[1])
    assert third[2] < 0.0  # the face still looks at the camera

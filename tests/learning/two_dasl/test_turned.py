from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from two_dasl_sample import made_up_2d  # noqa: E402

from facefuse.errors import UnusableInput  # noqa: E402
from facefuse.geometry.cameras import ScaledOrthographicCamera  # noqa: E402
from facefuse.geometry.rotations import euler_to_rotmat, rotmat_to_euler  # noqa: E402
from facefuse.learning.landmarks.data import FaceSet  # noqa: E402
from facefuse.learning.synthesis.backgrounds import Backgrounds  # noqa: E402
from facefuse.learning.two_dasl.sources import with_mesh  # noqa: E402
from facefuse.learning.two_dasl.synthetic import load_sample, save_sample  # noqa: E402
from facefuse.learning.two_dasl.turned import collect_turned, turned_rotation, usable  # noqa: E402
from facefuse.learning.two_dasl.turned_view import FittedFace, PhotoTurner, all_points  # noqa: E402
from facefuse.morphable.registry import load_model  # noqa: E402

SIDE = 120
MESH = np.arange(0, 468, 4)
MODEL = load_model("base")


def face_at(yaw: float, seed: int = 3) -> tuple[FittedFace, np.ndarray]:
    """A random face in a photo of SIDE pixels, and its labels."""
    rng = np.random.default_rng(seed)
    identity = 0.7 * rng.normal(size=MODEL.identity_count)
    identity[40:] = 0.0
    expression = np.zeros(MODEL.expression_count)
    expression[MODEL.expression_names.index("jawOpen")] = 0.4
    rotation = np.asarray(euler_to_rotmat(*np.array([yaw, 4.0, -6.0])))
    camera = ScaledOrthographicCamera(0.5, rotation, np.array([60.0, 52.0]))
    points = camera.project(all_points(MODEL, MODEL.vertices(identity, expression)))
    return FittedFace(identity, expression, camera, 0.0), np.concatenate([points[:68], points[68 + MESH]])


def face_set(yaws: list[float], weight: float = 1.2) -> FaceSet:
    labels = np.stack([face_at(yaw, seed)[1] for seed, yaw in enumerate(yaws)]).astype(np.float32)
    count, rows = len(yaws), np.arange(len(yaws))
    photos = np.random.default_rng(0).integers(0, 256, (count, SIDE, SIDE, 3)).astype(np.uint8)
    trust = np.full(labels.shape[:2], weight, np.float32)
    return FaceSet(photos, labels, trust, np.array(yaws, np.float32), rows, MESH, np.arange(labels.shape[1]), rows)


def test_the_fit_recovers_an_exactly_labelled_face():
    truth, points = face_at(25.0)
    turner = PhotoTurner(MODEL, MESH)
    found = turner.fit(points, np.full(len(points), 3.0), SIDE)
    placed = found.camera.project(all_points(MODEL, MODEL.vertices(found.identity, found.expression)))
    missed = np.linalg.norm(np.concatenate([placed[:68], placed[68 + MESH]]) - points, axis=1)
    assert missed.mean() < 0.8
    angles = [np.array(rotmat_to_euler(face.camera.rotation)) for face in (found, truth)]
    assert np.abs(angles[0] - angles[1]).max() < 4.0


@pytest.mark.parametrize("moved", [0.0, 2.0])
def test_what_the_photo_shows_at_a_label_is_drawn_at_the_turned_point(moved):
    face, points = face_at(25.0)
    points = points + moved  # labels that the fit misses
    turner = PhotoTurner(MODEL, MESH)
    rotation = np.asarray(euler_to_rotmat(*np.array([60.0, 0.0, -6.0])))
    y, x = np.mgrid[:SIDE, :SIDE]
    for landmark in (30, 36, 48):  # tip of the nose, outer corner of the right eye, corner of the mouth
        spot = np.exp(-((x - points[landmark, 0]) ** 2 + (y - points[landmark, 1]) ** 2) / 4.0)
        photo = np.repeat((255 * spot)[..., None], 3, -1).astype(np.uint8)
        turned = turner.turn(photo, points, face, rotation, np.zeros((160, 160, 3), np.uint8))
        assert turned.visible[landmark]
        light = turned.pixels[..., 0].astype(float)
        row, column = np.mgrid[:160, :160]
        near = np.hypot(column - turned.points[landmark, 0], row - turned.points[landmark, 1]) < 8.0
        weight = light * near
        seen = np.array([(weight * column).sum(), (weight * row).sum()]) / weight.sum()
        assert np.abs(seen - turned.points[landmark]).max() < 1.6, landmark


def test_the_far_side_of_a_profile_is_hidden():
    face, points = face_at(40.0)
    turner = PhotoTurner(MODEL, MESH)
    rotation = np.asarray(euler_to_rotmat(*np.array([85.0, 0.0, 0.0])))
    turned = turner.turn(np.zeros((SIDE, SIDE, 3), np.uint8), points, face, rotation, np.zeros((96, 96, 3), np.uint8))
    assert turned.visible[36:42].sum() >= 4
    assert not turned.visible[42:48].any()
    assert turned.points[:68].min() > 0
    assert turned.points[:68].max() < 95


def test_the_truth_of_a_pack_explains_its_points(tmp_path):
    faces = face_set([-30.0, 20.0])
    sample = collect_turned(faces, MODEL, 3, 1, Backgrounds(), 64)
    save_sample(sample, tmp_path / "turned.npz")
    again = load_sample(tmp_path / "turned.npz")
    assert again.photos.shape == (3, 64, 64, 3)
    assert again.photos.dtype == np.uint8
    for i in range(3):
        camera = ScaledOrthographicCamera(float(again.scale[i]), again.rotation[i], again.translation[i])
        vertices = MODEL.vertices(again.identity[i], again.expression[i])
        np.testing.assert_allclose(camera.project(all_points(MODEL, vertices)), again.points[i], atol=1e-3)
        assert abs(again.yaw_deg[i] - rotmat_to_euler(again.rotation[i].astype(float))[0]) < 1e-3
        assert 40.0 <= abs(again.yaw_deg[i]) <= 95.0
    assert set(np.unique(again.weight)) == {0.5, 1.0}
    assert with_mesh(again, MESH).points.shape == (3, 68 + len(MESH), 2)


def test_faces_turn_further_the_way_they_look():
    rng = np.random.default_rng(0)
    for yaw in (-44.0, -20.0, 12.0, 44.0):
        new = [
            float(rotmat_to_euler(turned_rotation(euler_to_rotmat(*np.array([yaw, 5.0, 3.0])), rng))[0])
            for _ in range(20)
        ]
        assert (np.sign(new) == np.sign(yaw)).all()
        assert np.abs(new).min() >= max(40.0, abs(yaw) + 15.0) - 1e-6
        assert np.abs(new).max() <= min(95.0, abs(yaw) + 50.0) + 1e-6


def test_doubtful_labels_frontal_faces_and_profiles_are_left_out():
    faces = face_set([5.0, 30.0, 60.0])
    assert usable(faces).tolist() == [1]
    no_mesh = faces.weight.copy()
    no_mesh[1, 68:] = 0.0
    assert len(usable(replace(faces, weight=no_mesh))) == 0
    assert len(usable(face_set([30.0], weight=0.5))) == 0
    with pytest.raises(UnusableInput, match="labels good enough"):
        collect_turned(made_up_2d().faces.subset(np.array([], int)), MODEL, 1, 0, Backgrounds(), 64)

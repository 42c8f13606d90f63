import numpy as np
from projected_faces import CENTRE, camera, expressions, many, observe

from facefuse.fitting.consistency import different_people, views_from_cameras
from facefuse.fitting.fit import fit_face
from facefuse.fitting.projection import Views
from facefuse.geometry import euler_to_rotmat


def test_views_and_cameras_are_the_same_thing():
    views = Views(
        euler_to_rotmat(np.array([10.0, 40.0]), np.array([0.0, 5.0]), np.array([3.0, 0.0])),
        np.array([[100.0, 200.0], [300.0, 50.0]]),
        np.log([2.0, 0.4]),
        -np.log([300.0, 2000.0]),
        np.tile(CENTRE, (2, 1)),
    )
    back = views_from_cameras([views.camera(0), views.camera(1)])
    for name in Views.__dataclass_fields__:
        np.testing.assert_allclose(getattr(back, name), getattr(views, name), atol=1e-9)


def test_two_different_people_are_told_apart_and_one_person_is_not(base_model):
    rng = np.random.default_rng(9)
    one = np.zeros(base_model.identity_count)
    one[:12] = rng.choice([-1.8, 1.8], 12)
    other = -one
    first, second = many(base_model, one, [0, 25, -25], rng), many(base_model, other, [10, -20], rng)
    same = fit_face(base_model, first)
    assert different_people(base_model, first, same) == [[0, 1, 2]]
    mixed = [first[0], second[0], first[1], first[2], second[1]]
    assert different_people(base_model, mixed, fit_face(base_model, mixed)) == [[0, 2, 3], [1, 4]]


def test_expressions_do_not_make_another_person(base_model):
    rng = np.random.default_rng(10)
    identity = rng.normal(size=base_model.identity_count)
    faces = [
        {},
        {"jawOpen": 0.6},
        {"mouthSmileLeft": 0.9, "mouthSmileRight": 0.9},
        {"browDownLeft": 0.8, "browDownRight": 0.8, "eyeSquintLeft": 0.7, "eyeSquintRight": 0.7},
    ]
    seen = [
        observe(base_model, identity, expressions(base_model, **face), camera(yaw), rng, noise_mm=1.0)
        for face, yaw in zip(faces, (0, 20, -30, 10), strict=True)
    ]
    assert len(different_people(base_model, seen, fit_face(base_model, seen))) == 1

from dataclasses import replace

import numpy as np
import pytest
from projected_faces import angle_deg, camera, expressions, many, observe, shape_error

from facefuse.fitting.fit import fit_face
from facefuse.fitting.types import Expectation, FitOptions


def face(model, seed=11):
    return np.random.default_rng(seed).normal(size=model.identity_count)


def test_recovers_a_known_face_from_three_photos(base_model):
    identity, rng = face(base_model), np.random.default_rng(12)
    smile = expressions(base_model, mouthSmileLeft=0.7, mouthSmileRight=0.7)
    shown = [np.zeros_like(smile), smile, expressions(base_model, jawOpen=0.5)]
    views = [camera(0.0), camera(35.0, 5.0), camera(-35.0, -5.0, 20.0)]
    seen = [
        observe(base_model, identity, one, view, rng, noise_mm=0.2, known_focal=True)
        for one, view in zip(shown, views, strict=True)
    ]
    fit = fit_face(base_model, seen)
    start = shape_error(base_model, np.zeros_like(identity), identity)
    assert shape_error(base_model, fit.identity, identity) < 0.55 * start
    for photo, view in zip(fit.photos, views, strict=True):
        assert angle_deg(photo.camera.rotation, view.rotation) < 3
        assert photo.camera.focal == pytest.approx(view.focal, rel=0.05)
        assert np.linalg.norm(photo.camera.translation - view.translation) < 80
        assert photo.residual < 1.5
        assert photo.weight > 0.9
    smiles = base_model.expression_names.index("mouthSmileLeft")
    opened = base_model.expression_names.index("jawOpen")
    assert fit.photos[1].expression[smiles] > 0.35
    assert fit.photos[0].expression[smiles] < 0.2
    assert fit.photos[2].expression[opened] > 0.3


def test_more_photos_are_nearer_to_the_truth(base_model):
    errors = np.zeros(3)
    for seed in range(6):
        rng = np.random.default_rng(seed)
        identity = face(base_model, 100 + seed)
        seen = many(base_model, identity, [0, 40, -40, 20, -20, 70, -70], rng, noise_mm=2.0)
        errors += [shape_error(base_model, fit_face(base_model, seen[:n]).identity, identity) for n in (1, 3, 7)]
    assert errors[0] > 1.1 * errors[1] > 1.05 * errors[2]


def test_perspective_is_found_without_being_told(base_model):
    rng = np.random.default_rng(13)
    for distance in (200.0, 2000.0):
        view = camera(10.0, distance=distance, focal=1.5 * distance)
        neutral = np.zeros(base_model.expression_count)
        seen = [observe(base_model, face(base_model), neutral, view, rng, noise_mm=0.3)]
        found = fit_face(base_model, seen).photos[0].camera
        assert 0.5 < found.translation[2] / distance < 2


def test_a_known_lens_is_kept(base_model):
    view = camera(0.0, distance=500.0, focal=4000.0)
    seen = observe(base_model, face(base_model), np.zeros(base_model.expression_count), view, known_focal=True)
    assert fit_face(base_model, [seen]).photos[0].camera.focal == pytest.approx(4000.0, rel=0.1)


def test_close_photos_give_the_same_identity_with_perspective_and_not_without(base_model):
    identity = face(base_model)
    neutral = np.zeros(base_model.expression_count)
    views = [camera(0.0, distance=distance, focal=1.3 * distance) for distance in (200.0, 900.0)]
    seen = [observe(base_model, identity, neutral, view, known_focal=True) for view in views]

    def apart(mode):
        near, far = (fit_face(base_model, [one], FitOptions(camera=mode)).identity for one in seen)
        return shape_error(base_model, near, far)

    assert apart("perspective") < 0.5 * apart("orthographic")


def test_a_bad_photo_is_down_weighted_and_reported(base_model):
    rng = np.random.default_rng(14)
    identity = face(base_model)
    seen = many(base_model, identity, [0, 30, -30, 15], rng)
    good = fit_face(base_model, seen)
    broken = replace(seen[1], points68=seen[1].points68[rng.permutation(68)])
    fit = fit_face(base_model, [seen[0], broken, *seen[2:]])
    without = fit_face(base_model, [seen[0], *seen[2:]])
    assert fit.photos[1].weight < 0.5
    assert fit.photos[1].residual > 5 * fit.photos[0].residual
    assert min(fit.photos[i].weight for i in (0, 2, 3)) > 0.8
    assert min(photo.weight for photo in good.photos) > 0.8
    assert shape_error(base_model, fit.identity, without.identity) < 0.3


def test_another_person_among_the_photos_is_down_weighted(base_model):
    rng = np.random.default_rng(15)
    identity = np.zeros(base_model.identity_count)
    identity[:12] = rng.choice([-1.8, 1.8], 12)
    seen = many(base_model, identity, [0, 30, -30], rng)
    stranger = many(base_model, -identity, [10], rng)[0]
    fit = fit_face(base_model, [seen[0], stranger, *seen[1:]])
    assert fit.photos[1].weight < 0.5
    assert shape_error(base_model, fit.identity, fit_face(base_model, seen).identity) < 0.4


def test_shared_expression_is_one_expression(base_model):
    rng = np.random.default_rng(16)
    smile = expressions(base_model, mouthSmileLeft=0.7, mouthSmileRight=0.7)
    seen = [observe(base_model, face(base_model), smile, camera(yaw), rng, 0.5) for yaw in (0.0, 30.0, -30.0)]
    fit = fit_face(base_model, seen, FitOptions(expression="shared"))
    for photo in fit.photos[1:]:
        np.testing.assert_allclose(photo.expression, fit.photos[0].expression)
    assert fit.photos[0].expression[base_model.expression_names.index("mouthSmileLeft")] > 0.35


def test_fitting_does_not_depend_on_pixel_size_or_place(base_model):
    rng = np.random.default_rng(17)
    seen = many(base_model, face(base_model), [20], rng)[0]
    big = replace(
        seen,
        points68=seen.points68 * 3,
        sigma68=seen.sigma68 * 3,
        mesh=seen.mesh * 3,
        mesh_sigma=seen.mesh_sigma * 3,
        size=(3 * seen.size[0], 3 * seen.size[1]),
    )
    one, other = fit_face(base_model, [seen]), fit_face(base_model, [big])
    assert shape_error(base_model, one.identity, other.identity) < 0.05
    assert one.photos[0].residual == pytest.approx(other.photos[0].residual, rel=0.02)


def test_works_from_the_68_landmarks_alone_with_some_unseen(base_model):
    rng = np.random.default_rng(18)
    view = camera(25.0)
    seen = observe(base_model, face(base_model), np.zeros(base_model.expression_count), view, rng, 1.0, mesh=False)
    seen.sigma68[:5] = np.inf
    seen.points68[:5] = np.nan
    fit = fit_face(base_model, [seen])
    assert angle_deg(fit.photos[0].camera.rotation, view.rotation) < 6
    assert np.isfinite(fit.photos[0].residual)


def test_too_little_is_refused(base_model):
    with pytest.raises(ValueError, match="at least one photo"):
        fit_face(base_model, [])
    seen = many(base_model, face(base_model), [0], np.random.default_rng(0))[0]
    seen.sigma68[5:] = np.inf
    with pytest.raises(ValueError, match="5 usable landmarks"):
        fit_face(base_model, [seen])


def test_an_expected_face_is_kept_as_far_as_it_is_sure(base_model):
    true, rng = face(base_model), np.random.default_rng(5)
    smile = expressions(base_model, mouthSmileLeft=0.6, mouthSmileRight=0.6)
    seen = [observe(base_model, true, smile, camera(20.0), rng, noise_mm=1.0)]
    guess = 0.7 * true
    found = {}
    for sigma in (1e-4, 1.0):
        expected = Expectation(guess, sigma, 0.8 * smile[None], 0.3 * sigma)
        found[sigma] = fit_face(base_model, seen, FitOptions(landmarks="model"), expected)
    np.testing.assert_allclose(found[1e-4].identity, guess, atol=1e-3)
    np.testing.assert_allclose(found[1e-4].photos[0].expression, 0.8 * smile, atol=1e-3)
    assert found[1.0].photos[0].residual < found[1e-4].photos[0].residual
    # modes beyond those that are fitted stay as expected
    np.testing.assert_array_equal(found[1.0].identity[64:], guess[64:])


def test_the_models_own_jaw_does_not_slide(base_model):
    true, rng = face(base_model), np.random.default_rng(6)
    neutral = np.zeros(base_model.expression_count)
    view = camera(60.0)
    seen = [observe(base_model, true, neutral, view, rng, known_focal=True)]
    error = {}
    for landmarks in ("seen", "model"):
        photo = (fit := fit_face(base_model, seen, FitOptions(landmarks=landmarks))).photos[0]
        points = base_model.landmarks(base_model.vertices(fit.identity, photo.expression))
        error[landmarks] = np.linalg.norm(photo.camera.project(points) - seen[0].points68, axis=1)[:17].mean()
    assert error["model"] < error["seen"]

from dataclasses import replace

import numpy as np
import pytest

from facefuse.fitting.problem import State, build_problem, cost, normal_equations
from facefuse.fitting.projection import Views
from facefuse.fitting.types import Expectation, FitOptions, Observation
from facefuse.geometry import euler_to_rotmat


def problem_and_state(model, options, expected=None):
    rng = np.random.default_rng(3)
    observations = [
        Observation(
            rng.uniform(0, 500, (68, 2)),
            rng.uniform(2, 6, 68),
            rng.uniform(0, 500, (10, 2)),
            rng.uniform(2, 6, 10),
            np.arange(10) + 2 * i,
            (500, 600),
            900.0 if i else None,
        )
        for i in range(2)
    ]
    observations[0].sigma68[5] = np.inf
    yaw = np.array([20.0, -40.0])
    views = Views(
        euler_to_rotmat(yaw, yaw / 3, yaw / 2),
        np.array([[240.0, 300.0], [260.0, 280.0]]),
        np.log([2.0, 1.5]),
        -np.log([400.0, 700.0]) if options.camera == "perspective" else np.full(2, -11.0),
        np.full((2, 2), 250.0),
    )
    expression = np.tile(rng.uniform(0.2, 0.6, 5), (2, 1))
    if options.expression == "per-photo":
        expression[1] = rng.uniform(0.2, 0.6, 5)
    problem = build_problem(model, observations, options, expected)
    return replace(problem, photo_weight=np.array([1.0, 0.6])), State(rng.normal(size=6), expression, views)


def moved(state, options, shared_step, private_step):
    identity = state.identity + shared_step[:6]
    expression = state.expression + (shared_step[6:] if options.expression == "shared" else private_step[:, :5])
    return State(identity, expression, state.views.moved(private_step[:, -7:]))


EXPECTED = Expectation(np.linspace(-1, 1, 6), 0.4, np.linspace(0.1, 0.9, 10).reshape(2, 5), 0.15)


@pytest.mark.parametrize("camera", ["perspective", "orthographic"])
@pytest.mark.parametrize("expression", ["per-photo", "shared"])
@pytest.mark.parametrize("expected", [None, EXPECTED])
def test_gradient_is_the_finite_difference_of_the_cost(toy_model, camera, expression, expected):
    options = FitOptions(expression=expression, camera=camera)
    problem, state = problem_and_state(toy_model, options, expected)
    whitening = problem.whitening(state.views.scale)
    problem = problem.slid(state, whitening)
    normal = normal_equations(problem, state, whitening)
    shared_gradient = normal.shared_gradient.sum(0) + normal.shared_prior_gradient
    step = 1e-5

    def difference(shared_step, private_step):
        ahead = cost(problem, moved(state, options, shared_step, private_step), whitening)
        behind = cost(problem, moved(state, options, -shared_step, -private_step), whitening)
        return (ahead - behind) / (2 * step)

    width, own = len(shared_gradient), normal.private_gradient.shape[1]
    scale = np.abs(shared_gradient).max()
    for i in range(width):
        direction = np.zeros(width)
        direction[i] = step
        assert difference(direction, np.zeros((2, own))) == pytest.approx(
            shared_gradient[i], rel=1e-3, abs=1e-4 * scale
        )
    scale = np.abs(normal.private_gradient).max()
    last = own if camera == "perspective" else own - 1  # the distance is held
    for photo in range(2):
        for i in range(last):
            direction = np.zeros((2, own))
            direction[photo, i] = step
            want = normal.private_gradient[photo, i]
            assert difference(np.zeros(width), direction) == pytest.approx(want, rel=1e-3, abs=1e-4 * scale)


def test_an_unseen_landmark_has_no_say(toy_model):
    problem, state = problem_and_state(toy_model, FitOptions())
    whitening = problem.whitening(state.views.scale)
    before = cost(problem, state, whitening)
    problem.observed[0, 5] += 50
    np.testing.assert_allclose(problem.whitening(state.views.scale)[0, 5], 0)
    # its neighbours on the jaw only use it for the direction of the contour
    whitening[0, [4, 6]] = 0
    problem.observed[0, 5] -= 50
    calm = cost(problem, state, whitening)
    problem.observed[0, 5] += 50
    assert cost(problem, state, whitening) == pytest.approx(calm)
    assert before != pytest.approx(calm)


def test_a_jaw_landmark_slides_to_the_candidate_that_is_seen(toy_model):
    problem, state = problem_and_state(toy_model, FitOptions())
    points = problem.points
    every = np.arange(len(points.mean))[None].repeat(2, 0)
    from facefuse.fitting.projection import project

    seen = project(points.positions(state.shape(), every), state.views)
    wanted = points.jaw[:, 2]
    problem.observed[:, :17] = seen[:, wanted]
    tight = np.zeros((*problem.observed.shape, 2)) + 100 * np.eye(2)
    slid = problem.slid(state, tight)
    np.testing.assert_array_equal(slid.rows[:, :17], np.tile(wanted, (2, 1)))
    np.testing.assert_array_equal(slid.rows[:, 17:], problem.rows[:, 17:])
    np.testing.assert_allclose(slid.jaw_modes, points.modes[slid.rows[:, :17]], rtol=1e-6)


def test_whitening_is_looser_along_the_jaw_and_counts_the_shared_error_once_per_photo(toy_model):
    problem, _ = problem_and_state(toy_model, FitOptions())
    scale = np.array([1.0, 2.0])
    whitening = problem.whitening(scale)
    across = np.linalg.svd(whitening[1, 8], compute_uv=False)
    assert across[0] > 1.5 * across[1]
    np.testing.assert_allclose(whitening[1, 30], whitening[1, 30, 0, 0] * np.eye(2))
    doubled = replace(problem, repeats=np.full(2, 2.0)).whitening(scale)
    variance, twice = whitening[1, 30, 0, 0] ** -2, doubled[1, 30, 0, 0] ** -2
    assert twice - variance == pytest.approx((scale[1] * problem.definition[1, 30]) ** 2)


def test_the_models_own_points_are_placed_alike_in_all_directions(toy_model):
    problem, state = problem_and_state(toy_model, FitOptions(landmarks="model"))
    whitening = problem.whitening(state.views.scale)
    assert np.ptp(problem.definition) == 0
    np.testing.assert_allclose(whitening[..., 0, 1], 0, atol=1e-12)
    np.testing.assert_allclose(whitening[..., 0, 0], whitening[..., 1, 1])

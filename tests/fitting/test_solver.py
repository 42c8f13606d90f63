from dataclasses import replace

import numpy as np
import pytest
from test_problem import problem_and_state

from facefuse.fitting.problem import State, cost, normal_equations
from facefuse.fitting.solver import minimise, solve, stepped
from facefuse.fitting.types import FitOptions


def test_block_elimination_solves_the_full_system():
    rng = np.random.default_rng(4)
    photos, s, p = 3, 5, 4
    root = rng.normal(size=(photos, 12, s + p))
    full = root.transpose(0, 2, 1) @ root
    shared, cross, private = full[:, :s, :s].sum(0) + np.eye(s), full[:, :s, s:], full[:, s:, s:]
    g_shared, g_private = rng.normal(size=s), rng.normal(size=(photos, p))
    damping = 0.1
    matrix = np.zeros((s + photos * p, s + photos * p))
    matrix[:s, :s] = shared
    for i in range(photos):
        own = slice(s + i * p, s + (i + 1) * p)
        matrix[:s, own], matrix[own, :s], matrix[own, own] = cross[i], cross[i].T, private[i]
    matrix[np.diag_indices(len(matrix))] *= 1 + damping
    want = -np.linalg.solve(matrix, np.concatenate([g_shared, g_private.ravel()]))
    shared_step, private_step = solve(shared, cross, private, g_shared, g_private, damping)
    np.testing.assert_allclose(np.concatenate([shared_step, private_step.ravel()]), want, atol=1e-9)


@pytest.mark.parametrize("expression", ["per-photo", "shared"])
def test_steps_keep_the_bounds_and_lower_the_cost(toy_model, expression):
    problem, state = problem_and_state(toy_model, FitOptions(expression=expression))
    whitening = problem.whitening(state.views.scale)
    start = cost(problem, state, whitening)
    found = minimise(problem, state, 15)
    assert 0 <= found.state.expression.min() <= found.state.expression.max() <= 1
    assert cost(found.problem, found.state, whitening) < start
    if expression == "shared":
        np.testing.assert_allclose(found.state.expression[0], found.state.expression[1])


def test_a_weight_held_at_its_bound_stays_there(toy_model):
    problem, state = problem_and_state(toy_model, FitOptions())
    whitening = problem.whitening(state.views.scale)
    state = replace(state, expression=np.zeros_like(state.expression))
    normal = normal_equations(problem, state, whitening)
    outward = normal.private_gradient[:, :5] > 0
    assert outward.any()
    assert not outward.all()
    after = stepped(problem, state, normal, 1e-3)
    assert (after.expression[outward] == 0).all()


def test_a_fixed_identity_stays(toy_model):
    problem, state = problem_and_state(toy_model, FitOptions())
    found = minimise(problem, state, 4, fixed_identity=True)
    np.testing.assert_array_equal(found.state.identity, state.identity)
    whitening = problem.whitening(state.views.scale)
    full, own = (normal_equations(problem, state, whitening, fixed) for fixed in (False, True))
    np.testing.assert_allclose(own.private, full.private, rtol=1e-4, atol=1e-4)
    assert own.cross.shape[1] == 0


def test_unbounded_weights_may_be_negative(toy_model):
    problem, state = problem_and_state(toy_model.__class__(**{**vars(toy_model), "blendshapes": False}), FitOptions())
    assert problem.lower == -np.inf
    zero = State(state.identity, np.zeros_like(state.expression), state.views)
    found = minimise(problem, zero, 10)
    assert found.state.expression.min() < 0

"""Levenberg-Marquardt with bounds over the blocks of the joint fit.

The unknowns of each photo are eliminated first (Schur complement), so that the work grows linearly with the number of
photos. Bounds are kept by projected Newton steps (Bertsekas, SIAM J. Control Optim. 20, 1982): a weight at its bound
whose gradient points outwards is held, the others step and are clipped.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from facefuse.fitting.problem import Normal, Problem, State, cost, normal_equations

FloatArray = npt.NDArray[np.floating[Any]]
BoolArray = npt.NDArray[np.bool_]


SLIDING_ITERATIONS = 3
"""In how many iterations jaw landmarks may slide."""

TOLERANCE = 0.01
"""A step that lowers the cost, a negative log posterior, by less is the last: it moves a face by microns."""


@dataclass(frozen=True)
class Solution:
    """Where the solver stopped.

    Attributes
    ----------
    state : State
    problem : Problem
        With the contour points last chosen.
    cost : float
    iterations : int
    """

    state: State
    problem: Problem
    cost: float
    iterations: int


def minimise(
    problem: Problem, state: State, iterations: int, sliding: int = SLIDING_ITERATIONS, fixed_identity: bool = False
) -> Solution:
    """Minimise the robust cost from a start.

    Parameters
    ----------
    problem : Problem
    state : State
        Start, expression weights within their bounds.
    iterations : int
        Most linearisations.
    sliding : int
        In how many iterations the jaw landmarks may slide; after them the contour rests, so that it can converge.
    fixed_identity : bool
        Leave the identity as it is.

    Returns
    -------
    Solution
    """
    whitening = problem.whitening(state.views.scale)
    damping = 1e-3
    count = 0
    best = cost(problem, state, whitening)
    while count < iterations:
        if count < sliding:
            problem = problem.slid(state, whitening)
            best = cost(problem, state, whitening)
        normal = normal_equations(problem, state, whitening, fixed_identity)
        count += 1
        previous = best
        for _ in range(6):
            trial = stepped(problem, state, normal, damping)
            trial_cost = cost(problem, trial, whitening)
            if trial_cost < best:
                state, best = trial, trial_cost
                damping = max(damping / 10, 1e-6)
                break
            damping = max(damping * 10, 1e-3)
        if previous - best < TOLERANCE and count >= sliding:
            break
    return Solution(state, problem, best, count)


def stepped(problem: Problem, state: State, normal: Normal, damping: float) -> State:
    """Take one damped step within the bounds."""
    shared_expression = problem.shared_expression
    expression_count = state.expression.shape[1]
    identities = len(normal.shared_prior) - (expression_count if shared_expression else 0)
    shared_gradient = normal.shared_gradient.sum(0) + normal.shared_prior_gradient
    private_gradient = normal.private_gradient.copy()
    shared, private, cross = normal.shared.sum(0) + normal.shared_prior, normal.private.copy(), normal.cross

    bounded = state.expression[:1] if shared_expression else state.expression
    gradient = (
        shared_gradient[None, -expression_count:] if shared_expression else private_gradient[:, :expression_count]
    )
    held = _held(bounded, gradient, problem.lower, problem.upper)
    if held.any():
        cross = cross.copy()
        if shared_expression:
            index = identities + np.flatnonzero(held[0])
            shared[index], shared[:, index], cross[:, index], shared_gradient[index] = 0, 0, 0, 0
            shared[index, index] = 1
        else:
            photo, index = np.nonzero(held)
            private[photo, index], private[photo, :, index], cross[photo, :, index] = 0, 0, 0
            private_gradient[photo, index] = 0
            private[photo, index, index] = 1
    step, private_step = solve(shared, cross, private, shared_gradient, private_gradient, damping)

    identity = state.identity + step[:identities] if identities else state.identity
    if shared_expression:
        moved = state.expression + step[identities:]
    else:
        moved = state.expression + private_step[:, :expression_count]
    views = state.views.moved(private_step[:, -7:])
    return replace(state, identity=identity, expression=np.clip(moved, problem.lower, problem.upper), views=views)


def solve(
    shared: FloatArray,
    cross: FloatArray,
    private: FloatArray,
    shared_gradient: FloatArray,
    private_gradient: FloatArray,
    damping: float,
) -> tuple[FloatArray, FloatArray]:
    """Solve the damped block system for the step.

    Parameters
    ----------
    shared : (S, S) float
    cross : (N, S, P) float
    private : (N, P, P) float
    shared_gradient : (S,) float
    private_gradient : (N, P) float
    damping : float
        Marquardt's lambda, times the diagonal.

    Returns
    -------
    shared_step : (S,) float
    private_step : (N, P) float
    """
    index, own = np.arange(len(shared)), np.arange(private.shape[1])
    shared, private = shared.copy(), private.copy()
    shared[index, index] *= 1 + damping
    private[:, own, own] *= 1 + damping
    right = np.concatenate([cross.transpose(0, 2, 1), private_gradient[..., None]], axis=2)
    solved = np.linalg.solve(private, right)
    reduced = shared - (cross @ solved[..., :-1]).sum(0)
    reduced_gradient = shared_gradient - (cross @ solved[..., -1:]).sum(0)[:, 0]
    shared_step = -np.linalg.solve(reduced, reduced_gradient)
    private_step = -(solved[..., :-1] @ shared_step) - solved[..., -1]
    return shared_step, private_step


def _held(weights: FloatArray, gradient: FloatArray, lower: float, upper: float) -> BoolArray:
    at_lower = (weights <= lower) & (gradient > 0)
    at_upper = (weights >= upper) & (gradient < 0)
    return np.asarray(at_lower | at_upper)

"""One face that explains all photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from facefuse.fitting.evidence import agreeing_groups, photo_evidence
from facefuse.fitting.initialise import first_views
from facefuse.fitting.problem import Problem, State, build_problem, whitened
from facefuse.fitting.projection import project
from facefuse.fitting.solver import SLIDING_ITERATIONS, minimise
from facefuse.fitting.types import Expectation, FaceFit, FitOptions, Observation, PhotoFit
from facefuse.morphable.model import FaceModel

FloatArray = npt.NDArray[np.floating[Any]]

FIRST_STEPS, LAST_STEPS, OWN_STEPS = 12, 6, 3
"""Most iterations of the joint fit, after photos were down-weighted, and of each photo given the identity."""

LEAST_POINTS = 8
"""A pose, a lens and a distance take seven numbers; with fewer points than this a photo says nothing."""

TYPICAL_MISFIT = 2.2
"""A photo whose landmarks miss by this many standard deviations (root mean square) counts half."""


DEFAULT_OPTIONS = FitOptions()


def fit_face(
    model: FaceModel,
    observations: Sequence[Observation],
    options: FitOptions = DEFAULT_OPTIONS,
    expected: Expectation | None = None,
) -> FaceFit:
    """Fit one identity, and pose, lens and expression of every photo, to the landmarks of all photos together.

    The maximum of the posterior under Student-t landmark errors is found by Levenberg-Marquardt. Identity is shared;
    expression and camera belong to each photo (expression shared on request). A photo that contradicts the others,
    by landmarks that fit no face or by another identity than the larger part of the photos, is down-weighted; its own
    pose and expression are then those that explain it best given the identity of the others.

    The start needs no list of focal lengths: written by scale and inverse distance (see
    :mod:`facefuse.fitting.projection`) the perspective of a face has one minimum, which is reached from any start.

    Parameters
    ----------
    model : FaceModel
    observations : sequence of Observation
        One per photo, at least one.
    options : FitOptions
    expected : Expectation, optional
        A face from which the fit starts and departs only as far as the landmarks ask for; otherwise the mean face
        without expression.

    Returns
    -------
    FaceFit

    Raises
    ------
    ValueError
        If there are no observations, or a photo has fewer than eight usable landmarks of the 68.
    """
    if not observations:
        raise ValueError("no observations: fit_face needs at least one photo")
    problem = build_problem(model, observations, options, expected)
    for i, seen in enumerate(problem.seen[:, :68].sum(1)):
        if seen < LEAST_POINTS:
            raise ValueError(f"observation {i} has {seen} usable landmarks of 68, at least {LEAST_POINTS} are needed")
    count = len(observations)
    centre = np.array([[(one.size[0] - 1) / 2, (one.size[1] - 1) / 2] for one in observations])
    views = first_views(problem, centre)
    problem = replace(problem, repeats=_repeats(views.rotation, problem.photo_weight))
    sliding = 0
    if options.landmarks == "seen":
        problem, sliding = problem.with_hidden_doubted(views.rotation), SLIDING_ITERATIONS
    start = State(problem.identity_mean, np.clip(problem.expression_mean, problem.lower, problem.upper), views)
    solution = minimise(problem, start, FIRST_STEPS, sliding)
    iterations = solution.iterations

    weight = photo_weights(solution.problem, solution.state)
    if weight.min() < 0.9:
        repeats = _repeats(solution.state.views.rotation, weight)
        solution = minimise(
            replace(solution.problem, photo_weight=weight, repeats=repeats), solution.state, LAST_STEPS, sliding
        )
        iterations += solution.iterations
    state = solution.state
    if count > 1:  # errors common to all photos bear on identity alone: pose and expression are each photo's own
        own = replace(solution.problem, photo_weight=np.ones(count), repeats=np.ones(count))
        solution = minimise(own, state, OWN_STEPS, sliding=0, fixed_identity=True)
        state = solution.state
    residual = _residual(solution.problem, state)
    photos = tuple(
        PhotoFit(state.views.camera(i), state.expression[i].copy(), float(residual[i]), float(weight[i]))
        for i in range(count)
    )
    identity = np.zeros(model.identity_count) if expected is None else np.array(expected.identity, dtype=float)
    identity[: len(state.identity)] = state.identity
    return FaceFit(identity, photos, iterations)


def photo_weights(problem: Problem, state: State) -> FloatArray:
    """How much each photo should count, (N,) in 0-1, from its misfit and from its agreement with the others."""
    weight = 1 / (1 + (misfit(problem, state) / TYPICAL_MISFIT) ** 6)
    if len(weight) > 2:
        groups = agreeing_groups(photo_evidence(problem, state))
        if len(groups[0]) > 1 and len(groups[0]) > max((len(group) for group in groups[1:]), default=0):
            outside = np.setdiff1d(np.arange(len(weight)), groups[0])
            weight[outside] = np.minimum(weight[outside], 0.02)
    return weight


def misfit(problem: Problem, state: State) -> FloatArray:
    """Root mean square landmark error of each photo in standard deviations (of a landmark seen in one photo), (N,)."""
    alone = replace(problem, repeats=np.ones(len(problem.rows)))
    seen = project(problem.positions(state), state.views)
    miss = whitened(alone.whitening(state.views.scale), seen - problem.observed)
    return np.asarray(np.sqrt((miss**2).sum((1, 2)) / (2 * problem.seen.sum(1))))


def _repeats(rotation: FloatArray, weight: FloatArray) -> FloatArray:
    # photos from one side share the errors of the landmarks' definition, photos from two sides only a part of them
    axis = rotation[:, 2]
    shared = ((1 + np.clip(axis @ axis.T, -1, 1)) / 2) ** 2
    np.fill_diagonal(shared, 0)
    return np.asarray(1 + shared @ weight)


def _residual(problem: Problem, state: State) -> FloatArray:
    seen = problem.seen[:, :68]
    at = project(problem.points.positions(state.shape(), problem.rows[:, :68]), state.views)
    square = np.where(seen, ((at - problem.observed[:, :68]) ** 2).sum(-1), 0.0).sum(1) / seen.sum(1)
    masked = np.where(seen[..., None], problem.observed[:, :68], np.nan)
    side = np.nanmax(masked, axis=1) - np.nanmin(masked, axis=1)
    return np.asarray(100 * np.sqrt(square / np.maximum(side.prod(-1), 1e-12)))

"""The joint fit as a least-squares problem: unknowns, robust cost, and normal equations in blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from facefuse.fitting import priors
from facefuse.fitting.points import ModelPoints, model_points
from facefuse.fitting.projection import POSE_COUNT, Views, project, project_with_derivatives
from facefuse.fitting.types import Expectation, FitOptions, Observation
from facefuse.morphable.model import FaceModel

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]
BoolArray = npt.NDArray[np.bool_]

INFORMATION = 0.5
"""Share of the landmarks' information that counts: errors of neighbouring landmarks of one photo go together."""

STUDENT_FREEDOM = 5.0
"""Degrees of freedom of the Student-t error of a landmark; small ones forgive outliers."""


@dataclass(frozen=True)
class State:
    """All unknowns.

    Attributes
    ----------
    identity : (K,) float
    expression : (N, E) float
        Equal rows where the expression is shared.
    views : Views
        N cameras.
    """

    identity: FloatArray
    expression: FloatArray
    views: Views

    def shape(self) -> FloatArray:
        """Return identity and expression of each photo, (N, K + E)."""
        identity = np.broadcast_to(self.identity, (len(self.expression), len(self.identity)))
        return np.concatenate([identity, self.expression], axis=1)


@dataclass(frozen=True)
class Problem:
    """Observations of N photos, L points each, with the priors.

    Attributes
    ----------
    points : ModelPoints
    jaw_modes : (N, 17, 3, K + E) float32
        Modes of the jaw landmarks where they are now.
    rows : (N, L) int
        Row of ``points`` that each observed point is now; jaw landmarks slide.
    observed : (N, L, 2) float
        Pixels; zero where not seen.
    sigma : (N, L) float
        Standard deviation in pixels; inf where not seen.
    definition : (N, L) float
        Standard deviation of the definition of each landmark, mm, common to all photos.
    jaw_slide : float
        How much less exactly a jaw landmark is placed along the contour than across it.
    photo_weight : (N,) float
        How much each photo counts.
    repeats : (N,) float
        How many photos share the definition error with this one (itself included).
    focal_prior, focal_sigma : (N,) float
        Mean and standard deviation of the logarithm of the focal length, pixels.
    identity_mean : (K,) float
        Expected identity, and
    identity_precision : float
        how surely.
    expression_mean : (N, E) float
        Expected expression of each photo, and
    expression_precision : (E, E) float
        how surely.
    upper : float
        Upper bound of an expression weight; the lower is zero, or minus this where it is infinite.
    shared_expression, perspective : bool
    """

    points: ModelPoints
    jaw_modes: FloatArray
    rows: IntArray
    observed: FloatArray
    sigma: FloatArray
    definition: FloatArray
    jaw_slide: float
    photo_weight: FloatArray
    repeats: FloatArray
    focal_prior: FloatArray
    focal_sigma: FloatArray
    identity_mean: FloatArray
    identity_precision: float
    expression_mean: FloatArray
    expression_precision: FloatArray
    upper: float
    shared_expression: bool
    perspective: bool

    @property
    def lower(self) -> float:
        """Lower bound of an expression weight."""
        return 0.0 if np.isfinite(self.upper) else -np.inf

    @property
    def seen(self) -> BoolArray:
        """(N, L) whether the point was observed."""
        return np.isfinite(self.sigma)

    def take(self, index: IntArray) -> Problem:
        """Return the problem of some of the photos."""
        names = (
            "jaw_modes",
            "rows",
            "observed",
            "sigma",
            "definition",
            "photo_weight",
            "repeats",
            "focal_prior",
            "focal_sigma",
            "expression_mean",
        )
        return replace(self, **{name: getattr(self, name)[index] for name in names})

    def positions(self, state: State) -> FloatArray:
        """Place the observed points on the faces of a state: (N, L, 3) mm, model frame."""
        shape, length = state.shape(), self.rows.shape[1]
        modes = self.points.modes[:length]
        still = shape @ modes.reshape(-1, shape.shape[1]).T
        out = self.points.mean[:length] + still.reshape(len(shape), length, 3)
        out[:, :17] = self.points.positions(shape, self.rows[:, :17])  # only jaw landmarks leave their own rows
        return np.asarray(out)

    def with_hidden_doubted(self, rotation: FloatArray) -> Problem:
        """Trust landmarks on the side of the face that is turned away less: they were guessed, not seen.

        Parameters
        ----------
        rotation : (N, 3, 3) float
            Camera from model, roughly.
        """
        towards = -rotation[:, 2]
        facing = towards @ self.points.normals[: self.rows.shape[1]].T
        hidden = np.clip((HIDDEN_FROM - facing) / (2 * HIDDEN_FROM), 0, 1)
        return replace(self, definition=self.definition * (1 + HIDDEN_DOUBT * hidden))

    def slid(self, state: State, whitening: FloatArray) -> Problem:
        """Let each jaw landmark take the contour candidate that explains its photo best."""
        jaw = self.points.jaw
        if jaw.shape[1] == 1:
            return self
        count = len(self.rows)
        rows = np.broadcast_to(jaw.reshape(1, -1), (count, jaw.size))
        seen = project(self.points.positions(state.shape(), rows), state.views).reshape(count, *jaw.shape, 2)
        miss = (whitening[:, :17, None] @ (seen - self.observed[:, :17, None])[..., None])[..., 0]
        cost = (miss**2).sum(-1) + (self.points.jaw_offset / SLIDE_MM) ** 2
        best = cost.argmin(-1)
        chosen = self.rows.copy()
        chosen[:, :17] = np.take_along_axis(np.broadcast_to(jaw, (count, *jaw.shape)), best[..., None], -1)[..., 0]
        return replace(self, rows=chosen, jaw_modes=self.points.modes32[chosen[:, :17]])

    def whitening(self, scale: FloatArray) -> FloatArray:
        """Matrices that turn pixel errors into standard deviations.

        Parameters
        ----------
        scale : (N,) float
            Pixels per millimetre.

        Returns
        -------
        (N, L, 2, 2) float
        """
        definition = (scale[:, None] * self.definition) ** 2 * self.repeats[:, None]
        with np.errstate(invalid="ignore"):
            inverse = 1 / np.sqrt(self.sigma**2 + definition)
        inverse[~self.seen] = 0
        out = inverse[..., None, None] * np.eye(2)
        jaw = self.observed[:, :17]
        known = np.pad(self.seen[:, :17], ((0, 0), (1, 1)), constant_values=True)
        along = np.gradient(jaw, axis=1) * (known[:, :-2] & known[:, 2:])[..., None]
        length = np.linalg.norm(along, axis=-1, keepdims=True)
        along = along / np.where(length > 0, length, 1)
        # a jaw landmark is placed less exactly along the contour: W = (I - (1 - 1/slide) t t^T) / sigma
        shrink = (1 - 1 / self.jaw_slide) * along[..., :, None] * along[..., None, :]
        out[:, :17] -= inverse[:, :17, None, None] * shrink
        return out


HIDDEN_FROM, HIDDEN_DOUBT = 0.3, 4.0
"""Cosine between a landmark's normal and the direction to the camera below which it begins to be hidden, and how much
less exactly a hidden one is placed."""

SLIDE_MM = 15.0
"""A jaw landmark slides this far along the face at the cost of one standard deviation."""


def build_problem(
    model: FaceModel, observations: Sequence[Observation], options: FitOptions, expected: Expectation | None = None
) -> Problem:
    """Gather the observations of all photos into arrays; without an expected face the mean face is expected."""
    points = model_points(model, np.unique(np.concatenate([one.mesh_indices for one in observations])))
    mesh = points.mesh
    count, length = len(observations), 68 + len(mesh)
    observed, sigma = np.zeros((count, length, 2)), np.full((count, length), np.inf)
    for i, one in enumerate(observations):
        known = np.isin(one.mesh_indices, mesh)
        place = 68 + np.searchsorted(mesh, one.mesh_indices[known])
        observed[i, :68], sigma[i, :68] = one.points68, one.sigma68
        observed[i, place], sigma[i, place] = one.mesh[known], one.mesh_sigma[known]
    sigma[~np.isfinite(observed).all(-1)] = np.inf
    observed[~np.isfinite(sigma)] = 0
    known_focal = np.array([one.focal_px is not None for one in observations])
    guess = [one.focal_px or priors.FOCAL_RATIO * max(one.size) for one in observations]
    names = model.expression_names
    precision = priors.expression_precision(tuple(names)) if model.blendshapes else np.eye(len(names))
    identity, expression, surely = np.zeros(points.identity_count), np.zeros((count, len(names))), 1.0
    if expected is not None:
        identity = np.asarray(expected.identity, dtype=float)[: points.identity_count]
        expression = np.asarray(expected.expression, dtype=float)
        if options.expression == "shared":
            expression = np.broadcast_to(expression.mean(0), expression.shape)
        surely, precision = expected.identity_sigma**-2, np.eye(len(names)) * expected.expression_sigma**-2
    definition = priors.definition_sigma(mesh)
    if options.landmarks == "model":
        definition = np.full_like(definition, priors.OWN_DEFINITION_MM)
    return Problem(
        points=points,
        jaw_modes=np.tile(points.modes32[None, :17], (count, 1, 1, 1)),
        rows=np.tile(np.arange(length), (count, 1)),
        observed=observed,
        sigma=sigma,
        definition=np.tile(definition, (count, 1)),
        jaw_slide=priors.JAW_SLIDE if options.landmarks == "seen" else 1.0,
        photo_weight=np.ones(count),
        repeats=np.ones(count),
        focal_prior=np.log(guess),
        focal_sigma=np.where(known_focal, priors.KNOWN_FOCAL_SPREAD, priors.FOCAL_SPREAD),
        identity_mean=identity,
        identity_precision=surely,
        expression_mean=expression,
        expression_precision=precision,
        upper=1.0 if model.blendshapes else np.inf,
        shared_expression=options.expression == "shared",
        perspective=options.camera == "perspective",
    )


def cost(problem: Problem, state: State, whitening: FloatArray) -> float:
    """Return the negative log posterior up to a constant."""
    seen = project(problem.positions(state), state.views)
    miss = whitened(whitening, seen - problem.observed)
    return float(_data_cost(problem, (miss**2).sum(-1)).sum()) + _prior_cost(problem, state)


def _data_cost(problem: Problem, square: FloatArray) -> FloatArray:
    rho = (STUDENT_FREEDOM + 2) / 2 * np.log1p(square / STUDENT_FREEDOM)
    return np.asarray(INFORMATION * problem.photo_weight * rho.sum(-1))


def _prior_cost(problem: Problem, state: State) -> float:
    rows = state.expression - problem.expression_mean
    rows = rows[:1] if problem.shared_expression else rows
    away = state.identity - problem.identity_mean
    total = problem.identity_precision * float(away @ away)
    total += float(((rows @ problem.expression_precision) * rows).sum())
    if problem.perspective:
        focal = (state.views.log_focal - problem.focal_prior) / problem.focal_sigma
        near = (state.views.log_nearness + np.log(priors.DISTANCE_MM)) / priors.DISTANCE_SPREAD
        total += float(focal @ focal + near @ near)
    return total / 2


def whitened(whitening: FloatArray, vectors: FloatArray) -> FloatArray:
    """Multiply (N, L, 2, 2) matrices with (N, L, 2, ...) vectors: written out, as many tiny products are slow."""
    shape = whitening.shape[:2] + (1,) * (vectors.ndim - 3)
    first, second = vectors[:, :, 0], vectors[:, :, 1]
    out = np.empty_like(vectors)
    for i in range(2):
        out[:, :, i] = whitening[:, :, i, 0].reshape(shape) * first + whitening[:, :, i, 1].reshape(shape) * second
    return out


def _linearised(problem: Problem, state: State, whitening: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    positions = problem.positions(state)
    seen, by_point, by_view = project_with_derivatives(positions, state.views)
    residual = whitened(whitening, seen - problem.observed)
    return residual, whitened(whitening, by_point), whitened(whitening, by_view)


def shape_and_view_derivative(
    problem: Problem, lever: FloatArray, by_view: FloatArray, first_mode: int = 0
) -> FloatArray:
    """Carry derivatives by model point over to the modes.

    Parameters
    ----------
    problem : Problem
    lever : (N, L, 2, 3) float
        Derivative of the (whitened, weighted) residuals by the model points.
    by_view : (N, L, 2, 7) float
        Their derivative by a step of the view.
    first_mode : int
        Leave out the modes before this one.

    Returns
    -------
    (N, L, 2, K + E - first_mode + 7) float32
        Derivative by identity, expression and view: half the precision costs nothing here, half the time counts.
    """
    modes = problem.points.modes32[..., first_mode:]
    width = modes.shape[2]
    out = np.empty((*lever.shape[:3], width + POSE_COUNT), dtype=np.float32)
    lever = lever.astype(np.float32)
    np.matmul(lever[:, 17:], modes[17 : lever.shape[1]], out=out[:, 17:, :, :width])
    np.matmul(lever[:, :17], problem.jaw_modes[..., first_mode:], out=out[:, :17, :, :width])
    out[..., width:] = by_view
    return out


@dataclass(frozen=True)
class Normal:
    """Gauss-Newton normal equations ``H step = -g`` in blocks.

    ``S`` shared unknowns (identity, and expression where shared), ``P`` of each photo (expression where per photo,
    then the view).

    Attributes
    ----------
    shared : (N, S, S) float
        Data part of each photo; the prior is apart, in
    shared_prior : (S, S) float
    cross : (N, S, P) float
    private : (N, P, P) float
        With the priors of the private unknowns.
    shared_gradient : (N, S) float
        Data part.
    shared_prior_gradient : (S,) float
    private_gradient : (N, P) float
    """

    shared: FloatArray
    shared_prior: FloatArray
    cross: FloatArray
    private: FloatArray
    shared_gradient: FloatArray
    shared_prior_gradient: FloatArray
    private_gradient: FloatArray


def normal_equations(problem: Problem, state: State, whitening: FloatArray, fixed_identity: bool = False) -> Normal:
    """Linearise the robust problem at a state (iteratively reweighted least squares).

    Parameters
    ----------
    problem : Problem
    state : State
    whitening : (N, L, 2, 2) float
    fixed_identity : bool
        Leave the identity out of the unknowns.

    Returns
    -------
    Normal
    """
    identities = 0 if fixed_identity else len(state.identity)
    first_mode = len(state.identity) - identities
    residual, lever, by_view = _linearised(problem, state, whitening)
    square = (residual**2).sum(-1)
    weight = INFORMATION * (STUDENT_FREEDOM + 2) / (STUDENT_FREEDOM + square) * problem.photo_weight[:, None]
    root = np.sqrt(weight)[..., None]
    derivative = shape_and_view_derivative(problem, lever * root[..., None], by_view * root[..., None], first_mode)
    flat = derivative.reshape(len(residual), -1, derivative.shape[-1])
    right = (residual * root).reshape(len(residual), -1, 1).astype(np.float32)
    transposed = flat.transpose(0, 2, 1)
    full = (transposed @ flat).astype(np.float64)
    gradient = (transposed @ right)[..., 0].astype(np.float64)

    width = identities + (state.expression.shape[1] if problem.shared_expression else 0)
    private, private_gradient = full[:, width:, width:].copy(), gradient[:, width:].copy()
    shared_prior = np.eye(width) * problem.identity_precision
    away = problem.identity_precision * (state.identity - problem.identity_mean)
    prior_gradient = np.concatenate([away[:identities], np.zeros(width - identities)])
    unexpected = state.expression - problem.expression_mean
    if problem.shared_expression:
        here = slice(identities, None)
        shared_prior[here, here] = problem.expression_precision
        prior_gradient[here] = problem.expression_precision @ unexpected[0]
    else:
        here = slice(0, state.expression.shape[1])
        private[:, here, here] += problem.expression_precision
        private_gradient[:, here] += unexpected @ problem.expression_precision
    cross = full[:, :width, width:]
    if problem.perspective:
        _add_camera_prior(problem, state, private, private_gradient)
    else:  # the distance stays where it is
        cross[:, :, -1], private[:, -1], private[:, :, -1], private_gradient[:, -1] = 0, 0, 0, 0
        private[:, -1, -1] = 1
    return Normal(
        shared=full[:, :width, :width],
        shared_prior=shared_prior,
        cross=cross,
        private=private,
        shared_gradient=gradient[:, :width],
        shared_prior_gradient=prior_gradient,
        private_gradient=private_gradient,
    )


def _add_camera_prior(problem: Problem, state: State, private: FloatArray, gradient: FloatArray) -> None:
    precision = problem.focal_sigma**-2
    pull = (state.views.log_focal - problem.focal_prior) * precision
    private[:, -2, -2] += precision
    private[:, -1, -1] += precision + priors.DISTANCE_SPREAD**-2
    private[:, -2, -1] -= precision
    private[:, -1, -2] -= precision
    gradient[:, -2] += pull
    near = (state.views.log_nearness + np.log(priors.DISTANCE_MM)) * priors.DISTANCE_SPREAD**-2
    gradient[:, -1] += near - pull

"""Find the places of landmarks on the mean face that explain the landmarks of many photos.

A landmark scheme ("the fourth point of the jaw") and a face model's landmark of the same name rarely mean quite the
same place. The model is fitted to many labelled photos; what the residuals of a landmark have in common, seen from all
sides, is a displacement of its place in the model's frame. The places are moved and the fit repeated. Three things
must not be mistaken for a displacement: a mean identity other than zero (its part is put back into the residual), a
common similarity (pose takes it; it is removed), and an asymmetry (removed).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from facefuse.fitting.initialise import first_views
from facefuse.fitting.points import model_points
from facefuse.fitting.problem import Problem, State, build_problem
from facefuse.fitting.projection import project
from facefuse.fitting.solver import minimise
from facefuse.fitting.types import FitOptions, Observation
from facefuse.geometry.alignment import similarity_from_points
from facefuse.morphable.model import FaceModel

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]

STEPS = 8
"""Iterations of each fit."""

GROSS_MM = 6.0
"""A residual of this size counts half."""

PRIOR_PHOTOS = 15.0
"""A landmark seen in this many photos moves half the way."""


@dataclass(frozen=True)
class Places:
    """Places of landmarks on the mean face.

    Attributes
    ----------
    mesh : (M,) int
        MediaPipe's mesh points that follow the 68 landmarks.
    points : (68 + M, 3) float
        Millimetres, model frame.
    scatter : (68 + M,) float
        Root mean square residual of each after the last fit, mm per coordinate.
    """

    mesh: IntArray
    points: FloatArray
    scatter: FloatArray


def estimate_places(model: FaceModel, observations: list[Observation], partner: IntArray, rounds: int = 5) -> Places:
    """Estimate the places of the 68 landmarks and of the mesh points the observations show.

    Parameters
    ----------
    model : FaceModel
        With its present places as the start.
    observations : list of Observation
        Photos of many people from all sides; all that show mesh points show the same ones.
    partner : (68 + M,) int
        Mirror partner of each point.
    rounds : int
        Fits of all photos.

    Returns
    -------
    Places
    """
    mesh = np.unique(np.concatenate([one.mesh_indices for one in observations]))
    cut = model_points(model, mesh)
    length = 68 + len(cut.mesh)
    # without contour candidates: the scheme's jaw points are to be found, not bent to the silhouette
    cut = replace(cut, jaw=cut.jaw[:, :1], jaw_offset=cut.jaw_offset[:, :1])
    start, moved = cut.mean[:length], cut.mean[:length].copy()
    scatter = np.zeros(length)
    for _ in range(rounds):
        points = replace(cut, mean=np.concatenate([moved, cut.mean[length:]]))
        found = [_fit(replace(_padded(model, one, mesh), points=points), one.size) for one in observations]
        mean_identity = np.mean([state.identity for state, _ in found], axis=0)
        normal, right = np.zeros((length, 3, 3)), np.zeros((length, 3))
        squares, counts = np.zeros(length), np.zeros(length)
        for state, problem in found:
            seen, rows = problem.seen[0], state.views.rotation[0][:2]
            here = _residual_mm(problem, state)
            squares += seen * (here**2).mean(1)
            counts += seen
            error = _residual_mm(problem, replace(state, identity=state.identity - mean_identity))
            weight = seen / (1 + (error**2).sum(1) / GROSS_MM**2)
            normal += weight[:, None, None] * (rows.T @ rows)
            right += weight[:, None] * (error @ rows)
        moved = moved + np.linalg.solve(normal + PRIOR_PHOTOS * np.eye(3), right[..., None])[..., 0]
        moved = _symmetric_and_aligned(moved, start, partner)
        scatter = np.sqrt(squares / np.maximum(counts, 1))
    return Places(cut.mesh, moved, scatter)


def _padded(model: FaceModel, one: Observation, mesh: IntArray) -> Problem:
    if len(one.mesh_indices):
        return build_problem(model, [one], FitOptions())
    blank = np.full(len(mesh), np.inf)
    return build_problem(
        model, [replace(one, mesh=np.zeros((len(mesh), 2)), mesh_sigma=blank, mesh_indices=mesh)], FitOptions()
    )


def _fit(problem: Problem, size: tuple[int, int]) -> tuple[State, Problem]:
    centre = np.array([[(size[0] - 1) / 2, (size[1] - 1) / 2]])
    views = first_views(problem, centre)
    modes = problem.points.modes.shape[2]
    identities = problem.points.identity_count
    start = State(np.zeros(identities), np.zeros((1, modes - identities)), views)
    found = minimise(problem, start, STEPS)
    return found.state, found.problem


def _residual_mm(problem: Problem, state: State) -> FloatArray:
    seen = project(problem.positions(state), state.views)[0]
    error = (problem.observed[0] - seen) / state.views.scale[0]
    return np.asarray(np.where(problem.seen[0][:, None], error, 0))


def _symmetric_and_aligned(moved: FloatArray, start: FloatArray, partner: IntArray) -> FloatArray:
    moved = (moved + moved[partner] * [-1, 1, 1]) / 2
    inner = np.arange(27, len(start))  # neither the jaw nor the brows, whose places differ most between schemes
    shift = np.linalg.norm(moved - start, axis=1)
    weight = 1 / (1 + (shift[inner] / 3) ** 2)
    return similarity_from_points(moved[inner], start[inner], weight).apply(moved)

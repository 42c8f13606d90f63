"""A first pose of each photo from its 68 landmarks and the mean face."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from facefuse.fitting import priors
from facefuse.fitting.problem import Problem
from facefuse.fitting.projection import Views, project, project_with_derivatives

FloatArray = npt.NDArray[np.floating[Any]]

STEPS = 4


def first_views(problem: Problem, centre: FloatArray) -> Views:
    """Pose the mean face in every photo.

    Scaled orthographic pose from the 68 landmarks (POS: Dementhon & Davis, IJCV 1995), together with its Necker
    reversal, which explains a flat face nearly as well; both are refined under perspective and the better one wins.

    Parameters
    ----------
    problem : Problem
    centre : (N, 2) float
        Principal points, pixels.

    Returns
    -------
    Views
    """
    mean = problem.points.mean[:68]
    found = [_scaled_orthographic(mean, *_visible(problem, i)) for i in range(len(problem.rows))]
    rotation = np.stack([pose[0] for pose in found])
    scale, origin = np.array([pose[1] for pose in found]), np.stack([pose[2] for pose in found])
    # both rows of a Necker-reversed rotation have the sign of the face's depth axis turned
    flip = np.array([1.0, 1.0, -1.0])
    reversed_rotation = rotation * flip * flip[:, None]
    nearness = _first_nearness(problem, np.log(scale))
    count = len(rotation)
    both = Views(
        rotation=np.concatenate([rotation, reversed_rotation]),
        origin=np.tile(origin, (2, 1)),
        log_scale=np.tile(np.log(scale), 2),
        log_nearness=np.tile(nearness, 2),
        centre=np.tile(centre, (2, 1)),
    )
    refined, cost = _refine(problem, both)
    return refined.take(np.where(cost[:count] <= cost[count:], np.arange(count), count + np.arange(count)))


def _first_nearness(problem: Problem, log_scale: FloatArray) -> FloatArray:
    if not problem.perspective:
        return np.full(len(log_scale), -np.log(priors.ORTHOGRAPHIC_DISTANCE_MM))
    # the most likely distance under the priors of lens and distance, the size of the face in the photo given
    lens, far = problem.focal_sigma**-2, priors.DISTANCE_SPREAD**-2
    by_lens, by_distance = problem.focal_prior - log_scale, np.log(priors.DISTANCE_MM)
    return np.asarray(-(lens * by_lens + far * by_distance) / (lens + far))


def _visible(problem: Problem, photo: int) -> tuple[FloatArray, FloatArray]:
    seen, observed = problem.seen[photo, :68], problem.observed[photo, :68]
    # no mean face lies closer than a few percent of its size: a landmark that is very sure must not decide alone
    near = 0.03 * np.ptp(observed[seen], axis=0).max()
    weight = np.where(seen, 1 / (np.where(seen, problem.sigma[photo, :68], 1) ** 2 + near**2 + 1e-12), 0.0)
    weight[:17] *= 0.25  # where the contour lies depends on the pose sought
    return observed, weight


def _scaled_orthographic(
    mean: FloatArray, observed: FloatArray, weight: FloatArray
) -> tuple[FloatArray, float, FloatArray]:
    affine_points = np.concatenate([mean, np.ones((len(mean), 1))], axis=1)
    robust = weight
    for _ in range(4):
        weighted = affine_points.T * robust
        solution = np.linalg.solve(weighted @ affine_points, weighted @ observed)
        miss = ((affine_points @ solution - observed) ** 2).sum(1)
        typical = np.median(miss[weight > 0]) + 1e-9
        robust = weight / (1 + miss / (4 * typical))
    u, s, vt = np.linalg.svd(solution[:3].T, full_matrices=False)
    rows = u @ vt
    rotation = np.stack([rows[0], rows[1], np.cross(rows[0], rows[1])])
    return rotation, float(s.mean()), solution[3]


def _refine(problem: Problem, views: Views) -> tuple[Views, FloatArray]:
    # rigid robust Gauss-Newton of the mean face on the 68 landmarks, lens and distance held by a stiff prior
    repeat = len(views) // len(problem.rows)
    observed = np.tile(problem.observed[:, :68], (repeat, 1, 1))
    sigma = np.tile(problem.sigma[:, :68], (repeat, 1))
    points = np.broadcast_to(problem.points.mean[:68], (*observed.shape[:-1], 3))
    first_nearness = views.log_nearness
    stiffness = 1 / (0.3**2) if problem.perspective else 1e12

    def evaluate(pixels: FloatArray, scale: FloatArray) -> tuple[FloatArray, FloatArray]:
        variance = sigma**2 + (scale[:, None] * SHAPE_SIGMA_MM) ** 2
        square = ((pixels - observed) ** 2).sum(-1) / variance
        return 1 / (variance * (1 + square / 4)), 2 * np.log1p(square / 4).sum(-1)

    for _ in range(STEPS):
        pixels, _, by_view = project_with_derivatives(points, views)
        weight, _ = evaluate(pixels, views.scale)
        jacobian = by_view.reshape(len(views), -1, 7)
        weighted = jacobian * np.repeat(weight, 2, axis=1)[..., None]
        hessian = weighted.transpose(0, 2, 1) @ jacobian
        gradient = (weighted.transpose(0, 2, 1) @ (pixels - observed).reshape(len(views), -1, 1))[..., 0]
        hessian[:, 6, 6] += stiffness
        gradient[:, 6] += stiffness * (views.log_nearness - first_nearness)
        diagonal = np.arange(7)
        hessian[:, diagonal, diagonal] *= 1.001
        step = -np.linalg.solve(hessian, gradient[..., None])[..., 0]
        turn = np.linalg.norm(step[:, :3], axis=1, keepdims=True)
        step[:, :3] *= np.minimum(1, 0.6 / np.maximum(turn, 1e-12))
        step[:, 5:] = np.clip(step[:, 5:], -0.5, 0.5)
        views = views.moved(step)
    _, cost = evaluate(project(points, views), views.scale)
    return views, cost


SHAPE_SIGMA_MM = 6.0
"""How far a landmark of a face with any expression lies from the mean face."""

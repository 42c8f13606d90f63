"""Whether all photos can show one person."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facefuse.fitting.evidence import agreeing_groups, photo_evidence
from facefuse.fitting.problem import State, build_problem
from facefuse.fitting.projection import Views
from facefuse.fitting.types import FaceFit, FitOptions, Observation
from facefuse.geometry.cameras import PinholeCamera
from facefuse.morphable.model import FaceModel


def different_people(model: FaceModel, observations: Sequence[Observation], fit: FaceFit) -> list[list[int]]:
    """Group photos by the person they seem to show.

    The shape of the face seen through landmarks tells people apart only when they differ clearly: photos are put into
    separate groups on strong evidence only (see :data:`facefuse.fitting.evidence.SEPARATE_LOG_ODDS` for what was
    measured), so one group means "nothing speaks against one person".

    Parameters
    ----------
    model : FaceModel
    observations : sequence of Observation
    fit : FaceFit
        What :func:`facefuse.fitting.fit.fit_face` made of these observations.

    Returns
    -------
    list of list of int
        Indices of the observations, the largest group first.
    """
    problem = build_problem(model, observations, FitOptions())
    state = State(
        identity=np.asarray(fit.identity, dtype=np.float64)[: problem.points.identity_count],
        expression=np.stack([photo.expression for photo in fit.photos]).astype(np.float64),
        views=views_from_cameras([photo.camera for photo in fit.photos]),
    )
    problem = problem.with_hidden_doubted(state.views.rotation)
    problem = problem.slid(state, problem.whitening(state.views.scale))
    return agreeing_groups(photo_evidence(problem, state))


def views_from_cameras(cameras: Sequence[PinholeCamera]) -> Views:
    """Write pinhole cameras in the numbers of the fit."""
    focal = np.array([camera.focal for camera in cameras])
    translation = np.stack([camera.translation for camera in cameras])
    centre = np.stack([camera.centre for camera in cameras])
    scale = focal / translation[:, 2]
    return Views(
        rotation=np.stack([camera.rotation for camera in cameras]),
        origin=centre + scale[:, None] * translation[:, :2],
        log_scale=np.log(scale),
        log_nearness=-np.log(translation[:, 2]),
        centre=centre,
    )

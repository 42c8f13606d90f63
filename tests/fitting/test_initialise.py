import numpy as np
import pytest
from projected_faces import CENTRE, angle_deg, camera, expressions, observe

from facefuse.fitting.initialise import first_views
from facefuse.fitting.problem import build_problem
from facefuse.fitting.types import FitOptions


@pytest.mark.parametrize("yaw", [-90.0, -45.0, 0.0, 45.0, 90.0])
def test_poses_at_any_yaw_and_roll(base_model, yaw):
    rng = np.random.default_rng(6)
    smile = expressions(base_model, mouthSmileLeft=0.6, mouthSmileRight=0.6, jawOpen=0.2)
    rolls = [-170.0, -90.0, 0.0, 60.0, 180.0]
    views = [camera(yaw, pitch=10.0, roll=roll) for roll in rolls]
    identity = rng.normal(size=base_model.identity_count) * 0.7
    seen = [observe(base_model, identity, smile, view, rng, noise_mm=2.0) for view in views]
    problem = build_problem(base_model, seen, FitOptions())
    found = first_views(problem, np.tile(CENTRE, (len(rolls), 1)))
    for i, view in enumerate(views):
        assert angle_deg(found.rotation[i], view.rotation) < 15


def test_a_mirrored_start_does_not_win(base_model):
    # a frontal face seen slightly from above and from below are each other's Necker reversal
    neutral = np.zeros(base_model.expression_count)
    for pitch in (-25.0, 25.0):
        view = camera(0.0, pitch=pitch)
        problem = build_problem(base_model, [observe(base_model, np.zeros(1), neutral, view)], FitOptions())
        found = first_views(problem, CENTRE[None])
        assert angle_deg(found.rotation[0], view.rotation) < 5


def test_one_wild_landmark_does_not_turn_the_head(base_model):
    view = camera(20.0)
    seen = observe(base_model, np.zeros(1), np.zeros(base_model.expression_count), view)
    seen.points68[30] += 400
    found = first_views(build_problem(base_model, [seen], FitOptions()), CENTRE[None])
    assert angle_deg(found.rotation[0], view.rotation) < 5


def test_landmarks_without_error_are_no_trouble(base_model):
    view = camera(-30.0)
    seen = observe(base_model, np.zeros(1), np.zeros(base_model.expression_count), view)
    seen.sigma68[:] = 0
    found = first_views(build_problem(base_model, [seen], FitOptions()), CENTRE[None])
    assert angle_deg(found.rotation[0], view.rotation) < 5

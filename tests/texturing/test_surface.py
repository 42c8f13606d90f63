from __future__ import annotations

import numpy as np

from facefuse.texturing.surface import SurfaceFilter, surface_filter_of


def test_constants_stay_and_smoothing_never_overshoots(sitter) -> None:
    smoother = surface_filter_of(sitter.model)
    values = np.random.default_rng(0).uniform(0, 1, (sitter.model.vertex_count, 2))
    np.testing.assert_allclose(smoother.smooth(np.full_like(values, 0.7), 10.0), 0.7, atol=1e-9)
    smooth = smoother.smooth(values, 10.0)
    assert smooth.min() >= values.min() - 1e-9
    assert smooth.max() <= values.max() + 1e-9
    assert smooth[sitter.model.face_mask].std() < 0.3 * values.std()


def test_fill_continues_the_nearest_data(sitter) -> None:
    model = sitter.model
    smoother = SurfaceFilter(model)
    x = model.mean[:, 0].astype(float)
    skin = model.region_mask("face", "forehead", "nose", "neck", "scalp")
    used = np.unique(model.triangles[skin])
    known = np.zeros(len(x))
    known[used] = np.abs(x[used]) > 30
    filled = smoother.fill(np.sign(x)[:, None], known, 8.0)[:, 0]
    middle = used[(np.abs(x[used]) < 20) & (np.abs(x[used]) > 8)]
    assert (np.sign(filled[middle]) == np.sign(x[middle])).mean() > 0.95
    assert np.abs(filled[used]).max() <= 1 + 1e-6


def test_far_from_data_the_anchor_wins(sitter) -> None:
    model = sitter.model
    known = np.zeros(model.vertex_count)
    known[model.landmarks68[30, 0]] = 1  # the tip of the nose
    filled = surface_filter_of(model).fill(np.ones((len(known), 1)), known, 5.0, anchor=1e-3)[:, 0]
    back = model.mean[:, 2].argmin()
    assert filled[model.landmarks68[30, 0]] > 0.5
    assert filled[back] < 1e-3

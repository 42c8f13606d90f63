import gc

import numpy as np

from facefuse.fitting import points as points_module
from facefuse.fitting.points import model_points


def test_rows_are_the_models_landmarks_mesh_points_and_contours(toy_model):
    rng = np.random.default_rng(2)
    identity, expression = rng.normal(size=6), rng.uniform(size=5)
    cut = model_points(toy_model, np.array([3, 5, 19, 468, 470]))
    vertices = toy_model.vertices(identity, expression)
    rows = np.arange(len(cut.mean))[None]
    placed = cut.positions(np.concatenate([identity, expression])[None], rows)[0]
    np.testing.assert_allclose(placed[:68], toy_model.landmarks(vertices), atol=1e-9)
    np.testing.assert_allclose(placed[68:71], toy_model.mesh_landmarks(vertices)[[3, 5, 19]], atol=1e-9)
    np.testing.assert_array_equal(cut.mesh, [3, 5, 19])
    np.testing.assert_array_equal(cut.jaw[:, 0], np.arange(17))
    np.testing.assert_array_equal(cut.jaw[:, 4], np.arange(17))  # padding is the landmark itself
    for landmark in range(17):
        for candidate in range(3):
            want = vertices[toy_model.contours[landmark, candidate]]
            np.testing.assert_allclose(placed[cut.jaw[landmark, 1 + candidate]], want, atol=1e-9)


def test_rows_are_cut_once_and_go_with_the_model(toy_model):
    copy = toy_model.to(np.array)
    key = id(copy)
    mesh = np.arange(4)
    assert model_points(copy, mesh) is model_points(copy, mesh)
    assert key in points_module._CACHE
    del copy
    gc.collect()
    assert key not in points_module._CACHE

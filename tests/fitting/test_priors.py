import numpy as np

from facefuse.fitting.priors import EXPRESSION_SIGMA, FACE_OVAL, OPPOSED, definition_sigma, expression_precision


def test_the_expression_prior_is_a_proper_gaussian(base_model):
    precision = expression_precision(tuple(base_model.expression_names))
    np.testing.assert_allclose(precision, precision.T)
    assert np.linalg.eigvalsh(precision).min() > 0


def test_every_expression_of_the_base_model_has_its_own_spread(base_model):
    for name in base_model.expression_names:
        assert any(name.startswith(key) for key in EXPRESSION_SIGMA), name


def test_opposed_expressions_cost_more_together_than_their_difference(base_model):
    names = tuple(base_model.expression_names)
    precision = expression_precision(names)
    checked = 0
    for one, other in OPPOSED:
        if one in names and other in names:
            both, difference = np.zeros(len(names)), np.zeros(len(names))
            both[[names.index(one), names.index(other)]] = 0.8, 0.5
            difference[names.index(one)] = 0.3
            assert both @ precision @ both > 5 * (difference @ precision @ difference)
            checked += 1
    assert checked >= 8


def test_sides_prefer_to_move_together():
    names = ("mouthSmileLeft", "mouthSmileRight")
    precision = expression_precision(names)
    together, apart = np.array([0.5, 0.5]), np.array([0.7, 0.1])
    assert together @ precision @ together < apart @ precision @ apart


def test_outlines_are_defined_less_exactly_than_eyes():
    mesh = np.array([33, 263, FACE_OVAL[0]])
    sigma = definition_sigma(mesh)
    assert sigma.shape == (71,)
    assert sigma[:17].min() > sigma[36:48].max()
    assert sigma[70] > sigma[68]

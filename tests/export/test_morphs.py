"""Sparse morph targets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from facefuse.export.morphs import STILL_MM, STILL_NORMAL, build_morphs, morphs_of
from facefuse.geometry.mesh import vertex_normals


@pytest.fixture(scope="module")
def morphs(model):
    return build_morphs(model)


def test_displacements_are_those_of_the_model(model, morphs):
    for part, targets in zip(morphs.parts, morphs.targets, strict=True):
        for target, displacement in zip(targets, model.expression, strict=True):
            found = np.zeros((len(part.vertex), 3))
            found[target.moved] = target.displacement
            assert np.abs(found - displacement[part.vertex]).max() <= STILL_MM + 1e-5
            assert (np.diff(target.moved) > 0).all()


@pytest.mark.parametrize("identity", [False, True])
def test_normals_are_those_of_the_moved_head(model, reconstruction, morphs, identity):
    neutral = np.asarray(reconstruction.mesh.vertices) if identity else model.mean
    changes = morphs.normal_changes(neutral)
    before = vertex_normals(neutral, model.triangles)
    for part, targets in zip(morphs.parts, morphs.targets, strict=True):
        for target, displacement in zip(targets, model.expression, strict=True):
            thinned = displacement * (np.abs(displacement) > STILL_MM).any(-1, keepdims=True)
            exact = (vertex_normals(neutral + thinned, model.triangles) - before)[part.vertex]
            found = changes[target.rows]
            np.testing.assert_allclose(found, exact[target.turned], atol=1e-4)
            assert (np.diff(target.turned) > 0).all()
            exact[target.turned] = 0
            # what is left out was found on the mean head; another head bends a little otherwise
            assert np.linalg.norm(exact, axis=1).max(initial=0) <= STILL_NORMAL * (2 if identity else 1) + 1e-4


def test_expressions_are_local(model, morphs):
    skin = dict(zip(model.expression_names, morphs.targets[0], strict=True))
    assert 0 < len(skin["eyeBlinkLeft"].moved) < model.vertex_count / 4
    assert len(skin["tongueOut"].moved) == len(skin["tongueOut"].turned) == 0
    teeth = dict(zip(model.expression_names, morphs.targets[2], strict=True))
    assert len(teeth["jawOpen"].moved) > 0
    assert len(teeth["browInnerUp"].moved) == 0


def test_kept_for_the_model_and_never_for_another(model):
    first = morphs_of(model)
    assert morphs_of(model) is first
    other = replace(model, expression=2 * model.expression, _flat={})
    assert morphs_of(other) is not first
    np.testing.assert_allclose(
        morphs_of(other).targets[0][0].displacement.max(), 2 * first.targets[0][0].displacement.max(), rtol=1e-6
    )


def test_a_model_without_expressions(model):
    rigid = build_morphs(replace(model, expression=np.zeros((0, model.vertex_count, 3)), expression_names=(), _flat={}))
    assert rigid.targets == ((), (), ())
    assert rigid.normal_changes(model.mean).shape == (0, 3)

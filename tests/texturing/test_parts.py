from __future__ import annotations

import numpy as np

from facefuse.texturing.parts import parts_of


def test_roles_of_the_regions(sitter) -> None:
    model, parts = sitter.model, parts_of(sitter.model)

    def vertices(*names: str) -> np.ndarray:
        return np.unique(model.triangles[model.region_mask(*names)])

    assert parts.skin[vertices("face", "nose", "scalp")].min() == 1
    assert parts.skin[vertices("upper_teeth", "pupil_left")].max() == 0
    assert parts.strict[vertices("nose")].max() < 0.3
    assert parts.strict[vertices("neck")].mean() > 0.9
    assert parts.maybe_hair[vertices("brow_left", "nose", "lower_lip")].max() < 0.05
    assert parts.maybe_hair[vertices("scalp")].mean() > 0.8
    assert (parts.core > 0.2).sum() > 500
    for field in (parts.strict, parts.core, parts.scalp, parts.maybe_hair, parts.ear, parts.lid):
        assert field.min() >= 0
        assert field.max() <= 1
        np.testing.assert_allclose(field, field[model.symmetric], atol=0.2)

from __future__ import annotations

import numpy as np

from facefuse.morphable.mirror import mirrored_names, mode_parity
from facefuse.morphable.registry import load_model

MODEL = load_model("base")


def test_every_identity_mode_is_symmetric_or_antisymmetric() -> None:
    parity = mode_parity(MODEL)
    assert set(parity) == {-1.0, 1.0}
    modes = np.asarray(MODEL.identity)
    mirrored = modes[:, np.asarray(MODEL.symmetric)] * np.array([-1.0, 1.0, 1.0])
    np.testing.assert_allclose(mirrored, modes * parity[:, None, None], atol=2e-2)


def test_left_and_right_trade_places() -> None:
    names = ("eyeBlinkLeft", "jawOpen", "eyeBlinkRight", "mouthLeft", "mouthRight")
    assert mirrored_names(names).tolist() == [2, 1, 0, 4, 3]


def test_a_mirrored_face_has_mirrored_coefficients() -> None:
    rng = np.random.default_rng(0)
    identity = rng.normal(size=MODEL.identity_count).astype(np.float32)
    expression = rng.uniform(0, 0.5, MODEL.expression_count).astype(np.float32)
    partner = mirrored_names(MODEL.expression_names)
    found = MODEL.vertices(identity * mode_parity(MODEL).astype(np.float32), expression[partner])
    expected = MODEL.vertices(identity, expression)[np.asarray(MODEL.symmetric)] * np.array([-1.0, 1.0, 1.0])
    assert np.abs(found - expected).max() < 0.3  # mm; a few expressions of the model are not exact mirror images

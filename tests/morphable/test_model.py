"""Decoding a face model."""

from __future__ import annotations

import array_api_compat
import numpy as np
import pytest
from small_model import small_model

from facefuse.morphable.model import barycentric_points


def test_vertices_are_mean_plus_weighted_modes() -> None:
    model = small_model()
    identity, expression = np.array([0.5, -1.0, 2.0]), np.array([0.3, 0.0])
    wanted = model.mean + sum(c * m for c, m in zip(identity, model.identity, strict=True)) + 0.3 * model.expression[0]
    np.testing.assert_allclose(model.vertices(identity, expression), wanted, atol=1e-6)


def test_leading_identity_coefficients_suffice_and_batches_stack() -> None:
    model = small_model()
    some = np.array([[1.0, 2.0], [0.0, -1.0]])
    padded = np.array([[1.0, 2.0, 0.0], [0.0, -1.0, 0.0]])
    np.testing.assert_allclose(model.vertices(some), model.vertices(padded), atol=1e-6)
    np.testing.assert_allclose(model.vertices(some)[1], model.vertices(some[1]), atol=1e-6)


def test_numpy_and_torch_agree_and_torch_has_gradients() -> None:
    torch = pytest.importorskip("torch")
    model = small_model()
    other = model.to(torch.as_tensor)
    identity = torch.tensor([0.2, 0.1, -0.4], requires_grad=True)
    vertices = other.vertices(identity)
    assert array_api_compat.is_torch_array(vertices)
    np.testing.assert_allclose(vertices.detach().numpy(), model.vertices(np.array([0.2, 0.1, -0.4])), atol=1e-6)
    vertices[3, 1].backward()
    np.testing.assert_allclose(identity.grad.numpy(), model.identity[:, 3, 1], atol=1e-6)


def test_barycentric_points_at_corners_and_middles() -> None:
    vertices = np.array([[0.0, 0, 0], [2, 0, 0], [0, 2, 0]])
    points = barycentric_points(vertices, np.array([[0, 1, 2], [0, 1, 2]]), np.array([[1.0, 0, 0], [0, 0.5, 0.5]]))
    np.testing.assert_allclose(points, [[0, 0, 0], [1, 1, 0]])


def test_region_mask_names_unknown_regions() -> None:
    model = small_model()
    assert model.region_mask("face").sum() == 12
    assert model.region_mask("face", "neck").all()
    with pytest.raises(KeyError, match="beard"):
        model.region_mask("beard")

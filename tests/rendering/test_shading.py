from __future__ import annotations

import numpy as np
import pytest

from facefuse.rendering.shading import linear_to_srgb, sh_basis, sh_shade, srgb_to_linear


def sphere(count: int) -> np.ndarray:
    """Fibonacci sphere: nearly equal areas."""
    z = 1 - 2 * (np.arange(count) + 0.5) / count
    angle = np.pi * (3 - np.sqrt(5)) * np.arange(count)
    radius = np.sqrt(1 - z * z)
    return np.stack((radius * np.cos(angle), radius * np.sin(angle), z), 1)


def test_srgb_round_trip_and_known_values() -> None:
    values = np.linspace(0, 1, 1001)
    np.testing.assert_allclose(linear_to_srgb(srgb_to_linear(values)), values, atol=1e-7)
    np.testing.assert_allclose(srgb_to_linear(np.array([0.5, 0.04])), [0.21404114, 0.04 / 12.92], atol=1e-7)


def test_basis_is_orthonormal_on_the_sphere() -> None:
    basis = sh_basis(sphere(20000))
    gram = basis.T @ basis * (4 * np.pi / len(basis))
    np.testing.assert_allclose(gram, np.eye(9), atol=2e-3)


def test_second_order_explains_lambertian_shading() -> None:
    normals = sphere(5000)
    direction = np.array([0.6, 0.48, 0.64])
    true = np.clip(normals @ direction, 0, None)
    basis = sh_basis(normals)
    light = np.linalg.lstsq(basis, np.repeat(true[:, None], 3, 1), rcond=None)[0]
    error = sh_shade(normals, light)[:, 0] - true
    # Ramamoorthi & Hanrahan: nine coefficients keep over 99 % of the energy
    assert (error**2).sum() < 0.01 * (true**2).sum()


def test_numpy_and_torch_agree() -> None:
    torch = pytest.importorskip("torch")
    normals, light = sphere(50), np.random.default_rng(0).normal(size=(9, 3))
    here = sh_shade(normals, light)
    there = sh_shade(torch.as_tensor(normals), torch.as_tensor(light))
    np.testing.assert_allclose(there.numpy(), here, atol=1e-12)
    colours = torch.linspace(0, 1, 20, dtype=torch.float64, requires_grad=True)
    srgb_to_linear(colours).sum().backward()
    assert torch.isfinite(colours.grad).all()
    np.testing.assert_allclose(srgb_to_linear(colours.detach()).numpy(), srgb_to_linear(colours.detach().numpy()))

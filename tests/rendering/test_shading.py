from __future__ import annotations

import numpy as np
import pytest

from facefuse.rendering.shading import estimate_light, linear_to_srgb, sh_basis, sh_shade, srgb_to_linear


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


def lit(normals: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A random plausible light, random albedo, and the colours they give."""
    rng = np.random.default_rng(seed)
    light = np.concatenate([[[2.5, 2.4, 2.2]], rng.normal(0, 0.6, (3, 3)), rng.normal(0, 0.15, (5, 3))])
    albedo = rng.uniform(0.2, 0.7, (len(normals), 3))
    return light, albedo, albedo * sh_shade(normals, light)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_known_light_is_recovered(seed: int) -> None:
    normals = sphere(2000)
    light, albedo, colour = lit(normals, seed)
    found = estimate_light(colour, albedo, normals, np.ones(len(normals)))
    np.testing.assert_allclose(found, light, atol=0.04)
    np.testing.assert_allclose(sh_shade(normals, found), sh_shade(normals, light), atol=0.05)


def test_shadows_and_highlights_hardly_move_the_light() -> None:
    normals = sphere(3000)
    normals = normals[normals[:, 2] < -0.2]  # a face: no surface that looks away is seen
    light, albedo, colour = lit(normals, 3)
    rng = np.random.default_rng(4)
    spoiled = colour.copy()
    shadow, shine = rng.random(len(normals)) < 0.25, rng.random(len(normals)) < 0.05
    spoiled[shadow] *= 0.3
    spoiled[shine] += 0.8
    shading = sh_shade(normals, light)
    weights = np.ones(len(normals))
    robust = np.abs(sh_shade(normals, estimate_light(spoiled, albedo, normals, weights)) - shading).mean()
    plain = np.abs(sh_shade(normals, estimate_light(spoiled, albedo, normals, weights, rounds=1)) - shading).mean()
    assert robust < 0.04
    assert plain > 3 * robust


def test_points_without_weight_do_not_count() -> None:
    normals = sphere(1000)
    _, albedo, colour = lit(normals, 5)
    weights = (np.arange(1000) % 2).astype(float)
    spoiled = np.where(weights[:, None] > 0, colour, 9.0)
    there = estimate_light(colour[1::2], albedo[1::2], normals[1::2], np.ones(500))
    np.testing.assert_allclose(estimate_light(spoiled, albedo, normals, weights), there, atol=1e-9)


def test_light_from_unseen_sides_stays_even() -> None:
    normals = sphere(4000)
    normals = normals[normals[:, 2] < -0.6]
    light = estimate_light(np.full_like(normals, 0.2), np.full_like(normals, 0.4), normals, np.ones(len(normals)))
    np.testing.assert_allclose(sh_shade(sphere(200), light), 0.5, atol=0.02)


def test_light_in_numpy_and_torch_agrees() -> None:
    torch = pytest.importorskip("torch")
    normals = sphere(300)
    _, albedo, colour = lit(normals, 6)
    colour[:50] *= 0.2
    here = estimate_light(colour, albedo, normals, np.ones(300))
    tensors = (torch.as_tensor(a) for a in (colour, albedo, normals, np.ones(300)))
    np.testing.assert_allclose(estimate_light(*tensors).numpy(), here, atol=1e-9)

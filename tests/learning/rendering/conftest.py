"""Small meshes and cameras."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from facefuse.learning.rendering import PinholeCameras, RenderMesh

Soup = Callable[..., tuple[Tensor, Tensor]]


@pytest.fixture
def soup() -> Soup:
    """Random triangles over and beyond a picture; a third of the vertices lie on pixel centres."""

    def make(seed: int, batch: int = 2, count: int = 60, width: int = 40, height: int = 30) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng(seed)
        low, high = (-8, -8, 50), (width + 8, height + 8, 500)
        vertices = rng.uniform(low, high, (batch, 2 * count, 3))
        vertices[:, ::3, :2] = np.rint(vertices[:, ::3, :2])
        return torch.from_numpy(vertices), torch.from_numpy(rng.integers(0, 2 * count, (count, 3)))

    return make


@pytest.fixture
def ball() -> tuple[Tensor, RenderMesh]:
    """A ball of radius 10 about the origin: vertices (V, 3) float64 and its mesh with texture coordinates."""
    rows, columns = 12, 16
    down, round_ = np.meshgrid(
        np.linspace(0.1, np.pi - 0.1, rows), np.arange(columns) * 2 * np.pi / columns, indexing="ij"
    )
    rim = np.stack((np.sin(down) * np.cos(round_), np.cos(down), -np.sin(down) * np.sin(round_)), -1).reshape(-1, 3)
    vertices = 10 * np.concatenate([rim, [[0, 1, 0], [0, -1, 0]]])
    number = np.arange(rows * columns).reshape(rows, columns)
    a, b = number[:-1], number[1:]
    c, d = np.roll(b, -1, 1), np.roll(a, -1, 1)
    top, bottom = rows * columns, rows * columns + 1
    triangles = [np.stack((a, b, c), -1).reshape(-1, 3), np.stack((a, c, d), -1).reshape(-1, 3)]
    triangles += [np.array([[top, number[0, k], number[0, (k + 1) % columns]] for k in range(columns)])]
    triangles += [np.array([[bottom, number[-1, (k + 1) % columns], number[-1, k]] for k in range(columns)])]
    mesh = RenderMesh.of_triangles(np.concatenate(triangles))
    uv = torch.from_numpy(vertices[:, :2] / 20 + 0.5)
    return torch.from_numpy(vertices), RenderMesh(mesh.triangles, mesh.neighbours, uv, mesh.triangles)


@pytest.fixture
def cameras() -> Callable[..., PinholeCameras]:
    """Cameras before the origin that look at it."""

    def make(batch: int, size: int, distance: float = 60.0, fill: float = 0.7) -> PinholeCameras:
        focal = torch.full((batch,), fill * size / 2 * distance / 10, dtype=torch.float64)
        centre = torch.full((batch, 2), (size - 1) / 2, dtype=torch.float64)
        turn = torch.diag(torch.tensor([1.0, -1.0, -1.0], dtype=torch.float64)).expand(batch, 3, 3).clone()
        away = torch.tensor([0.0, 0.0, distance], dtype=torch.float64).expand(batch, 3).clone()
        return PinholeCameras(focal, centre, turn, away)

    return make

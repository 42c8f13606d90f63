"""Neighbours of triangles."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from facefuse.learning.rendering import RenderMesh
from facefuse.morphable import load_model


def test_neighbours_of_a_square_of_two_triangles() -> None:
    mesh = RenderMesh.of_triangles(np.array([[0, 1, 2], [0, 2, 3]]))
    # each shares the edge 0-2: opposite corner 1 of the first and corner 3 of the second
    assert mesh.neighbours.tolist() == [[-1, 1, -1], [-1, -1, 0]]


def test_three_triangles_at_an_edge_have_a_border_there() -> None:
    mesh = RenderMesh.of_triangles(np.array([[0, 1, 2], [1, 0, 3], [0, 1, 4]]))
    assert (mesh.neighbours == -1).all()


def test_neighbours_share_the_edge_and_know_each_other() -> None:
    model = load_model("base")
    mesh = RenderMesh.of_model(model)
    corners, neighbours = mesh.triangles.numpy(), mesh.neighbours.numpy()
    assert (neighbours >= 0).mean() > 0.9
    triangle, corner = np.nonzero(neighbours >= 0)
    other = neighbours[triangle, corner]
    edge = np.stack([corners[triangle, (corner + 1) % 3], corners[triangle, (corner + 2) % 3]], 1)
    assert (edge[:, :, None] == corners[other][:, None]).any(2).all()
    assert (neighbours[other] == triangle[:, None]).any(1).all()
    assert mesh.uv is not None
    assert mesh.uv.shape == model.uv.shape


def test_a_closed_surface_has_no_border(ball) -> None:
    assert (ball[1].neighbours >= 0).all()


def test_torch_triangles_and_devices() -> None:
    mesh = RenderMesh.of_triangles(torch.tensor([[0, 1, 2]]))
    assert mesh.to("cpu").triangles.dtype == torch.int64
    assert mesh.to("cpu").uv is None


def test_wrong_triangles_are_refused() -> None:
    with pytest.raises(ValueError, match="found"):
        RenderMesh.of_triangles(np.zeros((4, 2), int))

"""Which points are seen."""

from __future__ import annotations

import torch

from facefuse.learning.rendering import point_visibility
from facefuse.learning.rendering.coverage import rasterize


def test_front_of_a_ball_is_seen_and_its_back_is_not(ball, cameras) -> None:
    vertices, mesh = ball
    view = cameras(2, 64)
    screen = view.screen(vertices.expand(2, -1, -1))
    seen = rasterize(screen, mesh.triangles, 64, 64)
    visible = point_visibility(screen, seen, 1.0)
    assert visible.shape == (2, len(vertices))
    front, back = vertices[:, 2] > 4, vertices[:, 2] < -2.5
    assert visible[:, front].all()
    assert not visible[:, back].any()


def test_points_beside_the_picture_are_not_seen(ball, cameras) -> None:
    vertices, mesh = ball
    screen = cameras(1, 64).screen(vertices[None])
    seen = rasterize(screen, mesh.triangles, 64, 64)
    points = torch.tensor([[[-1.0, 30, 1], [30, 64, 1], [30, 30, 1], [torch.nan, 30, 1]]])
    assert point_visibility(points, seen).tolist() == [[False, False, True, False]]

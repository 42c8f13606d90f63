from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from facefuse.learning.df_mvr.closer import CloserLook  # noqa: E402


def test_an_untrained_look_moves_nothing() -> None:
    look = CloserLook(4, 8, 5).eval()
    points, log_sigma = torch.rand(2, 5, 2), torch.randn(2, 5)
    moved, said = look(torch.randn(2, 4, 16, 16), torch.randn(2, 8, 8, 8), points, log_sigma)
    torch.testing.assert_close(moved, points)
    torch.testing.assert_close(said, log_sigma)


def test_it_learns_to_find_what_lies_beside_a_point() -> None:
    """A bright dot near where the point was expected; after a little training the point lies on it."""
    torch.manual_seed(0)
    look = CloserLook(1, 1, 1, channels=8, hidden=32)
    optimizer = torch.optim.Adam(look.parameters(), 5e-3)
    cells = (torch.arange(28) + 0.5) / 28
    y, x = torch.meshgrid(cells, cells, indexing="ij")

    def sample(count: int):
        dot = 0.5 + 0.2 * (torch.rand(count, 1, 2) - 0.5)
        guess = dot + 0.03 * (torch.rand(count, 1, 2) - 0.5) * 2
        picture = torch.exp(-((x - dot[..., :1]) ** 2 + (y - dot[..., 1:]) ** 2) / (2 * 0.03**2))[:, None]
        return picture, torch.zeros(count, 1, 14, 14), guess, dot

    for _ in range(150):
        first, pyramid, guess, dot = sample(32)
        found, _ = look(first, pyramid, guess, torch.zeros(32, 1))
        optimizer.zero_grad()
        (found - dot).norm(dim=-1).mean().backward()
        optimizer.step()
    first, pyramid, guess, dot = sample(200)
    found, _ = look.eval()(first, pyramid, guess, torch.zeros(200, 1))
    assert (found - dot).norm(dim=-1).mean() < 0.3 * (guess - dot).norm(dim=-1).mean()


def test_where_it_reads_gets_no_gradient_by_the_reading() -> None:
    look = CloserLook(2, 2, 3)
    torch.nn.init.normal_(look.move.weight)
    points = torch.rand(1, 3, 2, requires_grad=True)
    found, _ = look(torch.randn(1, 2, 8, 8), torch.randn(1, 2, 4, 4), points, torch.zeros(1, 3))
    (gradient,) = torch.autograd.grad(found.sum(), points)
    torch.testing.assert_close(gradient, torch.ones_like(points))

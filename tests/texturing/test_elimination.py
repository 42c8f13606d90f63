from __future__ import annotations

import numpy as np

from facefuse.texturing import elimination


def grid(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Points of a square grid, (V, 2) to three dimensions, and its edges."""
    number = np.arange(side * side).reshape(side, side)
    along = np.stack((number[:, :-1].ravel(), number[:, 1:].ravel()), 1)
    down = np.stack((number[:-1].ravel(), number[1:].ravel()), 1)
    y, x = np.divmod(np.arange(side * side), side)
    return np.stack((x, y, 0 * x), 1).astype(float), np.concatenate((along, down))


def entries(order: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, ...]:
    """Start and column of the edges by row, their numbers, and parent and first of the factor."""
    place = np.argsort(order)
    both = np.concatenate((place[edges], place[edges][:, ::-1]))
    by_row = np.lexsort((both[:, 1], both[:, 0]))
    start = np.searchsorted(both[by_row, 0], np.arange(len(order) + 1)).astype(np.int32)
    column = both[by_row, 1].astype(np.int32)
    parent, first = np.empty(len(order), np.int32), np.empty(len(order) + 1, np.int32)
    elimination.count_entries(start, column, parent, first)
    return start, column, np.tile(np.arange(len(edges)), 2)[by_row], parent, first


def test_the_solution_solves_the_system() -> None:
    points, edges = grid(12)
    rng = np.random.default_rng(0)
    weight, mass = rng.uniform(0.1, 2, len(edges)), rng.uniform(0.5, 1.5, len(points))
    order = elimination.dissection(points, edges, levels=3)
    start, column, edge, parent, first = entries(order, edges)
    row, lower, diagonal = np.empty(first[-1], np.int32), np.empty((first[-1], 3)), np.empty((len(points), 3))
    factors = np.array([0.5, 30.0, 900.0])
    elimination.factorize(start, column, weight[edge], mass[order], factors, parent, first, row, lower, diagonal)
    laplacian = np.zeros((len(points), len(points)))
    for (i, j), w in zip(edges, weight, strict=True):
        laplacian[[i, j], [i, j]] += w
        laplacian[[i, j], [j, i]] -= w
    right = rng.normal(size=(len(points), 2))
    for kind, factor in enumerate(factors):
        inner = right[order]
        elimination.solve(first, row, lower, diagonal, kind, inner)
        expected = np.linalg.solve(np.diag(mass) + factor * laplacian, right)
        np.testing.assert_allclose(inner, expected[order], atol=1e-10)


def test_dissection_is_an_order_and_fills_in_less_than_rows_do() -> None:
    points, edges = grid(40)
    order = elimination.dissection(points, edges)
    np.testing.assert_array_equal(np.sort(order), np.arange(len(points)))
    filled = [entries(one, edges)[-1][-1] for one in (order, np.arange(len(points)))]
    assert filled[0] < 0.5 * filled[1]

"""Assign rows to columns at the least cost, each to one of its own or to none."""

import numpy as np
from numpy.typing import NDArray

NONE = -1


def assign(costs: NDArray[np.float64], *, alone_cost: float) -> NDArray[np.intp]:
    """Return the column of every row (N,), NONE for a row that is left alone.

    The rows come one by one; each is fitted in along the cheapest way of moving those before it over:
    Dijkstra's search with the prices of columns and rows as potentials.

    Args:
        costs: Of every pair, (N, M), >= 0; inf where it cannot be.
        alone_cost: Of a row that is left alone.

    Jonker and Volgenant, "A shortest augmenting path algorithm for dense and sparse linear assignment
    problems", 1987.
    """
    rows, columns = costs.shape
    alone = np.where(np.eye(rows, dtype=bool), alone_cost, np.inf)
    costs = np.concatenate([costs, alone], axis=1)  # a column for each row that is left alone
    row_prices, column_prices = np.zeros(rows), np.zeros(rows + columns)
    column_of = np.full(rows, NONE)
    row_of = np.full(rows + columns, NONE)
    for row in range(rows):
        _fit_in(row, costs, (row_prices, column_prices), (column_of, row_of))
    return np.where(column_of < columns, column_of, NONE)


def _fit_in(
    first: int,
    costs: NDArray[np.float64],
    prices: tuple[NDArray[np.float64], NDArray[np.float64]],
    taken: tuple[NDArray[np.intp], NDArray[np.intp]],
) -> None:
    """Give a row a column, and others another one where that is cheaper in all."""
    row_prices, column_prices = prices
    column_of, row_of = taken
    reach = np.full(len(column_prices), np.inf)
    came_from = np.full(len(column_prices), NONE)
    is_done = np.zeros(len(column_prices), bool)
    row, column, so_far = first, NONE, 0.0
    while row != NONE:
        reduced = so_far + costs[row] - row_prices[row] - column_prices
        is_better = ~is_done & (reduced < reach)
        reach[is_better], came_from[is_better] = reduced[is_better], row
        column = int(np.argmin(np.where(is_done, np.inf, reach)))
        is_done[column], so_far = True, reach[column]
        row = row_of[column]
    row_prices[first] += so_far
    passed = np.flatnonzero(is_done & (row_of != NONE))
    row_prices[row_of[passed]] += so_far - reach[passed]
    column_prices[passed] -= so_far - reach[passed]
    while column != NONE:
        row = came_from[column]
        row_of[column] = row
        column_of[row], column = column, (NONE if row == first else column_of[row])

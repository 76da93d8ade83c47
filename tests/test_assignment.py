"""Rows to columns at the least cost, against another algorithm and against trying all ways."""

from itertools import permutations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robomem.semantic.assignment import NONE, assign

ALONE = 10.0
sizes = st.tuples(st.integers(1, 5), st.integers(0, 5))


def drawn_costs(seed, shape, *, possible=0.7):
    rng = np.random.default_rng(seed)
    costs = rng.uniform(0, 15, shape)
    return np.where(rng.random(shape) < possible, costs, np.inf)


def cost_of(columns, costs):
    return sum(ALONE if c == NONE else costs[row, c] for row, c in enumerate(columns))


@given(st.integers(0, 2**32), sizes)
def test_no_way_of_assigning_is_cheaper(seed, shape):
    costs = drawn_costs(seed, shape)
    rows, columns = shape

    found = assign(costs, alone_cost=ALONE)

    ways = permutations([*range(columns), *[NONE] * rows], rows)
    best = min(cost_of(way, costs) for way in ways)
    assert cost_of(found, costs) == pytest.approx(best)
    taken = [c for c in found if c != NONE]
    assert len(taken) == len(set(taken))


@pytest.mark.parametrize("seed", range(5))
def test_a_large_assignment_costs_what_the_best_matching_costs(seed):
    costs = drawn_costs(seed, (30, 40), possible=0.3)
    graph = nx.Graph()
    for row, column in np.argwhere(costs < ALONE).tolist():
        graph.add_edge(("row", row), ("column", column), weight=ALONE - costs[row, column])

    found = assign(costs, alone_cost=ALONE)

    matching = nx.max_weight_matching(graph)
    saved = sum(graph.edges[edge]["weight"] for edge in matching)
    assert cost_of(found, costs) == pytest.approx(30 * ALONE - saved)


def test_a_pair_that_cannot_be_is_none():
    found = assign(np.array([[np.inf, 1.0], [np.inf, 2.0]]), alone_cost=ALONE)

    assert found.tolist() == [1, NONE]

"""A shortest path through a graph in rows of edges."""

import heapq
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from robomem.jit import jit

NONE = -1


class Adjacency(NamedTuple):
    """The edges of node i are the rows first[i] to first[i + 1] (compressed sparse rows)."""

    first: NDArray[np.int64]  # (N + 1,)
    targets: NDArray[np.int64]  # (E,)
    costs: NDArray[np.float64]  # (E,), inf where blocked


class Ends(NamedTuple):
    """Where a path may begin, or end, and what getting there costs."""

    nodes: NDArray[np.int64]
    costs: NDArray[np.float64]


class Found(NamedTuple):
    """The cost of the cheapest path, inf if there is none; its last node; by which edge each node was reached."""

    cost: float
    last: int
    came_from: NDArray[np.int64]


@jit
def find_path(
    graph: Adjacency, positions: NDArray[np.float64], goal: NDArray[np.float64], scale: float,
    starts: Ends, exits: Ends,
) -> Found:  # fmt: skip
    """Search from any start to any exit with A* (Hart, Nilsson and Raphael, 1968).

    Args:
        graph: Edges with costs >= 0.
        positions: Of the nodes, (N, 3) metres.
        goal: The straight distance to it, times `scale`, never exceeds what is left, (3,).
        scale: The least that any edge, or exit, costs for a metre of straight distance.
        starts: Where it begins, and the costs until there.
        exits: Where it ends, and the costs from there.
    """
    n = len(positions)
    best = np.full(n, np.inf)
    came_from = np.full(n, NONE)
    exit_costs = np.full(n, np.inf)
    for i in range(len(exits.nodes)):
        exit_costs[exits.nodes[i]] = min(exit_costs[exits.nodes[i]], exits.costs[i])
    queue = [(np.inf, np.inf, 0) for _ in range(0)]
    for i in range(len(starts.nodes)):
        node, cost = starts.nodes[i], starts.costs[i]
        if cost < best[node]:
            best[node] = cost
            left = scale * _distance(positions, node, goal)
            heapq.heappush(queue, (cost + left, cost, node))
    total, last = np.inf, NONE
    while queue and queue[0][0] < total:
        _, cost, node = heapq.heappop(queue)
        if cost > best[node]:
            continue  # a shorter way there was found since
        if cost + exit_costs[node] < total:
            total, last = cost + exit_costs[node], node
        for edge in range(graph.first[node], graph.first[node + 1]):
            target, through = graph.targets[edge], cost + graph.costs[edge]
            if through < best[target]:
                best[target], came_from[target] = through, node
                left = scale * _distance(positions, target, goal)
                heapq.heappush(queue, (through + left, through, target))
    return Found(total, last, came_from)


@jit
def _distance(positions: NDArray[np.float64], node: int, goal: NDArray[np.float64]) -> float:
    dx = positions[node, 0] - goal[0]
    dy = positions[node, 1] - goal[1]
    dz = positions[node, 2] - goal[2]
    return float(np.sqrt(dx * dx + dy * dy + dz * dz))


@jit
def label_components(n: int, edges: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the connected parts (N,) of nodes under edges (E, 2), by their lowest node, directions left aside."""
    parent = np.arange(n)
    for i in range(len(edges)):
        a, b = _root(parent, edges[i, 0]), _root(parent, edges[i, 1])
        parent[max(a, b)] = min(a, b)
    labels = np.empty(n, np.int64)
    count = 0
    for node in range(n):
        root = _root(parent, node)
        if root == node:
            labels[node] = count
            count += 1
        else:
            labels[node] = labels[root]
    return labels


@jit
def _root(parent: NDArray[np.int64], node: int) -> int:
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node

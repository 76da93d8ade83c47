"""Shortest ways through graphs of a city's streets and of buildings, against Dijkstra's."""

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from robomem.errors import UnreachableError
from robomem.eval.trial import Stopwatch, Times
from robomem.spatial.topology.graph import PositionGraph
from robomem.spatial.topology.street_graphs import load_matterport, load_touchdown

STREETS, BUILDINGS = "touchdown", "matterport_connectivity"
GOALS = 3  # of each viewpoint

Neighbours = Mapping[str, Sequence[tuple[str, float]]]


@dataclass(frozen=True, slots=True)
class Graphs:
    """Ways through graphs of one kind.

    Attributes:
        name: Of the data set.
        graphs: How many.
        nodes: Of all of them.
        ways: Times of shortest ways.
        compared: Of the ways, with Dijkstra's,
        differing: and those that are of another length, or found where there are none.
    """

    name: str
    graphs: int
    nodes: int
    ways: Times
    compared: int
    differing: int


def measure_streets(folder: Path, *, ways: int, compared: int, seed: int) -> Graphs:
    """Ask for random ways through the streets of Manhattan, and compare the first of them.

    Args:
        folder: With `touchdown`.
        ways: How many.
        compared: With Dijkstra's.
        seed: Names them.
    """
    graph = load_touchdown(folder / STREETS).graph
    neighbours = _neighbours(graph)
    rng, watch = np.random.default_rng(seed), Stopwatch()
    graph.shortest_path(graph.keys[0], graph.keys[0])  # compiled, and laid out
    differing = 0
    for i, (a, b) in enumerate(rng.integers(len(graph), size=(ways, 2)).tolist()):
        start, goal = graph.keys[a], graph.keys[b]
        cost = _cost(graph, start, goal, watch)
        if i < compared:
            differing += not _is_same(cost, dijkstra(neighbours, start).get(goal, math.inf))
    return Graphs(STREETS, 1, len(graph), watch.times(), min(ways, compared), differing)


def measure_buildings(folder: Path, *, buildings: int | None, seed: int) -> Graphs:
    """Ask for ways from every viewpoint of buildings, and compare all of them.

    Args:
        folder: With `matterport_connectivity`.
        buildings: The first so many.
        seed: Names the goals.
    """
    files = sorted((folder / BUILDINGS).glob("*_connectivity.json"))[:buildings]
    rng, watch = np.random.default_rng(seed), Stopwatch()
    nodes = compared = differing = 0
    for file in files:
        graph = load_matterport(file).graph
        neighbours = _neighbours(graph)
        nodes += len(graph)
        for start in graph.keys:
            expected = dijkstra(neighbours, start)
            for goal in (graph.keys[i] for i in rng.integers(len(graph), size=GOALS)):
                cost = _cost(graph, start, goal, watch)
                compared += 1
                differing += not _is_same(cost, expected.get(goal, math.inf))
    return Graphs(BUILDINGS, len(files), nodes, watch.times(), compared, differing)


def dijkstra(neighbours: Neighbours, start: str) -> dict[str, float]:
    """Return the costs of the shortest ways to all that can be reached.

    Dijkstra, "A Note on Two Problems in Connexion with Graphs", 1959.
    """
    costs: dict[str, float] = {}
    queue: list[tuple[float, str]] = [(0.0, start)]
    while queue:
        cost, node = heapq.heappop(queue)
        if node in costs:
            continue
        costs[node] = cost
        for other, length_m in neighbours.get(node, ()):
            if other not in costs:
                heapq.heappush(queue, (cost + length_m, other))
    return costs


def _neighbours(graph: PositionGraph[str]) -> Neighbours:
    neighbours: dict[str, list[tuple[str, float]]] = {}
    for (a, b), length_m in zip(graph.edges.tolist(), graph.lengths_m.tolist(), strict=True):
        neighbours.setdefault(graph.keys[a], []).append((graph.keys[b], length_m))
        if not graph.is_directed:
            neighbours.setdefault(graph.keys[b], []).append((graph.keys[a], length_m))
    return neighbours


def _cost(graph: PositionGraph[str], start: str, goal: str, watch: Stopwatch) -> float:
    with watch.timing():
        try:
            return graph.shortest_path(start, goal).cost
        except UnreachableError:
            return math.inf


def _is_same(cost: float, expected: float) -> bool:
    return cost == expected or math.isclose(cost, expected, rel_tol=1e-9)

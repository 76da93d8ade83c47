"""Shortest paths are exact, what is blocked stays closed, and what is wrong is said."""

import json
import math

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robomem.errors import DataError, FormatError, QueryError, UnreachableError
from robomem.spatial.topology.graph import PositionGraph
from robomem.spatial.topology.street_graphs import load_matterport, load_touchdown

SQUARE = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]
CORNER = (1.0, 0.0, 0.0)
RING = [(0, 1), (1, 2), (2, 3), (3, 0)]


def networkx_of(graph, *, blocked=()):
    twin = nx.MultiDiGraph()
    twin.add_nodes_from(graph.keys)
    for (a, b), length_m in zip(graph.edges.tolist(), graph.lengths_m, strict=True):
        ways = [(a, b)] if graph.is_directed else [(a, b), (b, a)]
        closed = {*blocked, *(() if graph.is_directed else [pair[::-1] for pair in blocked])}
        for u, v in ways:
            if (graph.keys[u], graph.keys[v]) not in closed:
                twin.add_edge(graph.keys[u], graph.keys[v], weight=length_m)
    return twin


def assert_is_shortest(graph, twin, start, goal, **kwargs):
    try:
        expected = nx.dijkstra_path_length(twin, start, goal)
    except nx.NetworkXNoPath:
        with pytest.raises(UnreachableError):
            graph.shortest_path(start, goal, **kwargs)
        return
    path = graph.shortest_path(start, goal, **kwargs)
    assert path.cost == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert path.keys[0] == start
    assert path.keys[-1] == goal
    legs = zip(path.keys[:-1], path.keys[1:], strict=True)
    assert sum(min(e["weight"] for e in twin[u][v].values()) for u, v in legs) == pytest.approx(
        path.cost
    )


@st.composite
def graphs(draw):
    n = draw(st.integers(1, 12))
    coordinate = st.floats(-50, 50, width=32)
    positions = draw(st.lists(st.tuples(coordinate, coordinate), min_size=n, max_size=n))
    node = st.integers(0, n - 1)
    edges = draw(st.lists(st.tuples(node, node), max_size=40))
    factors = draw(
        st.none() | st.lists(st.floats(0, 3, width=32), min_size=len(edges), max_size=len(edges))
    )
    straight = [math.dist(positions[a], positions[b]) for a, b in edges]
    lengths = None if factors is None else [f * s for f, s in zip(factors, straight, strict=True)]
    return PositionGraph(
        range(n), positions, edges, lengths_m=lengths, is_directed=draw(st.booleans())
    )


@settings(deadline=None, max_examples=150)
@given(graphs(), st.data())
def test_a_path_costs_what_dijkstras_does_with_any_edge_blocked(graph, data):
    edges = [tuple(edge) for edge in graph.edges.tolist()]
    blocked = data.draw(st.lists(st.sampled_from(edges), max_size=3)) if edges else []
    start, goal = (data.draw(st.sampled_from(graph.keys)) for _ in range(2))

    assert_is_shortest(graph, networkx_of(graph), start, goal)
    assert_is_shortest(graph, networkx_of(graph, blocked=blocked), start, goal, blocked=blocked)


@settings(deadline=None, max_examples=100)
@given(graphs())
def test_components_are_those_of_networkx(graph):
    labels = graph.components()

    parts = {frozenset(np.flatnonzero(labels == i).tolist()) for i in set(labels.tolist())}

    assert parts == {frozenset(part) for part in nx.weakly_connected_components(networkx_of(graph))}
    assert set(labels.tolist()) == set(range(len(parts)))


def test_a_blocked_edge_stays_closed_until_it_is_opened():
    graph = PositionGraph("abcd", SQUARE, RING)

    graph.block("a", "b")
    graph.block("a", "b")

    assert graph.blocked == (("a", "b"),)
    assert graph.shortest_path("a", "b").keys == ("a", "d", "c", "b")
    assert graph.shortest_path("b", "a").keys == ("b", "c", "d", "a")
    with pytest.raises(UnreachableError, match="'a'"):
        graph.shortest_path("a", "b", blocked=[("c", "d")])
    graph.unblock("b", "a")  # it is the same edge
    assert graph.shortest_path("a", "b").keys == ("a", "b")
    assert graph.blocked == ()


def test_a_directed_edge_is_blocked_one_way():
    graph = PositionGraph("ab", SQUARE[:2], [(0, 1), (1, 0), (0, 1)], is_directed=True)

    graph.block("a", "b")

    assert graph.shortest_path("b", "a").cost == 1.0
    with pytest.raises(UnreachableError):
        graph.shortest_path("a", "b")


def test_an_edge_may_cost_extra():
    graph = PositionGraph("abcd", SQUARE, RING)

    graph.set_extra_cost("b", "a", 2.5)

    assert graph.shortest_path("a", "b").keys == ("a", "d", "c", "b")
    graph.set_extra_cost("a", "b", 1.5)
    assert graph.shortest_path("a", "b").cost == 2.5
    assert graph.shortest_path("a", "a").cost == 0.0
    assert graph.shortest_path("a", "a").keys == ("a",)


def test_a_path_may_begin_and_end_at_the_cheapest_of_several_nodes():
    graph = PositionGraph("abcd", [(float(i), 0.0) for i in range(4)], [(0, 1), (1, 2), (2, 3)])
    p_goal = (3.0, 1.0, 0.0)

    path = graph.shortest_path_between({"a": 1.0, "b": 1.5}, {"c": 2.5, "d": 1.0}, p_goal)

    assert path.keys == ("b", "c", "d")
    assert path.cost == 4.5
    with pytest.raises(UnreachableError):
        graph.shortest_path_between({}, {"d": 1.0}, p_goal)


def test_self_loops_and_parallel_edges_are_legal():
    graph = PositionGraph("ab", SQUARE[:2], [(0, 0), (0, 1), (1, 0)], lengths_m=[1.0, 5.0, 2.0])

    assert graph.shortest_path("a", "b").cost == 2.0
    graph.block("b", "a")
    with pytest.raises(UnreachableError):
        graph.shortest_path("a", "b")


def test_a_graph_may_be_empty():
    graph = PositionGraph((), np.empty((0, 2)), ())

    assert len(graph) == 0
    assert graph.components().shape == (0,)
    with pytest.raises(QueryError, match="no node 'a'"):
        graph.shortest_path("a", "a")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keys": "aacd"}, "same name"),
        ({"positions": [*SQUARE[:3], (np.nan, 0.0)]}, "not finite"),
        ({"positions": SQUARE[:3]}, "4 nodes have positions"),
        ({"edges": [(0, 4)]}, "not one of 4"),
        ({"edges": [(0, -1)]}, "not one of 4"),
        ({"edges": [(0.0, 1.0)]}, "rows of nodes"),
        ({"edges": [(0, 1, 2)]}, "rows of nodes"),
        ({"lengths_m": [1.0, 1.0, 1.0, np.nan]}, "finite and not negative"),
        ({"lengths_m": [1.0, 1.0, 1.0, -1.0]}, "finite and not negative"),
        ({"lengths_m": [1.0]}, "4 edges"),
    ],
)
def test_a_graph_that_cannot_be_is_refused(change, message):
    with pytest.raises(DataError, match=message):
        PositionGraph(**{"keys": "abcd", "positions": SQUARE, "edges": RING} | change)


def test_a_question_about_what_is_not_there_is_refused_and_changes_nothing():
    graph = PositionGraph("abcd", SQUARE, RING)

    for ask in (
        lambda: graph.shortest_path("a", "x"),
        lambda: graph.shortest_path("a", "b", blocked=[("a", "c")]),
        lambda: graph.block("a", "c"),
        lambda: graph.block("a", "x"),
        lambda: graph.unblock("a", "b"),
        lambda: graph.set_extra_cost("a", "b", -1.0),
        lambda: graph.set_extra_cost("a", "b", np.nan),
        lambda: graph.shortest_path_between({"a": -1.0}, {"b": 0.0}, CORNER),
        lambda: graph.shortest_path_between({"a": 0.0}, {"b": np.nan}, CORNER),
    ):
        with pytest.raises(QueryError):
            ask()

    assert graph.blocked == ()
    assert graph.shortest_path("a", "b").cost == 1.0


# ---- graphs from files ----------------------------------------------------------------------------


def test_routes_in_manhattan_are_as_short_as_dijkstras(data_dir, rng):
    streets = load_touchdown(data_dir / "touchdown")
    graph = streets.graph
    twin = networkx_of(graph)

    assert (len(graph), len(graph.edges)) == (29_641, 61_319)
    for a, b in rng.integers(len(graph), size=(25, 2)):
        assert_is_shortest(graph, twin, graph.keys[a], graph.keys[b])


def test_street_links_lead_where_they_say(data_dir):
    streets = load_touchdown(data_dir / "touchdown")
    x, y, _ = np.diff(streets.graph.positions[streets.graph.edges], axis=1)[:, 0].T

    off = np.arctan2(x, y) - streets.link_headings_rad

    off = np.abs((off + np.pi) % (2 * np.pi) - np.pi)
    assert np.median(off) < np.deg2rad(3.0)
    assert 5.0 < np.median(np.hypot(x, y)) < 20.0  # panoramas are about 10 m apart


def test_shortest_paths_in_all_buildings_equal_networkx(data_dir):
    paths = sorted((data_dir / "matterport_connectivity").glob("*_connectivity.json"))

    assert len(paths) == 45
    for path in paths:
        graph = load_matterport(path).graph
        twin = nx.Graph(networkx_of(graph))
        expected = dict(nx.all_pairs_dijkstra_path_length(twin))
        assert graph.components().max() + 1 == nx.number_connected_components(twin)
        for start in graph.keys[::20]:
            for goal in graph.keys:
                if goal in expected[start]:
                    cost = graph.shortest_path(start, goal).cost
                    assert cost == pytest.approx(expected[start][goal], rel=1e-9)
                else:
                    with pytest.raises(UnreachableError):
                        graph.shortest_path(start, goal)


NODES = "a,0,40.0,-74.0\nb,90,40.0,-73.99\nc,180,40.01,-74.0\n"
LINKS = "a,90,b\na,0,c\n"


@pytest.fixture
def street(tmp_path):
    def write(nodes=NODES, links=LINKS):
        (tmp_path / "nodes.txt").write_text(nodes)
        (tmp_path / "links.txt").write_text(links)
        return tmp_path

    return write


def test_degrees_become_metres_east_and_north(street):
    streets = load_touchdown(street())

    a, b, c = streets.graph.positions
    np.testing.assert_allclose(b - a, (853.7, 0.0, 0.0), atol=0.5)  # of the ellipsoid at 40 north
    np.testing.assert_allclose(c - a, (0.0, 1110.35, 0.0), atol=0.5)
    np.testing.assert_allclose(streets.headings_rad, (0.0, np.pi / 2, np.pi))
    assert streets.origin_deg == pytest.approx((40.005, -73.995))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"nodes": NODES + "d,0,40.0\n"}, r"nodes\.txt:4: 4 fields"),
        ({"nodes": NODES + "\n"}, r"nodes\.txt:4: 4 fields"),
        ({"nodes": NODES + "a,0,40.0,-74.0\n"}, r"nodes\.txt:4: node 'a' comes twice"),
        ({"nodes": NODES + "d,0,x,-74.0\n"}, r"nodes\.txt:4: could not"),
        ({"nodes": NODES + "d,0,nan,-74.0\n"}, r"nodes\.txt:4: nan"),
        ({"nodes": NODES + "d,0,91.0,-74.0\n"}, r"nodes\.txt:4: 91"),
        ({"links": LINKS + "a,0\n"}, r"links\.txt:3: 3 fields"),
        ({"links": LINKS + "a,0,x\n"}, r"links\.txt:3: 'a' or 'x'"),
        ({"links": LINKS + "a,inf,b\n"}, r"links\.txt:3: inf"),
    ],
)
def test_a_bad_line_of_a_street_graph_is_named(street, files, message):
    with pytest.raises(FormatError, match=message):
        load_touchdown(street(**files))


def test_a_street_graph_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FormatError, match=r"nodes\.txt"):
        load_touchdown(tmp_path)
    (tmp_path / "nodes.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(FormatError, match=r"nodes\.txt"):
        load_touchdown(tmp_path)


def viewpoint(name, x, unobstructed, **change):
    T = np.eye(4)
    T[0, 3] = x
    fields = {
        "image_id": name, "pose": T.reshape(16).tolist(), "included": True,
        "unobstructed": unobstructed, "height": 1.5,
    }  # fmt: skip
    return fields | change


def test_a_building_has_only_the_viewpoints_that_are_included(tmp_path):
    entries = [
        viewpoint("a", 0.0, [False, True, True]),
        viewpoint("b", 2.0, [True, False, True], included=False),
        viewpoint("c", 5.0, [False, True, False]),
    ]
    (tmp_path / "b.json").write_text(json.dumps(entries))

    building = load_matterport(tmp_path / "b.json")

    assert building.graph.keys == ("a", "c")
    assert building.graph.shortest_path("c", "a").cost == 5.0
    assert building.heights_m.tolist() == [1.5, 1.5]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({}, "is a list"),
        ([1], "viewpoint 0"),
        ([viewpoint("a", 0.0, [False, False])], "unobstructed"),
        ([viewpoint("a", np.nan, [False])], "rigid motion"),
        ([viewpoint("a", 0.0, [False], pose=[1.0] * 16)], "rigid motion"),
        ([viewpoint("a", 0.0, [False], pose=[1.0])], "viewpoint 0"),
        ([viewpoint("a", 0.0, [False] * 2), viewpoint("a", 1.0, [False] * 2)], "same name"),
    ],
)
def test_a_bad_viewpoint_is_named(tmp_path, entries, message):
    (tmp_path / "b.json").write_text(json.dumps(entries))

    with pytest.raises(FormatError, match=message):
        load_matterport(tmp_path / "b.json")


def test_a_building_that_is_no_json_is_named(tmp_path):
    (tmp_path / "b.json").write_text("[{")

    with pytest.raises(FormatError, match=r"b\.json"):
        load_matterport(tmp_path / "b.json")

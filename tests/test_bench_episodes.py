"""The bench of episodes counts right, and what it holds up to be better is."""

import networkx as nx
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from robomem_sim.bench_memory.boundaries import (
    CHANGE_POINT,
    REFINED,
    UNREFINED,
    BoundaryScore,
    matches,
    measure_boundaries,
)
from robomem_sim.bench_memory.episodes import EpisodesFindings
from robomem_sim.bench_memory.procedures import measure_procedures
from robomem_sim.bench_memory.streams import planted_stream
from robomem_sim.bench_memory.top_down import measure_top_down

from robomem.eval.columns import markdown

ROWS = st.sets(st.integers(0, 30), max_size=10)


@given(found=ROWS, true=ROWS, tolerance=st.integers(0, 3))
def test_matches_are_a_greatest_matching(found, true, tolerance):
    graph = nx.Graph()
    top = [("found", b) for b in found]
    graph.add_nodes_from(top)
    graph.add_edges_from(
        (("found", b), ("true", t)) for b in found for t in true if abs(b - t) <= tolerance
    )
    expected = len(nx.bipartite.maximum_matching(graph, top)) // 2

    assert matches(sorted(found), sorted(true), tolerance=tolerance) == expected


def test_a_planted_day_is_its_seeds():
    a, b = (planted_stream(np.random.default_rng(7), noise=1.0) for _ in range(2))

    assert a.boundaries == b.boundaries
    assert [beat.event_id for beat in a.beats] == list(range(len(a.beats)))
    assert all(
        np.array_equal(x.embedding, y.embedding) for x, y in zip(a.beats, b.beats, strict=True)
    )


def test_what_is_found_can_be_told():
    found = EpisodesFindings(
        measure_boundaries([11]), measure_top_down([11], days=0.6), measure_procedures([11, 12])
    )

    by_rule = {(score.stream, score.rule): score for score in found.boundaries}
    for stream in ("lives of a day", "planted days", "planted days, words only"):
        ours: BoundaryScore = by_rule[stream, REFINED]
        assert ours.f1 > 0.6
        assert ours.f1 > by_rule[stream, UNREFINED].f1
        assert ours.f1 > by_rule[stream, CHANGE_POINT].f1 - 0.1
    narrowest = found.top_down[0]
    assert narrowest.recall > narrowest.recall_at_cost
    rates = [score.rate for score in found.acting]
    assert rates[-1] == max(rates)
    assert rates[0] > rates[-2], "procedures are better than anything"
    assert "moved and taken back" in markdown(found.tables(), [])

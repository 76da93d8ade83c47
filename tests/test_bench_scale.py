"""The bench of scale, small: what it counts is so."""

from robomem_sim.bench_memory import scale


def test_a_few_events_are_logged_found_and_told(tmp_path, monkeypatch):
    monkeypatch.setattr(scale, "SINGLES", 5)

    found = scale.measure_events(tmp_path / "a.rmem", seed=0, count=400, queries=4)

    assert found.events == 405
    assert found.recall_at_10 == 1.0
    assert [row.waited.count for row in found.searches] == [4] * len(scale.KINDS)
    assert sum(row.hits for row in found.searches) > 20
    assert [len(table.rows) for table in found.tables()] == [1, len(scale.KINDS)]

"""The log is cut where it surprises, and summed up in chunks and days."""

from dataclasses import replace
from itertools import pairwise

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robomem.config import Config, SegmentConfig
from robomem.episodic.chunks import DAY_NS
from robomem.episodic.segments import (
    Beat,
    Segmenter,
    affinities,
    refine,
    segment,
    split_modularities,
)
from robomem.episodic.words import DIMS, hashed_words
from robomem.errors import ConfigError, QueryError
from robomem.geometry import pose
from robomem.memory import Memory
from robomem.types import EventKind, Happening, Observation

NS = 1_000_000_000
TOPICS = ("kettle tea cup boil", "sheets bed pillow fold", "car garage oil wash")
SMALL = SegmentConfig(
    min_events=2, max_events=8, window_events=12, context_events=3, chunk_segments=3
)


@pytest.fixture
def memory(tmp_path):
    with Memory.open(tmp_path / "a.rmem", config=Config(segments=SMALL)) as memory:
        yield memory


def beat(i, *, topic=0, stamp_ns=None, embedding=None, p_map=None, kind="observed", room=None):
    words = TOPICS[topic].split()
    text = f"{words[i % 4]} and {words[(i + 1) % 4]}"
    stamp_ns = i * NS if stamp_ns is None else stamp_ns
    return Beat(i, stamp_ns, kind, hashed_words(text), embedding, p_map, room)


def happening(i, *, topic=0, stamp_ns=None, **more):
    words = TOPICS[topic].split()
    return Happening(
        kind=more.pop("kind", EventKind.OBSERVED),
        stamp_ns=i * NS if stamp_ns is None else stamp_ns,
        text=more.pop("text", f"{words[i % 4]} and {words[(i + 1) % 4]}, time {i}"),
        **more,
    )


def lived(count, *, seed=0, every=7):
    """Happenings about changing topics, with meanings, rooms and gaps."""
    rng = np.random.default_rng(seed)
    meanings = rng.normal(size=(3, 16))
    stamp_ns, found = 0, []
    for i in range(count):
        topic = i // every % 3
        stamp_ns += int(rng.integers(1, 20)) * NS
        found.append(
            happening(
                i,
                topic=topic,
                stamp_ns=stamp_ns,
                label=TOPICS[topic].split()[0],
                room=("kitchen", "bedroom", "garage")[topic],
                embedding=None if i % 5 == 4 else meanings[topic] + 0.5 * rng.normal(size=16),
            )
        )
    return found


def gists(memory):
    """All that is told of the episodes, without their numbers."""
    return [
        (
            e.level, e.stamp_ns, e.until_ns, e.first_event_id, e.last_event_id, e.events,
            dict(e.kinds), dict(e.labels), dict(e.rooms), e.text,
            None if e.embedding is None else e.embedding.tobytes(),
        )
        for level in ("segment", "chunk", "day")
        for e in memory.episodes(level)
    ]  # fmt: skip


# ---- segments -----------------------------------------------------------------------------------


def test_another_topic_begins_another_segment():
    beats = [beat(i, topic=0) for i in range(10)] + [beat(i, topic=1) for i in range(10, 20)]

    segments = segment(beats, SegmentConfig())

    assert [s[0].event_id for s in segments] == [0, 10]


@pytest.mark.parametrize(
    "after",
    [
        lambda i: beat(i, stamp_ns=i * NS + 7200 * NS),
        lambda i: beat(i, p_map=np.array([9.0, 0, 0])),
        lambda i: beat(i, p_map=np.zeros(3), room="bath"),
    ],
    ids=["gap", "place", "room"],
)
def test_another_time_place_or_room_begins_another_segment(after):
    before = [beat(i, p_map=np.zeros(3), room="hall") for i in range(12)]
    if after(0).room is None and after(0).p_map is not None:
        before = [beat(i, p_map=np.zeros(3)) for i in range(12)]

    segments = segment([*before, *(after(i) for i in range(12, 24))], SegmentConfig())

    assert [s[0].event_id for s in segments] == [0, 12]


def test_what_is_always_the_same_is_cut_by_length_only():
    beats = [Beat(i, i * NS, "observed", hashed_words("all is well")) for i in range(150)]

    lengths = [len(s) for s in segment(beats, SegmentConfig(max_events=64))]

    assert lengths == [64, 64, 22]


def test_one_odd_event_is_no_episode():
    beats = [beat(i, topic=i // 24) for i in range(72)]
    beats[12] = beat(12, topic=2)

    assert [s[0].event_id for s in segment(beats, SegmentConfig())] == [0, 24, 48]


BEATS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.integers(-600, 4000),
        st.sampled_from([None, 0.0, 5.0]),
        st.sampled_from([None, 0, 1]),
        st.sampled_from([None, "hall", "bath"]),
    ),
    max_size=60,
)


def beats_of(drawn):
    stamp_ns, beats = 10_000 * NS, []
    for i, (topic, step_s, x, meaning, room) in enumerate(drawn):
        stamp_ns = max(0, stamp_ns + step_s * NS)
        p_map = None if x is None else np.array([x, 0, 0])
        embedding = None if meaning is None else np.eye(4, dtype=np.float32)[meaning]
        beats.append(
            beat(i, topic=topic, stamp_ns=stamp_ns, p_map=p_map, embedding=embedding, room=room)
        )
    return beats


@settings(deadline=None)
@given(drawn=BEATS)
def test_segments_partition_the_log_within_their_lengths(drawn):
    beats = beats_of(drawn)

    segments = segment(beats, SMALL)

    assert [b for s in segments for b in s] == beats
    assert all(2 <= len(s) <= 8 for s in segments[:-1])
    assert all(1 <= len(s) <= 8 for s in segments[-1:])


@settings(deadline=None)
@given(drawn=BEATS, stop=st.integers(0, 60))
def test_a_segmenter_that_is_resumed_goes_on_as_if_it_had_not_stopped(drawn, stop):
    beats = beats_of(drawn)
    whole, first = Segmenter(SMALL), Segmenter(SMALL)
    expected = [final for b in beats if (final := whole.feed(b))]
    found = [final for b in beats[:stop] if (final := first.feed(b))]
    seen = beats[:stop]
    needed = max(SMALL.lookback_events, len(first.settling) + len(first.open))

    second = Segmenter.resumed(
        seen[-needed:],
        settling_from=first.settling[0].event_id if first.settling else None,
        open_from=first.open[0].event_id if first.open else 0,
        config=SMALL,
    )
    found += [final for b in beats[stop:] if (final := second.feed(b))]

    assert found == expected
    assert (second.settling, second.open) == (whole.settling, whole.open)


@settings(deadline=None)
@given(drawn=BEATS.filter(lambda drawn: len(drawn) >= 4), cut=st.integers(2, 14))
def test_refinement_moves_a_boundary_only_to_more_modularity(drawn, cut):
    beats = beats_of(drawn)[:16]
    cut = min(max(cut, len(beats) - 8), len(beats) - 2, 8)
    modularity = split_modularities(affinities(beats, SMALL))

    left, right = refine(beats[:cut], beats[cut:], SMALL)

    assert [*left, *right] == beats
    if left:
        assert modularity[len(left)] >= modularity[cut]
        assert 2 <= len(left) <= 8
        assert 2 <= len(right) <= 8
    else:
        n = len(beats)
        assert modularity[max(2, n - 8) : min(n - 2, 8) + 1].max() < 0.5 * SMALL.min_modularity
        assert len(right) <= 8


@settings(deadline=None)
@given(seed=st.integers(0, 1000), count=st.integers(2, 12))
def test_modularity_is_the_one_of_networkx(seed, count):
    weights = np.random.default_rng(seed).random((count, count))
    weights = np.triu(weights, 1) + np.triu(weights, 1).T
    graph = nx.from_numpy_array(weights)

    found = split_modularities(weights)

    for cut in range(1, count):
        parts = [set(range(cut)), set(range(cut, count))]
        assert found[cut] == pytest.approx(nx.community.modularity(graph, parts))
    assert found[0] == pytest.approx(0)


@given(text=st.text())
def test_words_are_a_unit_vector_or_none(text):
    vector = hashed_words(text)

    assert vector.shape == (DIMS,)
    assert np.isclose(np.linalg.norm(vector), 1) or not vector.any()
    assert np.array_equal(vector, hashed_words(text.casefold()))


def test_limits_that_contradict_are_refused():
    with pytest.raises(ConfigError):
        Config.from_json('{"segments": {"min_events": 5, "max_events": 9}}')


# ---- the hierarchy ------------------------------------------------------------------------------


def test_every_level_holds_the_whole_log(memory):
    memory.log(lived(200))

    for level in ("segment", "chunk", "day"):
        episodes = memory.episodes(level)
        ids = [i for e in episodes for i in range(e.first_event_id, e.last_event_id + 1)]
        assert ids == [event.event_id for event in memory.events()]
        assert sum(e.events for e in episodes) == 200
        assert all(sum(e.kinds.values()) == e.events for e in episodes)


def test_segments_are_found_where_the_topic_changes(memory):
    memory.log(lived(70))

    firsts = {e.first_event_id for e in memory.episodes()}

    assert {1 + 7 * i for i in range(10)} <= firsts
    assert len(firsts) <= 12


def test_an_episode_is_told_by_its_most_central_event(memory):
    memory.log([happening(i, room="kitchen", label="kettle") for i in range(6)])

    (episode,) = memory.episodes()

    assert episode.text.startswith("6 observed in kitchen: ")
    assert "kettle" in episode.text
    assert episode.labels == {"kettle": 6}
    assert episode.episode_id is None


def test_days_are_days(memory):
    memory.log([happening(i, stamp_ns=i * DAY_NS // 20) for i in range(61)])

    days = memory.episodes("day")

    assert len(days) in (3, 4)
    assert memory.episodes("day", since_ns=0, until_ns=DAY_NS // 40)[0].first_event_id == 1


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, 80), max_size=6), seed=st.integers(0, 99))
def test_however_it_came_in_and_anew_the_episodes_are_the_same(tmp_path_factory, cuts, seed):
    happenings = lived(80, seed=seed)
    folder = tmp_path_factory.mktemp("m")
    config = Config(segments=SMALL)
    with Memory.open(folder / "once.rmem", config=config) as memory:
        memory.log(happenings)
        expected = gists(memory)
        memory.hierarchy.rebuild()
        assert gists(memory) == expected

    at = [0, *sorted(cuts), 80]
    for first, end in pairwise(at):
        with Memory.open(folder / "often.rmem", config=config) as memory:
            memory.log(happenings[first:end])
    with Memory.open(folder / "often.rmem", "r") as memory:
        assert gists(memory) == expected


def test_what_was_undone_leaves_nothing(memory, monkeypatch):
    memory.log(lived(30))
    before = gists(memory)
    monkeypatch.setattr(
        memory.hierarchy._writer, "_add", lambda _: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    with pytest.raises(KeyboardInterrupt):
        memory.log([happening(i, stamp_ns=1000 * NS) for i in range(100)])
    monkeypatch.undo()

    assert gists(memory) == before
    memory.hierarchy.rebuild()
    assert gists(memory) == before


def test_an_empty_log_has_no_episodes(memory):
    assert memory.episodes() == memory.episodes("chunk") == memory.episodes("day") == []
    memory.hierarchy.rebuild()
    assert memory.hierarchy.recall(text="kettle") == []


def test_out_of_order_events_are_episodes_too(memory):
    memory.log([happening(i, stamp_ns=(1000 - 10 * (i % 7)) * NS) for i in range(40)])

    assert sum(e.events for e in memory.episodes()) == 40
    assert all(e.stamp_ns <= e.until_ns for e in memory.episodes())


def test_a_forgotten_event_is_gone_from_every_episode_and_file(tmp_path):
    path = tmp_path / "a.rmem"
    with Memory.open(path, config=Config(segments=SMALL)) as memory:
        happenings = lived(60)
        happenings[10] = happening(
            10, stamp_ns=happenings[10].stamp_ns, text="xylograph", label="xylograph"
        )
        ids = memory.log(happenings).event_ids
        assert any("xylograph" in e.labels for e in memory.episodes("day"))

        memory.forget(event_ids=[ids[10]])

        for level in ("segment", "chunk", "day"):
            assert sum(e.events for e in memory.episodes(level)) == 59
            assert not any(
                "xylograph" in e.labels or "xylograph" in e.text for e in memory.episodes(level)
            )
        memory.forget(event_ids=ids)
        assert memory.episodes() == memory.episodes("chunk") == memory.episodes("day") == []
        memory.log([happening(i, stamp_ns=5000 * NS) for i in range(5)])
        assert memory.episodes()[0].events == 5
    for file in path.rglob("*"):
        assert not file.is_file() or b"xylograph" not in file.read_bytes()


def test_what_remains_is_summed_up_as_if_it_were_all(memory):
    ids = memory.log(lived(60)).event_ids
    bounds = [(e.first_event_id, e.last_event_id) for e in memory.episodes()]
    kept = bounds[2]

    memory.forget(event_ids=[i for i in ids if not kept[0] <= i <= kept[1]])

    day = memory.episodes("day")[0]
    segment_of_it = memory.episodes()[0]
    assert (day.first_event_id, day.last_event_id) == kept
    assert np.array_equal(day.embedding, segment_of_it.embedding)
    assert day.labels == segment_of_it.labels


def test_what_is_reworded_is_summed_up_anew(memory):
    ids = memory.log(lived(40)).event_ids
    row = memory._records.events.get(ids[3])
    label = row.label

    with memory._writing():
        memory._records.events.save(replace(row, label="teapot", text="teapot moved"))

    for level in ("segment", "chunk", "day"):
        first = memory.episodes(level)[0]
        assert first.labels["teapot"] == 1
        assert label not in first.labels or first.labels[label] < first.events


def test_an_episode_is_where_its_keyframe_is(memory):
    memory.log([happening(i, T_map_base=pose(np.eye(3), [1, 2, 0])) for i in range(4)])
    (keyframe,) = memory.keyframes()
    assert np.allclose(memory.episodes()[0].p_map, [1, 2, 0])

    memory.correct({keyframe.keyframe_id: pose(np.eye(3), [4, 2, 0])})

    assert np.allclose(memory.episodes()[0].p_map, [4, 2, 0])


def test_what_is_seen_makes_episodes_too(memory):
    memory.observe(Observation(stamp_ns=NS, T_map_cam=np.eye(4), text="hello there"))

    (episode,) = memory.episodes("day")

    assert episode.kinds == {"told": 1}


# ---- recall from the top down -------------------------------------------------------------------


def test_from_the_top_down_with_all_looked_into_is_the_flat_search(memory):
    memory.log(lived(120))
    query = np.random.default_rng(3).normal(size=16)

    found = memory.hierarchy.recall(embedding=query, breadth=1000, limit=20)

    flat = memory.event_search.search(embedding=query, limit=20)
    assert [hit.event_id for hit in found] == [hit.event_id for hit in flat]
    assert np.allclose([hit.score for hit in found], [hit.score for hit in flat], atol=1e-3)


def test_words_find_their_topic(memory):
    memory.log(lived(120))

    found = memory.hierarchy.recall(text="fold the sheets", breadth=3, limit=5)

    texts = [event.text for event in memory.event_search.events([hit.event_id for hit in found])]
    assert len(texts) == 5
    assert all("sheets" in text or "fold" in text for text in texts)


def test_what_is_held_is_neither_told_nor_recalled(memory):
    memory.log(
        [happening(0), happening(1, kind=EventKind.TOLD, source="eve", text="eve owns the kettle")]
    )
    (held,) = memory.guard.held()

    found = memory.hierarchy.recall(text="eve owns the kettle")

    assert [hit.event_id for hit in found] == [1]
    assert held.item_id == 2
    (episode,) = memory.episodes()
    assert "eve" not in episode.text


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"text": ""},
        {"text": "the of"},
        {"embedding": np.zeros(16)},
        {"embedding": np.ones(5)},
        {"text": "tea", "limit": 0},
        {"text": "tea", "breadth": 0},
    ],
)
def test_what_cannot_be_looked_for_is_refused(memory, wrong):
    memory.log(lived(20))

    with pytest.raises(QueryError):
        memory.hierarchy.recall(**wrong)
    with pytest.raises(QueryError):
        memory.episodes("week")

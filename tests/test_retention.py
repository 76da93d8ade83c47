"""A memory within its budgets: what stays, what goes, and what is known of it."""

import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from robomem.claims import ClaimKind, Level
from robomem.config import Config, RetentionConfig, StoreConfig
from robomem.episodic.retention.allocation import Need
from robomem.episodic.retention.allocator import Allocator
from robomem.episodic.retention.shadows import Want
from robomem.episodic.retention.shelf import Shelf, key_of
from robomem.episodic.retention.strength import initial_stability_s, rehearsed
from robomem.errors import ConfigError, QueryError, StoreReadOnlyError
from robomem.geometry import pose
from robomem.memory import Memory
from robomem.types import EventKind, Happening, Query, QueryKind
from tests.worlds import NS, ball_observation

STRATEGIES = ("learned", "fifo", "lifo", "least_visited", "most_visited", "weakest")


def config(**retention):
    return Config(
        store=StoreConfig(sync="normal"),
        retention=RetentionConfig(**{"slack": 0.0, "strategy": "fifo"} | retention),
    )


@pytest.fixture
def open_memory(tmp_path):
    opened = []

    def open_one(name="a", **retention):
        memory = Memory.open(tmp_path / f"{name}.rmem", config=config(**retention))
        opened.append(memory)
        return memory

    yield open_one
    for memory in opened:
        memory.close()


def words(index, *, kind=EventKind.TOLD, text=None, room="hall", **options):
    return Happening(
        kind=kind, stamp_ns=index * NS, text=text or f"word{index}", room=room, **options
    )


def texts(memory):
    return [event.text for event in memory.events()]


# ---- budgets ------------------------------------------------------------------------------------


def test_the_oldest_goes_when_there_are_too_many(open_memory):
    memory = open_memory(max_events=3, recent_share=0.0, place_share=0.0)

    for index in range(5):
        memory.log([words(index)])

    assert texts(memory) == ["word2", "word3", "word4"]


def test_a_budget_of_bytes_holds(open_memory):
    memory = open_memory(max_bytes=20_000)

    for index in range(30):
        memory.log([words(index, text=f"word{index} " * 40)])
        assert memory.retention.report().bytes <= 20_000

    assert 5 < len(memory.events()) < 30


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.sampled_from(STRATEGIES),
    st.integers(1, 8),
    st.integers(600, 6000),
    st.floats(0, 0.9),
    st.lists(st.tuples(st.sampled_from("lopcqf"), st.integers(1, 6)), max_size=12),
    st.randoms(use_true_random=False),
)
def test_the_budgets_hold_after_every_call_and_pins_stay(
    tmp_path_factory, strategy, max_events, max_bytes, slack, calls, random
):
    retention = {"max_events": max_events, "max_bytes": max_bytes, "slack": slack}
    path = tmp_path_factory.mktemp("memory") / "a.rmem"
    now, pinned = 0, set()

    with Memory.open(path, config=config(strategy=strategy, **retention)) as memory:
        for call, count in calls:
            if call == "l":
                memory.log([words(now + i, room=random.choice("ab")) for i in range(count)])
                now += count
            elif call == "o":
                memory.observe(ball_observation(now * NS, {"red ball": (2, 0, 1)}))
            elif call == "p" and (kept := memory.events()):
                wanted = {event.event_id for event in random.sample(kept, min(count, len(kept)))}
                memory.retention.pin(wanted)
                pinned |= wanted
            elif call == "c":
                memory.retention.consolidate()
            elif call == "q":
                memory.recall(Query(kind=QueryKind.TOLD, limit=count))
            elif call == "f" and pinned:
                memory.forget(event_ids=[gone := pinned.pop()])
                assert gone not in memory.retention.pinned()
            report = memory.retention.report()

            assert report.events == len(memory.events()) <= max_events
            assert report.bytes <= max_bytes
            assert pinned <= {event.event_id for event in memory.events()}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_goes_does_not_depend_on_the_process_and_its_end(tmp_path, strategy):
    retention = config(strategy=strategy, max_events=20, slack=0.1)

    def live(memory, steps):
        for step in steps:
            memory.log([words(3 * step + i, room=f"room{step % 3}") for i in range(3)])
            memory.recall(Query(kind=QueryKind.TOLD, text=f"word{step}"))
            memory.recall(Query(kind=QueryKind.SEEN, since_ns=step * NS))

    with Memory.open(tmp_path / "whole.rmem", config=retention) as memory:
        live(memory, range(30))
        whole, weights = memory.content_hash, memory.retention.report().strategies
    for part in (range(13), range(13, 30)):
        with Memory.open(tmp_path / "halves.rmem", config=retention) as memory:
            live(memory, part)

    with Memory.open(tmp_path / "halves.rmem", "r") as memory:
        assert memory.content_hash == whole
        assert memory.retention.report().strategies == weights


def test_a_smaller_budget_holds_as_soon_as_the_memory_is_opened(open_memory):
    memory = open_memory(max_events=10)
    memory.log(words(index) for index in range(10))
    memory.close()

    smaller = open_memory(max_events=4)

    assert len(smaller.events()) == 4


def test_every_place_keeps_its_share(open_memory):
    memory = open_memory(max_events=10, place_share=0.5, recent_share=0.0)
    memory.log(words(index, room="study") for index in range(4))

    memory.log(words(10 + index, room="kitchen") for index in range(40))

    rooms = [event.room for event in memory.events()]
    assert rooms.count("study") == 2
    assert rooms.count("kitchen") == 8


def test_where_rooms_are_not_told_a_place_is_a_square(open_memory):
    memory = open_memory(max_events=10, place_share=1.0, recent_share=0.0)
    for index in range(30):
        at = pose(np.eye(3), [0.0 if index < 2 else 9.0, 0, 0])
        memory.log([words(index, room=None, T_map_base=at)])

    kept = [event.p_map[0] for event in memory.events()]

    assert kept.count(0.0) == 2


# ---- pins ---------------------------------------------------------------------------------------


def test_pins_stay_until_they_are_unpinned(open_memory):
    memory = open_memory(max_events=2)
    first, *_ = memory.log([words(0), words(1)]).event_ids
    memory.retention.pin([first])

    memory.log(words(index) for index in range(2, 9))
    pinned = texts(memory)
    memory.retention.unpin([first])
    memory.log([words(9)])

    assert pinned == ["word0", "word8"]
    assert "word0" not in texts(memory)


def test_when_all_are_pinned_what_is_new_goes(open_memory):
    memory = open_memory(max_events=2)
    memory.retention.pin(memory.log([words(0), words(1)]).event_ids)

    memory.log([words(2)])

    assert texts(memory) == ["word0", "word1"]
    assert memory.retention.report().evicted == {"told": 1}


def test_a_budget_below_the_pins_does_not_open(open_memory, tmp_path):
    memory = open_memory(max_events=5)
    ids = memory.log(words(index) for index in range(5)).event_ids
    memory.retention.pin(ids[:3])
    before = memory.content_hash
    memory.close()

    with pytest.raises(ConfigError, match="3 events"):
        Memory.open(tmp_path / "a.rmem", config=config(max_events=2))

    with Memory.open(tmp_path / "a.rmem") as memory:
        assert memory.content_hash == before
        assert memory.config.retention.max_events == 5


def test_only_what_is_there_can_be_pinned(open_memory):
    memory = open_memory()

    with pytest.raises(QueryError, match=r"no events \[7\]"):
        memory.retention.pin([7])


def test_a_reader_pins_nothing(open_memory, tmp_path):
    memory = open_memory()
    ids = memory.log([words(0)]).event_ids

    with (
        Memory.open(tmp_path / "a.rmem", "r") as reader,
        pytest.raises(StoreReadOnlyError),
    ):
        reader.retention.pin(ids)


# ---- what is left of what went ------------------------------------------------------------------


def test_what_went_is_counted_and_in_no_index(open_memory):
    memory = open_memory(max_events=2)
    memory.log([words(0, text="the marmot came", embedding=np.eye(4)[0])])

    memory.log([words(90_000 + index, kind=EventKind.ACTED) for index in range(3)])

    (told, acted) = sorted(memory.retention.evicted(), key=lambda row: row.kind, reverse=True)
    assert (told.kind, told.day, told.events, told.first_ns) == (EventKind.TOLD, 0, 1, 0)
    assert (acted.kind, acted.day, acted.events) == (EventKind.ACTED, 1, 1)
    assert memory.recall(Query(kind=QueryKind.TOLD, text="marmot")) == []
    assert memory.event_search.search(text="marmot") == []
    assert memory.info().retention.evicted == {"told": 1, "acted": 1}


def test_what_went_leaves_no_bytes_after_the_next_vacuum(open_memory, tmp_path):
    memory = open_memory(max_events=2)
    memory.log([words(0, text="the marmot came", label="marmot")])
    memory.log(words(index) for index in range(1, 4))

    memory.forget(event_ids=[memory.events()[0].event_id])

    assert not any(b"marmot" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_a_sighting_that_went_while_it_went_on_is_another_one(open_memory):
    memory = open_memory(max_events=1)
    ball = {"red ball": (2, 0, 1)}
    for step in range(8):
        memory.observe(ball_observation(step * NS // 5, ball))
    memory.log([words(2)])

    for step in range(10, 14):
        memory.observe(ball_observation(step * NS // 5, ball))

    (event,) = memory.events()
    assert event.kind is EventKind.SEEN
    assert event.label == "red ball"
    assert memory.retention.strengths([event.event_id])
    assert memory.ask("where is the red ball?")


def test_what_is_forgotten_leaves_no_shadow(open_memory):
    memory = open_memory(strategy="learned", max_events=4)
    memory.log(words(index, label="mug") for index in range(3))
    memory.log(words(index, label="cup") for index in range(3, 6))
    mugs = [event.event_id for event in memory.events() if event.label == "mug"]
    before = memory._records.shadows.count()

    memory.forget(event_ids=mugs)
    memory.log([words(7, label="cup")])

    shadows = memory._records.shadows.select()
    assert before == 6
    assert {row.topic for row in shadows} == {key_of("cup")}


# ---- strength -----------------------------------------------------------------------------------


def test_what_was_recalled_is_stronger_and_stays(open_memory):
    memory = open_memory(max_events=6, strategy="weakest", place_share=0.0, recent_share=0.0)
    memory.log(words(3600 * index) for index in range(6))
    first = memory.events()[0].event_id
    before = memory.retention.strengths([first])[0]

    memory.recall(Query(kind=QueryKind.TOLD, text="word0"))
    memory.log([words(3600 * 6)])
    memory.log(words(3600 * index) for index in range(7, 10))

    after = memory.retention.strengths([first])[0]
    assert after.recalls == 1
    assert after.stability_s > before.stability_s
    assert "word0" in texts(memory)
    assert "word3600" not in texts(memory)


def test_asking_for_a_thing_recalls_its_last_sighting(open_memory):
    memory = open_memory()
    for step in range(8):
        memory.observe(ball_observation(step * NS // 5, {"red ball": (2, 0, 1)}))
    (event,) = memory.events()

    memory.ask("where is the red ball?")
    memory.log([words(2)])

    assert memory.retention.strengths([event.event_id])[0].recalls == 1


def test_a_recall_is_written_when_the_memory_is_closed(open_memory, tmp_path):
    memory = open_memory()
    ids = memory.log([words(0)]).event_ids
    memory.recall(Query(kind=QueryKind.TOLD, text="word0"))

    memory.close()

    with Memory.open(tmp_path / "a.rmem", "r") as reader:
        reader.recall(Query(kind=QueryKind.TOLD, text="word0"))
        assert reader.retention.strengths(ids)[0].recalls == 1


def test_what_was_told_is_stabler_than_what_was_seen(open_memory):
    memory = open_memory()
    memory.log([words(0), words(1, kind=EventKind.OBSERVED)])

    told, observed = memory.retention.strengths([1, 2])

    assert told.stability_s > observed.stability_s


def test_a_thing_at_another_place_is_a_surprise(open_memory):
    memory = open_memory()
    rooms = ("hall", "hall", "study")
    memory.log(words(i, label="mug", room=room) for i, room in enumerate(rooms))

    first, again, elsewhere = memory.retention.strengths([1, 2, 3])

    assert first.stability_s == elsewhere.stability_s > again.stability_s


# ---- what is learnt -----------------------------------------------------------------------------


def test_questions_for_what_came_first_teach_to_keep_it(open_memory):
    memory = open_memory(
        strategy="learned", max_events=40, place_share=0.0, recent_share=0.1, learning_rate=1.0
    )
    memory.log(words(index, label=f"thing {index}") for index in range(30))

    for step in range(30, 400):
        memory.log([words(step, label=f"thing {step}")])
        memory.recall(Query(kind=QueryKind.SEEN, label=f"thing {step % 20}"))

    weights = memory.retention.report().strategies
    kept = {event.label for event in memory.events()}
    assert weights["lifo"] == max(weights.values())
    assert sum(f"thing {index}" in kept for index in range(20)) > 10


# ---- while idle ---------------------------------------------------------------------------------


def patrols(memory, *, count=40):
    memory.log(
        words(20 * index, kind=EventKind.OBSERVED, text=f"a {name}", room=f"room{index // 10}")
        for index, name in enumerate(["mug", "mug", "dog", "mug"] * (count // 4))
    )


def state(memory):
    ids = [event.event_id for event in memory.events()]
    return memory.content_hash, memory.retention.strengths(ids)


def test_consolidating_twice_is_as_good_as_once(open_memory):
    memory = open_memory(max_events=60, slack=0.2)
    patrols(memory)

    first = memory.retention.consolidate()
    once = state(memory)
    second = memory.retention.consolidate()

    assert first.is_done
    assert first.looked_at == 40
    assert first.merged == 40 - len(memory.events()) > 20
    assert (second.looked_at, second.merged, second.evicted) == (0, 0, 0)
    assert state(memory) == once


@pytest.mark.parametrize("steps", [1, 3, 7])
def test_consolidating_in_steps_is_as_good_as_at_once(open_memory, steps):
    whole, parts = open_memory("whole"), open_memory("parts")
    for memory in (whole, parts):
        patrols(memory)

    whole.retention.consolidate()
    while not parts.retention.consolidate(steps=steps).is_done:
        pass

    assert state(parts) == state(whole)


def test_merging_keeps_counts_and_spans(open_memory):
    memory = open_memory()
    patrols(memory)
    before = memory.events()

    memory.retention.consolidate()

    after = memory.events()
    strengths = memory.retention.strengths([event.event_id for event in after])
    assert sum(strength.weight for strength in strengths) == len(before)
    for event in before:
        assert any(
            kept.text == event.text
            and kept.room == event.room
            and kept.stamp_ns <= event.stamp_ns <= event.until_ns <= kept.until_ns
            for kept in after
        )
    assert memory.info().retention.merged == len(before) - len(after)


def test_captions_are_merged_by_what_they_mean(open_memory):
    memory = open_memory()
    meanings = {"a mug": [0.8, 0.6, 0.0], "a cup": [0.8, 0.6, 0.1], "a dog": [0.0, 0.6, 0.8]}
    memory.log(
        words(index, kind=EventKind.OBSERVED, text=text, embedding=np.array(meanings[text]))
        for index, text in enumerate(("a mug", "a dog", "a cup"))
    )

    memory.retention.consolidate()

    assert texts(memory) == ["a mug", "a dog"]


def test_idle_time_makes_room_ahead(open_memory):
    memory = open_memory(max_events=20, slack=0.5)
    memory.log(words(index) for index in range(20))

    done = memory.retention.consolidate()

    assert done.evicted == 10
    assert memory.retention.report().events == 10


def test_consolidation_stops_when_it_is_told_to(open_memory):
    memory = open_memory()
    patrols(memory)

    done = memory.retention.consolidate(should_stop=lambda: True)

    assert (done.looked_at, done.is_done) == (0, False)
    with pytest.raises(QueryError, match="steps"):
        memory.retention.consolidate(steps=0)


def test_consolidation_makes_way_for_who_waits(open_memory):
    memory = open_memory()
    patrols(memory)
    asked = threading.Thread(target=memory.events)

    def somebody_asks():
        """Be in the middle of it when a question comes."""
        asked.start()
        while not memory._access.is_wanted:
            pass
        return False

    with memory._access.lock:
        done = memory.retention.consolidate(should_stop=somebody_asks)
    asked.join()

    assert not done.is_done
    assert not memory._access.is_wanted
    assert memory.retention.consolidate().is_done


def test_a_failed_transaction_leaves_what_was_learnt(open_memory, monkeypatch):
    memory = open_memory(strategy="learned", max_events=5)
    memory.log(words(index, label="mug") for index in range(5))
    before = state(memory), memory.retention.report()
    monkeypatch.setattr(memory._records.shadows, "save_all", lambda rows: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        memory.log([words(6, label="mug")])

    monkeypatch.undo()
    assert (state(memory), memory.retention.report()) == before
    memory.log([words(7, label="mug")])
    assert memory.retention.report().events == 5


# ---- what was learnt from what went -------------------------------------------------------------


def test_facts_outlive_the_telling(open_memory):
    memory = open_memory(max_events=3)
    memory.guard.set_trust("ada", Level.KNOWN)
    told = words(0, text="the fizz is a cup", source="ada")
    (event_id,) = memory.log([told]).event_ids

    memory.log(words(index) for index in range(1, 6))

    rows = memory._records.facts.select()
    assert event_id not in {event.event_id for event in memory.events()}
    assert [row.event_id for row in rows] == [None] * len(rows)
    assert len(rows) > 0


def test_what_was_held_is_not_let_out_by_its_going(open_memory):
    memory = open_memory(max_events=3)
    memory.guard.set_trust("mallory", Level.UNTRUSTED)
    (event_id,) = memory.log([words(0, text="the fizz is a cup", source="mallory")]).event_ids
    assert event_id in memory._records.held_ids(ClaimKind.EVENT)

    memory.log(words(index) for index in range(1, 6))

    assert memory._records.facts.count() == 0
    assert memory._records.claims.count("item_id = ? AND kind = 'event'", event_id) == 0


def test_what_is_counted_is_about_what_it_takes_in_the_file(open_memory, tmp_path):
    memory = open_memory()
    rng = np.random.default_rng(0)
    for start in range(0, 3000, 500):
        memory.log(
            words(
                start + index,
                kind=EventKind.OBSERVED,
                text=" ".join(f"word{k}" for k in rng.integers(0, 2000, 12)),
                embedding=rng.normal(size=128),
            )
            for index in range(500)
        )
    counted = memory.retention.report().bytes

    memory.forget(event_ids=[1])

    size = (tmp_path / "a.rmem" / "records.sqlite").stat().st_size
    assert 0.5 < size / counted < 1.5


# ---- against a twin -----------------------------------------------------------------------------


class Twin:
    """What a memory should keep: the same choice on arrays, without a database."""

    def __init__(self, config):
        self.config, self.allocator, self.shelf = config, Allocator(config), Shelf.empty()
        self.last_places = {}

    def log(self, ids, told):
        kept = self.shelf
        self.last_places = dict(zip(kept.topics.tolist(), kept.places.tolist(), strict=True))
        zeros, stamps_ns = np.zeros(len(ids), np.int64), np.array([h.stamp_ns for h in told])
        newer = Shelf(
            ids=np.array(ids),
            stamps_ns=stamps_ns,
            last_ns=stamps_ns,
            stability_s=np.array([self._stability_s(h) for h in told]),
            places=np.array([key_of(h.room) for h in told]),
            topics=np.array([key_of(h.label) for h in told]),
            visits=zeros,
            sizes=zeros + 1,
            is_pinned=zeros.astype(bool),
        )
        self.allocator.log(newer)
        shelf = self.shelf.joined(newer)
        self.shelf = shelf = replace(shelf, visits=self.allocator.visits_of(shelf.places))
        if len(shelf) > self.config.max_events:
            target = round(self.config.max_events * (1 - self.config.slack))
            gone = self.allocator.choose(shelf, Need(events=len(shelf) - target))
            self.shelf = shelf.take(np.setdiff1d(np.arange(len(shelf)), gone))

    def recall(self, ids, *, label, until_ns):
        stamp_ns, which = int(self.shelf.stamps_ns.max()), np.isin(self.shelf.ids, ids)
        self.shelf.last_ns[which], self.shelf.stability_s[which] = rehearsed(
            self.shelf.last_ns[which],
            self.shelf.stability_s[which],
            stamp_ns=stamp_ns,
            gain=self.config.rehearsal_gain,
        )
        want = Want(topic=key_of(label), until_ns=until_ns)
        self.allocator.recalled(want, ids, stamp_ns=stamp_ns)

    def _stability_s(self, happening):
        topic, place = key_of(happening.label), key_of(happening.room)
        is_surprising = self.last_places.get(topic) != place
        self.last_places[topic] = place
        return initial_stability_s(
            "observed", is_surprising=is_surprising, base_s=self.config.stability_s
        )


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_memory_keeps_what_its_twin_keeps(open_memory, strategy, rng):
    memory = open_memory(strategy=strategy, max_events=100, slack=0.1)
    twin = Twin(memory.config.retention)
    kinds = {"kind": EventKind.OBSERVED}

    for step in range(40):
        told = [
            words(10 * step + i, label=f"thing {rng.integers(6)}", room=f"room{i // 4}", **kinds)
            for i in range(10)
        ]
        twin.log(memory.log(told).event_ids, told)
        label = told[int(rng.integers(10))].label
        want = {"label": label, "until_ns": int(rng.integers(10 * step + 10)) * NS}
        hits = memory.recall(Query(kind=QueryKind.HAPPENED, limit=3, **want))
        twin.recall(sorted(hit.event.event_id for hit in hits), **want)

        assert [event.event_id for event in memory.events()] == twin.shelf.ids.tolist()
    if strategy == "learned":
        memory.log([])
        weights = list(memory.retention.report().strategies.values())
        np.testing.assert_allclose(weights, twin.allocator.learner.weights)
        assert max(weights) > 0.25

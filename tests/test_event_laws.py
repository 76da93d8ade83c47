"""The search of events against a twin that looks at every row, and what must hold of it whatever is logged."""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from robomem.config import Config, IntakeConfig, StoreConfig
from robomem.episodic import search, similarity
from robomem.episodic.ranking import DAY_NS
from robomem.episodic.search import EventFilter
from robomem.geometry import pose, rotation_from_yaw
from robomem.memory import Memory
from robomem.store import event_columns, event_index
from robomem.store.embeddings import pack, unpack
from robomem.types import EventKind, Happening
from tests.worlds import NS

CONFIG = Config(store=StoreConfig(sync="normal"))
WORDS = ("mug", "mugs", "table", "red", "kitchen", "goes", "going")
KINDS = (EventKind.OBSERVED, EventKind.TOLD, EventKind.ACTED)
ROOMS, LABELS, SOURCES = ("kitchen", "hall", None), ("mug", "red mug", None), ("robot", "robot/arm")
DIM = 12
FIELDS = ("since_ns", "until_ns", "near_map", "kinds", "labels", "rooms", "sources", "excluded_ids")

seeds = st.integers(0, 2**32 - 1)
laws = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def random_happenings(rng, count, *, start_s=0):
    for i in range(count):
        has_place, has_embedding = rng.random(2) < 0.7
        yield Happening(
            kind=KINDS[rng.integers(3)],
            stamp_ns=int((start_s + i + rng.integers(-3, 1) + 5) * NS),
            text=" ".join(rng.choice(WORDS, rng.integers(1, 6))),
            source=SOURCES[rng.integers(2)],
            label=LABELS[rng.integers(3)],
            room=ROOMS[rng.integers(3)],
            p_map=rng.normal(0, 2, 3) if has_place else None,
            T_map_base=pose(rotation_from_yaw(rng.uniform(0, 6)), rng.normal(0, 2, 3)),
            embedding=rng.normal(0, 1, DIM) if has_embedding else None,
        )


def random_question(rng, count):
    since_s, until_s = np.sort(rng.integers(0, count + 5, 2))
    every = {
        "since_ns": int(since_s) * NS,
        "until_ns": int(until_s) * NS,
        "near_map": tuple(rng.normal(0, 1, rng.integers(2, 4)).tolist()),
        "kinds": tuple(rng.choice(KINDS, 2)),
        "labels": ("mug", "unicorn"),
        "rooms": ("kitchen",),
        "sources": ("robot",),
        "excluded_ids": frozenset(rng.integers(1, count + 1, 5).tolist()),
    }
    fields = {name: every[name] for name in FIELDS if rng.random() < 0.3}
    asked = {}
    if rng.random() < 0.5:
        asked["text"] = " ".join(rng.choice(WORDS, rng.integers(1, 3)))
    if rng.random() < 0.5:
        asked["embedding"] = rng.normal(0, 1, DIM)
    return EventFilter(**fields, radius_m=2.5, with_held=True), asked


def stem(word):
    return {"mugs": "mug", "goes": "goe", "going": "go"}.get(word, word)


def is_wanted(event, wanted):
    return (
        (wanted.since_ns is None or event.until_ns >= wanted.since_ns)
        and (wanted.until_ns is None or event.stamp_ns <= wanted.until_ns)
        and (wanted.kinds is None or event.kind in wanted.kinds)
        and (wanted.labels is None or event.label in wanted.labels)
        and (wanted.rooms is None or event.room in wanted.rooms)
        and (wanted.sources is None or event.source in wanted.sources)
        and event.event_id not in wanted.excluded_ids
    )


def cues(event, vector, wanted, newest_ns, *, text=None, embedding=None):
    """How well an event fits, by cue; None where it is no hit."""
    parts = {}
    if wanted.near_map is not None:
        place = np.full(3, np.inf) if event.p_map is None else event.p_map
        away_m = np.linalg.norm(place[: len(wanted.near_map)] - wanted.near_map)
        if away_m > wanted.radius_m:
            return None
        parts["place"] = 1 - away_m / wanted.radius_m
    if text is not None:
        if not {stem(w) for w in text.split()} <= {stem(w) for w in event.text.split()}:
            return None
        parts["text"] = 1.3 / (1 + 1.2 * (0.25 + 0.75 * len(event.text) / 60))
    if embedding is not None:
        if np.isnan(vector).any():
            return None
        parts["similarity"] = (1 + vector @ embedding / np.linalg.norm(embedding)) / 2
    if not parts or wanted.since_ns is not None or wanted.until_ns is not None:
        end_ns = newest_ns if wanted.until_ns is None else min(newest_ns, wanted.until_ns)
        parts["time"] = 1 / (1 + max(end_ns - event.until_ns, 0) / DAY_NS)
    return parts


def twin(memory, wanted, **asked):
    """The score of every hit by its id, row by row."""
    config, scores = memory.config.episodic, {}
    events = memory.event_search.events(range(1, memory._records.counter("event") + 1))
    newest_ns = max((event.until_ns for event in events), default=0)
    vectors = memory.event_search.embeddings([event.event_id for event in events])
    for event, vector in zip(events, vectors, strict=True):
        parts = cues(event, vector, wanted, newest_ns, **asked)
        if parts is not None and is_wanted(event, wanted):
            weights = {name: getattr(config, f"weight_{name}") for name in parts}
            total = sum(weights[name] * part for name, part in parts.items())
            scores[event.event_id] = total / sum(weights.values())
    return scores


def found(memory, wanted, **asked):
    return [
        (hit.event_id, hit.score)
        for hit in memory.event_search.search(wanted, **({"limit": 10_000} | asked))
    ]


def assert_equal_to_twin(memory, rng, *, questions):
    count = memory.counts().events
    for _ in range(questions):
        wanted, asked = random_question(rng, count)

        hits, truth = found(memory, wanted, **asked), twin(memory, wanted, **asked)

        assert {event_id for event_id, _ in hits} == truth.keys()
        for event_id, score in hits:
            assert score == pytest.approx(truth[event_id], abs=1e-3)  # codes are bytes
        scores = [score for _, score in hits]
        assert scores == sorted(scores, reverse=True)


@pytest.fixture(scope="module")
def lived():
    """A memory of 300 events, half of them in the index file."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(event_index, "MIN_NEW", 10)
        patch.setattr(event_columns, "ZONE", 16)
        patch.setattr(search, "BLOCK", 32)
        path, rng = Path(folder) / "a.rmem", np.random.default_rng(0)
        with Memory.open(path, config=CONFIG) as memory:
            assert memory.log(random_happenings(rng, 150))
        assert (path / "events.idx").exists()
        with Memory.open(path) as memory:
            assert memory.log(random_happenings(rng, 150, start_s=150))
            yield memory


@laws
@given(seeds)
def test_the_index_finds_what_looking_at_every_row_finds(lived, seed):
    assert_equal_to_twin(lived, np.random.default_rng(seed), questions=1)


@laws
@given(seeds, st.booleans())
def test_a_filter_never_adds_hits(lived, seed, has_neighbours):
    rng = np.random.default_rng(seed)
    wanted, asked = random_question(rng, 300)
    narrower, _ = random_question(rng, 300)
    both = {name: getattr(wanted, name) for name in FIELDS}
    for name in FIELDS:
        value = both[name]
        if value is None or value == frozenset():
            both[name] = getattr(narrower, name)

    wide = found(lived, wanted, has_neighbours=has_neighbours, **asked)
    narrow = found(lived, replace(wanted, **both), has_neighbours=has_neighbours, **asked)

    assert {i for i, _ in narrow} <= {i for i, _ in wide}


@laws
@given(seeds, st.booleans())
def test_fewer_hits_are_the_beginning_of_more(lived, seed, has_neighbours):
    wanted, asked = random_question(np.random.default_rng(seed), 300)

    longest = found(lived, wanted, has_neighbours=has_neighbours, **asked)

    for limit in (1, 2, 3, 7, 20):
        hits = found(lived, wanted, has_neighbours=has_neighbours, limit=limit, **asked)
        assert hits == longest[:limit]


@pytest.fixture(scope="module")
def weeks(tmp_path_factory):
    """A memory of 300 events in four weeks, logged in no order."""
    rng, late = np.random.default_rng(17), IntakeConfig(max_log_regress_s=1e9, max_stamp_jump_s=1e9)
    happenings = [
        replace(one, stamp_ns=int(rng.integers(28 * DAY_NS))) for one in random_happenings(rng, 300)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(event_columns, "ZONE", 16)
        patch.setattr(search, "BLOCK", 32)
        path = tmp_path_factory.mktemp("weeks") / "a.rmem"
        with Memory.open(path, config=CONFIG.model_copy(update={"intake": late})) as memory:
            assert len(memory.log(happenings).event_ids) == 300
            yield memory


@laws
@given(seeds)
def test_over_weeks_fewer_hits_are_the_first_of_more(weeks, seed):
    rng = np.random.default_rng(seed)
    since_ns, until_ns = np.sort(rng.integers(0, 28 * DAY_NS, 2)).tolist()
    wanted, asked = random_question(rng, 300)
    wanted = replace(
        wanted,
        since_ns=since_ns if rng.random() < 0.5 else None,
        until_ns=until_ns if rng.random() < 0.5 else None,
    )

    every = found(weeks, wanted, **asked)

    for limit in (1, 5, 20):
        assert found(weeks, wanted, limit=limit, **asked) == every[:limit]


def test_what_ended_when_the_span_begins_is_in_it(weeks):
    for event in weeks.event_search.events(range(1, 301)):
        wanted = EventFilter(since_ns=event.until_ns, until_ns=event.until_ns, with_held=True)

        assert [event_id for event_id, _ in found(weeks, wanted)] == [event.event_id]


def test_among_many_only_those_of_like_signs_are_compared(lived, monkeypatch):
    rng = np.random.default_rng(1)
    questions = rng.normal(0, 1, (20, DIM))
    exact = [found(lived, None, embedding=q, limit=5) for q in questions]
    monkeypatch.setattr(similarity, "MOST", 50)

    near = [found(lived, None, embedding=q, limit=5) for q in questions]
    again = [found(lived, None, embedding=q, limit=5, is_exact=True) for q in questions]

    assert all(len(found(lived, None, embedding=q)) == 50 for q in questions)
    recall = np.mean([len({*a} & {*b}) / 5 for a, b in zip(exact, near, strict=True)])
    assert recall > 0.6  # by twelve signs
    assert again == exact


@given(seeds, st.integers(1, 600))
def test_a_packed_embedding_points_the_same_way(seed, dim):
    vectors = np.random.default_rng(seed).normal(0, 1, (2, dim))
    a, b = (vectors / np.linalg.norm(vectors, axis=1)[:, None]).astype(np.float32)

    kept = unpack(pack(a))

    assert np.linalg.norm(kept) == pytest.approx(1, abs=1e-5)
    assert kept @ b == pytest.approx(a @ b, abs=0.012)


# ---- the index follows the log ------------------------------------------------------------------


@pytest.fixture
def memory(tmp_path, monkeypatch):
    monkeypatch.setattr(event_index, "MIN_NEW", 10)
    monkeypatch.setattr(event_columns, "ZONE", 16)
    with Memory.open(tmp_path / "a.rmem", config=CONFIG) as memory:
        memory.log(random_happenings(np.random.default_rng(3), 60))
        memory.event_search.save(is_closing=True)
        yield memory


def change(memory, rng):
    """Do one of all things that change the log."""
    ids = [event.event_id for event in memory.events()]
    what = rng.integers(5)
    if what == 0:
        assert memory.log(random_happenings(rng, 5, start_s=60 + len(ids)))
    elif what == 1:
        keyframes = memory.keyframes()
        some = rng.choice(len(keyframes), 3)
        memory.correct(
            {keyframes[i].keyframe_id: pose(np.eye(3), rng.normal(0, 2, 3)) for i in some}
        )
    elif what == 2:
        memory.forget(event_ids=rng.choice(ids, 3).tolist())
    elif what == 3:
        row = memory._records.events.get(int(rng.choice(ids)))
        with memory._access.writing() as records:
            records.events.save(
                replace(row, text="red kitchen", until_ns=row.until_ns + NS, room="hall")
            )
    else:
        memory.event_search.save(is_closing=True)


def test_whatever_changes_the_index_follows_it(memory):
    rng = np.random.default_rng(4)
    with Memory.open(memory.path, "r") as reader:
        for _ in range(25):
            change(memory, rng)

            assert_equal_to_twin(memory, rng, questions=2)
            assert_equal_to_twin(reader, rng, questions=1)


def test_the_end_of_the_log_is_where_it_is_now(memory):
    def age_of(event_id):
        hits = memory.event_search.search(EventFilter(), limit=100)
        return next(1 / hit.parts.time - 1 for hit in hits if hit.event_id == event_id)

    assert found(memory, EventFilter(since_ns=1000 * NS)) == []

    (last_id,) = memory.log([Happening(kind="told", stamp_ns=2000 * NS, text="late")]).event_ids
    since = EventFilter(since_ns=1000 * NS)
    assert [event_id for event_id, _ in found(memory, since)] == [last_id]
    before = age_of(1)
    memory.forget(event_ids=[last_id])

    assert found(memory, since) == []
    assert age_of(1) < before / 10


def test_what_is_undone_is_not_found(memory):
    wanted = EventFilter()
    before = found(memory, wanted)

    def log_in_vain():
        with memory._access.writing():
            memory.log(random_happenings(np.random.default_rng(9), 3, start_s=70))
            assert len(found(memory, wanted)) == 63
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        log_in_vain()

    assert found(memory, wanted) == before


def damaged(data):
    yield "absent", None
    yield "empty", b""
    yield "cut in the columns", data[: len(data) // 3]
    yield "cut in the codes", data[:-1]
    yield "flipped", data[:900] + bytes([data[900] ^ 1]) + data[901:]
    yield "another", b'{"count": 1, "dim": 4}\n' + bytes(200)
    yield "no JSON", b"\xff\xfe" * 100
    yield "nested", b"[" * 100_000
    yield "infinite", b'{"count": Infinity, "dim": 4}\n'
    yield "wide", b'{"count": 0, "dim": 1e30, "stems": [], "words": 0}\n'
    yield "as large as can be", b'{"count": 1e300, "dim": -7, "change": 0, "names": {}}\n'


def test_a_lost_or_damaged_index_changes_no_hit(memory):
    path = memory.path / "events.idx"
    wanted, question = EventFilter(), np.ones(DIM)
    hits = found(memory, wanted, embedding=question)
    memory.close()
    for name, data in damaged(path.read_bytes()):
        path.unlink(missing_ok=True)
        if data is not None:
            path.write_bytes(data)

        with Memory.open(memory.path, "r") as reader:
            assert found(reader, wanted, embedding=question) == hits, name


def test_an_index_of_another_time_is_none(memory):
    """Such as after a power cut that took the last transactions, and not the file."""
    path = memory.path / "events.idx"
    older = path.read_bytes()
    memory.log(random_happenings(np.random.default_rng(5), 20, start_s=60))
    memory.event_search.save(is_closing=True)
    hits = found(memory, EventFilter())
    path.write_bytes(older)
    memory.close()

    with Memory.open(memory.path, "r") as reader:
        assert found(reader, EventFilter()) == hits


def test_what_is_forgotten_is_in_no_index(memory):
    secret = np.random.default_rng(7).normal(0, 1, DIM)
    ids = memory.log(
        [
            Happening(
                kind="told",
                stamp_ns=99 * NS,
                text="swordfish",
                label="secret thing",
                room="vault",
                embedding=secret,
            )
        ]
    ).event_ids
    memory.event_search.save(is_closing=True)
    memory.log(random_happenings(np.random.default_rng(8), 30, start_s=100))
    memory.event_search.save(is_closing=True)
    code = pack((secret / np.linalg.norm(secret)).astype(np.float32))
    data = (memory.path / "events.idx").read_bytes()
    assert b"secret thing" in data
    assert code in data

    memory.forget(event_ids=ids)
    memory.log(random_happenings(np.random.default_rng(8), 30, start_s=130))
    memory.close()

    assert (memory.path / "events.idx").exists()
    for file in memory.path.rglob("*"):
        data = file.read_bytes() if file.is_file() else b""
        for word in (b"swordfish", b"secret thing", b"vault", code):
            assert word not in data


def test_a_log_without_embeddings_is_kept_as_an_index_too(tmp_path, monkeypatch):
    monkeypatch.setattr(event_index, "MIN_NEW", 10)
    monkeypatch.setattr(event_columns, "ZONE", 16)
    told = [Happening(kind=EventKind.TOLD, stamp_ns=i * NS, text=f"word{i}") for i in range(30)]
    with Memory.open(tmp_path / "a.rmem", config=CONFIG) as memory:
        memory.log(told)

    with Memory.open(tmp_path / "a.rmem", config=CONFIG) as memory:
        (hit,) = memory.event_search.search(text="word7")
        memory.log([Happening(kind=EventKind.TOLD, stamp_ns=31 * NS, text="word31")])

        assert hit.event_id == 8
        assert len(memory.event_search.search(limit=50)) == 31

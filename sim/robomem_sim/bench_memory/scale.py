"""A month of a million events: how fast they come in, how fast they are found, what they take.

Text, place, room and embedding of every event are those of a generated life, lived over and over; the queries are
drawn from the same life with another seed. A search that is approximate, by meaning among more than 65,536, is
held against the exact one.
"""

import gc
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from robomem.episodic.search import EventFilter
from robomem.eval.bench import Table
from robomem.eval.columns import Column, table_of
from robomem.eval.trial import Stopwatch, Times
from robomem.memory import Memory
from robomem.store.folder import size_bytes
from robomem_sim.bench_memory.event_stream import (
    MONTH_NS,
    START_NS,
    Pool,
    draw_pool,
    happenings,
    vary,
)

COUNT, QUICK_COUNT = 1_000_000, 20_000
QUERIES, QUICK_QUERIES = 200, 50
SINGLES = 300
DAY_NS = MONTH_NS // 30
RADIUS_M = 1.5
K = 10


@dataclass(frozen=True, slots=True)
class Asked:
    """What a search is given."""

    wanted: EventFilter
    text: str | None = None
    embedding: NDArray[np.float32] | None = None
    has_neighbours: bool = False


@dataclass(frozen=True, slots=True)
class SearchTimes:
    """How long one kind of search takes: waited for, and worked on, in milliseconds; how many hits it has."""

    name: str
    waited: Times
    worked_p50_ms: float
    worked_p99_ms: float
    hits: float


@dataclass(frozen=True, slots=True)
class ScaleFindings:
    """What was found of so many events.

    Attributes:
        batched_per_s: Acknowledged events a second in batches of 5,000, by the clock,
        batched_per_cpu_s: and by the time that this process was at work.
        single_per_s: The same one by one, each on the disk when it is acknowledged.
        close_s: To close after that, which writes the index.
        first_answer_s: From opening it again to the first answer,
        first_answer_without_index_s: and where the index was lost.
        bytes_each: On the disk, everything counted, an event.
        index_bytes_each: Of these the index.
        resident_bytes: How much more memory is resident with the memory open and searched by everything.
        recall_at_10: Of a search by meaning alone, against the exact one.
    """

    events: int
    keyframes: int
    batched_per_s: float
    batched_per_cpu_s: float
    single_per_s: float
    single_per_cpu_s: float
    close_s: float
    first_answer_s: float
    first_answer_without_index_s: float
    bytes_each: float
    index_bytes_each: float
    resident_bytes: int
    recall_at_10: float
    searches: tuple[SearchTimes, ...]

    def tables(self) -> tuple[Table, ...]:
        """Return it as tables."""
        name = f"{self.events:,} events"
        return (
            table_of("Events at scale", [(name, self)], SIZES, first="memory"),
            table_of(
                f"Search among {name}",
                [(row.name, row) for row in self.searches],
                SEARCHES,
                first="asked for",
            ),
        )


SIZES: tuple[Column[ScaleFindings], ...] = (
    Column("batched, a second", lambda s: s.batched_per_s, ",.0f"),
    Column("of CPU", lambda s: s.batched_per_cpu_s, ",.0f"),
    Column("one by one, a second", lambda s: s.single_per_s, ",.0f"),
    Column("of CPU", lambda s: s.single_per_cpu_s, ",.0f"),
    Column("close s", lambda s: s.close_s, ".1f"),
    Column("open to first answer s", lambda s: s.first_answer_s, ".2f"),
    Column("index lost s", lambda s: s.first_answer_without_index_s, ".1f"),
    Column("bytes an event", lambda s: s.bytes_each, ",.0f"),
    Column("of these index", lambda s: s.index_bytes_each, ",.0f"),
    Column("resident MB", lambda s: s.resident_bytes / 1e6, ",.0f"),
    Column("recall@10", lambda s: s.recall_at_10, ".3f"),
)
SEARCHES: tuple[Column[SearchTimes], ...] = (
    Column("times", lambda s: s.waited.count, ".0f"),
    Column("ms p50", lambda s: s.waited.p50_ms, ".2f"),
    Column("p99", lambda s: s.waited.p99_ms, ".2f"),
    Column("CPU ms p50", lambda s: s.worked_p50_ms, ".2f"),
    Column("p99", lambda s: s.worked_p99_ms, ".2f"),
    Column("hits", lambda s: s.hits, ".1f"),
)


def measure_scale(seeds: Sequence[int], is_quick: bool) -> ScaleFindings:
    """Measure it with the first seed, in a folder that is gone afterwards."""
    with TemporaryDirectory() as folder:
        return measure_events(
            Path(folder) / "scale.rmem",
            seed=seeds[0],
            count=QUICK_COUNT if is_quick else COUNT,
            queries=QUICK_QUERIES if is_quick else QUERIES,
        )


def measure_events(path: Path, *, seed: int, count: int, queries: int) -> ScaleFindings:
    """Log events into a new memory, open it again, search it."""
    pool, rng = draw_pool(seed), np.random.default_rng((seed, 1))
    log_s, log_cpu_s, close_s, singles = _log(path, pool, count, np.random.default_rng(seed))
    gc.collect()
    before = _resident_bytes()
    begin = time.perf_counter()
    with Memory.open(path, "r") as memory:
        _search(memory, _combined(pool, rng))
        first_answer_s = time.perf_counter() - begin
        searches = tuple(
            _time(memory, name, [draw(pool, rng) for _ in range(queries)])
            for name, draw in KINDS.items()
        )
        resident = _resident_bytes() - before
        recall = _recall_at_10(memory, pool, rng, queries)
        counts = memory.counts()
    index, all_bytes = path / "events.idx", size_bytes(path)
    index_bytes = index.stat().st_size if index.exists() else 0
    return ScaleFindings(
        events=counts.events,
        keyframes=counts.keyframes,
        batched_per_s=count / log_s,
        batched_per_cpu_s=count / log_cpu_s,
        single_per_s=singles[0],
        single_per_cpu_s=singles[1],
        close_s=close_s,
        first_answer_s=first_answer_s,
        first_answer_without_index_s=_without_index_s(path, _combined(pool, rng)),
        bytes_each=all_bytes / counts.events,
        index_bytes_each=index_bytes / counts.events,
        resident_bytes=resident,
        recall_at_10=recall,
        searches=searches,
    )


def _log(
    path: Path, pool: Pool, count: int, rng: Generator
) -> tuple[float, float, float, tuple[float, float]]:
    """Log in batches, then some one by one; returns seconds by the clock, of CPU, and of closing, and the rates of those."""
    log_s = log_cpu_s = 0.0
    with Memory.open(path) as memory:
        for batch in happenings(pool, count, rng):
            begin, cpu = time.perf_counter(), time.process_time()
            receipt = memory.log(batch)
            log_s += time.perf_counter() - begin
            log_cpu_s += time.process_time() - cpu
            assert receipt
        newest_ns = batch[-1].stamp_ns
        late = [replace(happening, stamp_ns=newest_ns) for happening in batch[:SINGLES]]
        begin, cpu = time.perf_counter(), time.process_time()
        for happening in late:
            assert memory.log([happening])
        singles = (
            len(late) / (time.perf_counter() - begin),
            len(late) / (time.process_time() - cpu),
        )
        begin = time.perf_counter()
    return log_s, log_cpu_s, time.perf_counter() - begin, singles


def _time(memory: Memory, name: str, asked: Sequence[Asked]) -> SearchTimes:
    watch, worked, hits = Stopwatch(), [], 0
    _search(memory, asked[0])
    for one in asked:
        with watch.timing():
            cpu = time.process_time_ns()
            hits += len(_search(memory, one))
            worked.append((time.process_time_ns() - cpu) / 1e6)
    p99_ms = float(np.percentile(worked, 99))
    return SearchTimes(name, watch.times(), median(worked), p99_ms, hits / len(asked))


def _search(memory: Memory, asked: Asked, *, is_exact: bool = False) -> list[int]:
    hits = memory.event_search.search(
        asked.wanted,
        text=asked.text,
        embedding=asked.embedding,
        has_neighbours=asked.has_neighbours,
        is_exact=is_exact,
        limit=K,
    )
    return [hit.event_id for hit in hits]


def _recall_at_10(memory: Memory, pool: Pool, rng: Generator, queries: int) -> float:
    found = 0
    for asked in (_meaning(pool, rng) for _ in range(queries)):
        exact = _search(memory, asked, is_exact=True)
        found += len({*exact} & {*_search(memory, asked)})
    return found / (K * queries)


def _without_index_s(path: Path, asked: Asked) -> float:
    (path / "events.idx").unlink(missing_ok=True)
    begin = time.perf_counter()
    with Memory.open(path, "r") as memory:
        _search(memory, asked)
    return time.perf_counter() - begin


def _resident_bytes() -> int:
    """Return what is resident now, 0 where the system does not tell."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * resource.getpagesize() if statm.exists() else 0


# --- what is asked for ---------------------------------------------------------------------------


def _week(pool: Pool, rng: Generator) -> Asked:
    since_ns = START_NS + int(rng.integers(23)) * DAY_NS
    return Asked(EventFilter(since_ns=since_ns, until_ns=since_ns + 7 * DAY_NS))


def _place(pool: Pool, rng: Generator) -> Asked:
    x, y = pool.words[int(rng.integers(len(pool.words)))].T_map_base[:2, 3]
    return Asked(EventFilter(near_map=(float(x), float(y)), radius_m=RADIUS_M))


def _text(pool: Pool, rng: Generator) -> Asked:
    return Asked(EventFilter(), text=_words(pool, rng)[1])


def _meaning(pool: Pool, rng: Generator) -> Asked:
    return Asked(EventFilter(), embedding=_near_in_meaning(pool, rng))


def _combined(pool: Pool, rng: Generator) -> Asked:
    """Ask for a week, a place and two words that were said there."""
    which, text = _words(pool, rng)
    x, y = pool.words[which].T_map_base[:2, 3]
    week = _week(pool, rng).wanted
    wanted = EventFilter(
        since_ns=week.since_ns,
        until_ns=week.until_ns,
        near_map=(float(x), float(y)),
        radius_m=RADIUS_M,
    )
    return Asked(wanted, text=text)


def _everything(pool: Pool, rng: Generator) -> Asked:
    asked = _combined(pool, rng)
    return Asked(asked.wanted, asked.text, _near_in_meaning(pool, rng), has_neighbours=True)


def _week_and_meaning(pool: Pool, rng: Generator) -> Asked:
    return Asked(_week(pool, rng).wanted, embedding=_near_in_meaning(pool, rng))


def _words(pool: Pool, rng: Generator) -> tuple[int, str]:
    """Return two words of more than three letters, and whose they are."""
    while True:
        which = int(rng.integers(len(pool.words)))
        words = [w for w in pool.words[which].text.replace(",", " ").split() if len(w) > 3]
        if len(words) >= 2:
            return which, " ".join(rng.choice(words, 2, replace=False))


def _near_in_meaning(pool: Pool, rng: Generator) -> NDArray[np.float32]:
    which = int(rng.integers(len(pool.embeddings)))
    return np.asarray(vary(pool.embeddings[[which]], rng)[0])


KINDS: dict[str, Callable[[Pool, Generator], Asked]] = {
    "a week": _week,
    "a place": _place,
    "two words": _text,
    "a meaning": _meaning,
    "a week, a place, two words": _combined,
    "a week, a meaning": _week_and_meaning,
    "all of these, with neighbours": _everything,
}

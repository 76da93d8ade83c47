"""What a memory under a budget can still answer: `recall@5` and answers against the space it has, by strategy.

Every strategy lives the same lives and is asked the same questions; it holds what it chose to keep. The memory's own order of
things is used, the arrays of `robomem.episodic.retention`, without the database.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from robomem.config import RetentionConfig
from robomem.episodic.retention.allocation import Need
from robomem.episodic.retention.allocator import Allocator
from robomem.episodic.retention.policies import POLICIES, Policy, fifo
from robomem.episodic.retention.shelf import Ints, Shelf
from robomem.episodic.retention.strength import rehearsed
from robomem_sim.bench_memory.demand import Ask, Log, Question, log_of, questions_of
from robomem_sim.lives import live
from robomem_sim.lives.world import HOUR_NS

SPACES = (1.0, 0.5, 0.2, 0.1, 0.05)  # of what an unbounded memory would hold
K = 5
LEARNED = "learned"
BASELINES = ("plain fifo", "lru", "random")
BATCH = 64  # events logged at a time


@dataclass(frozen=True, slots=True)
class Utility:
    """What one strategy can answer in so much space.

    Attributes:
        space: The part of all events that may be kept.
        recall: Of the five best events for a question, how many are among its five hits.
        answered: Of the questions where, or when, a thing was last seen: place and time right, within an hour.
        by_ask: The recall of every kind of question.
        by_phase: The recall while demand was one thing, and another.
    """

    strategy: str
    space: float
    recall: float
    answered: float
    by_ask: dict[str, float]


@dataclass(frozen=True, slots=True)
class RetentionFindings:
    """What was measured over some lives: means over seeds.

    Attributes:
        seeds: Of the lives.
        days: How long each was.
        events: How many events each had.
        questions: How many questions were asked in all.
        utilities: By strategy and space.
    """

    seeds: tuple[int, ...]
    days: float
    events: tuple[int, ...]
    questions: int
    utilities: tuple[Utility, ...]

    def of(self, strategy: str, space: float) -> Utility:
        """Return one figure."""
        return next(u for u in self.utilities if u.strategy == strategy and u.space == space)

    def rows(self) -> list[tuple[str, ...]]:
        """Return a row for every strategy: recall at every space, and right answers."""
        names = list(dict.fromkeys(u.strategy for u in self.utilities))
        return [
            (
                name,
                *(f"{self.of(name, space).recall:.3f}" for space in SPACES),
                *(f"{self.of(name, space).answered:.3f}" for space in SPACES),
            )
            for name in names
        ]


HEADER = (
    "strategy",
    *(f"recall@5 at {space:.0%}" for space in SPACES),
    *(f"answers right at {space:.0%}" for space in SPACES),
)


def measure_retention(seeds: Sequence[int], *, is_quick: bool = False) -> RetentionFindings:
    """Let every strategy live the lives of some seeds, in every space."""
    days = 2.0 if is_quick else 7.0
    logs = [log_of(live(seed, days=days)) for seed in seeds]
    asked = [
        questions_of(log, np.random.default_rng((seed, 1)))
        for seed, log in zip(seeds, logs, strict=True)
    ]
    utilities = [
        _mean(
            [
                _lived(strategy, space, log, questions, seed)
                for seed, log, questions in zip(seeds, logs, asked, strict=True)
            ]
        )
        for strategy in (LEARNED, *POLICIES, *BASELINES)
        for space in SPACES
    ]
    return RetentionFindings(
        seeds=tuple(seeds),
        days=days,
        events=tuple(len(log.shelf) for log in logs),
        questions=sum(map(len, asked)),
        utilities=tuple(utilities),
    )


def least_recently_used(shelf: Shelf, *, now_ns: int) -> Ints:
    """Let go first what was logged or recalled longest ago."""
    return np.lexsort((shelf.ids, shelf.last_ns))


def _drawn(seed: int) -> Policy:
    rng = np.random.default_rng((seed, 2))

    def at_random(shelf: Shelf, *, now_ns: int) -> Ints:
        return rng.permutation(len(shelf))

    return at_random


class _Life:
    """One strategy, living one life."""

    def __init__(self, strategy: str, log: Log, capacity: int, seed: int) -> None:
        self.log, self.capacity = log, capacity
        self.shelf = log.shelf
        self.kept = np.zeros(len(log.shelf), dtype=bool)
        self.config = RetentionConfig(
            max_events=capacity,
            strategy=strategy if strategy in POLICIES else LEARNED,
        )
        self.allocator = Allocator(self.config)
        plain = {"plain fifo": fifo, "lru": least_recently_used, "random": _drawn(seed)}
        self.plain = plain.get(strategy)

    def take_in(self, start: int, stop: int) -> None:
        if start == stop:
            return
        self.kept[start:stop] = True
        self.allocator.log(self.shelf.take(np.arange(start, stop)))
        count = int(self.kept.sum())
        if count <= self.capacity:
            return
        target = self.capacity - int(self.config.slack * self.capacity)
        kept = np.flatnonzero(self.kept)
        shelf = self.shelf.take(kept)
        shelf = replace(shelf, visits=self.allocator.visits_of(shelf.places))
        need = Need(events=count - target)
        if self.plain is None:
            gone = self.allocator.choose(shelf, need)
        else:
            gone = self.plain(shelf, now_ns=int(shelf.last_ns.max()))[: need.events]
        self.kept[kept[gone]] = False

    def answer(self, question: Question) -> Ints:
        hits = question.matches[self.kept[question.matches]][:K]
        used = hits if question.ask in (Ask.ROOM, Ask.TOLD) else hits[:1]
        last, stability = self.shelf.last_ns, self.shelf.stability_s
        last[used], stability[used] = rehearsed(
            last[used], stability[used], stamp_ns=question.stamp_ns, gain=self.config.rehearsal_gain
        )
        self.allocator.recalled(
            question.want, self.shelf.ids[used].tolist(), stamp_ns=question.stamp_ns
        )
        return hits


@dataclass(frozen=True, slots=True)
class _Score:
    ask: Ask
    recall: float
    is_right: bool


def _lived(strategy: str, space: float, log: Log, questions: list[Question], seed: int) -> Utility:
    shelf = replace(
        log.shelf, last_ns=log.shelf.last_ns.copy(), stability_s=log.shelf.stability_s.copy()
    )
    life = _Life(strategy, replace(log, shelf=shelf), int(space * len(shelf)), seed)
    known, scores = 0, []
    for question in questions:
        until = int(np.searchsorted(shelf.stamps_ns, question.stamp_ns, side="right"))
        for start in range(known, until, BATCH):
            life.take_in(start, min(until, start + BATCH))
        known = until
        hits = life.answer(question)
        scores.append(_score(question, hits, shelf))
    return _utility(strategy, space, scores)


def _score(question: Question, hits: Ints, shelf: Shelf) -> _Score:
    best = question.matches[: 1 if question.ask in (Ask.LAST, Ask.THEN) else K]
    recall = float(np.isin(best, hits).mean())
    is_right = (
        len(hits) > 0
        and bool(shelf.places[hits[0]] == shelf.places[best[0]])
        and bool(abs(shelf.stamps_ns[hits[0]] - shelf.stamps_ns[best[0]]) <= HOUR_NS)
    )
    return _Score(question.ask, recall, is_right)


def _utility(strategy: str, space: float, scores: Iterable[_Score]) -> Utility:
    scores = list(scores)
    where = [s.is_right for s in scores if s.ask in (Ask.LAST, Ask.THEN)]
    return Utility(
        strategy,
        space,
        recall=float(np.mean([s.recall for s in scores])),
        answered=float(np.mean(where)),
        by_ask={
            ask: float(np.mean([s.recall for s in scores if s.ask is ask] or [0])) for ask in Ask
        },
    )


def _mean(utilities: Sequence[Utility]) -> Utility:
    first = utilities[0]
    return Utility(
        first.strategy,
        first.space,
        recall=float(np.mean([u.recall for u in utilities])),
        answered=float(np.mean([u.answered for u in utilities])),
        by_ask={ask: float(np.mean([u.by_ask[ask] for u in utilities])) for ask in first.by_ask},
    )

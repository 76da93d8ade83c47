"""What a memory under a budget can still answer: recall@5 and right answers against the space it has, by strategy.

Every strategy lives the same lives and is asked the same questions; it holds what it chose to keep. What decides is the
memory's own (`robomem.episodic.retention`), on arrays, without the database.
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
from robomem.eval.bench import Table
from robomem_sim.bench_memory.demand import Ask, Demand, Log, Question, log_of, questions_of
from robomem_sim.lives import live
from robomem_sim.lives.world import HOUR_NS

SPACES = (1.0, 0.5, 0.2, 0.1, 0.05)  # of what an unbounded memory would hold
TIGHT = 0.1  # the space in which demands are compared
HITS = 5
BATCH = 64  # events logged at a time
UNTUNED = 100  # the settings were tuned on lives below
LEARNED, LAST_N, LRU, RANDOM = "learned", "last N", "LRU", "random"
STRATEGIES = (LEARNED, *POLICIES, LAST_N, LRU, RANDOM)
POINTED = (Ask.LAST, Ask.THEN)  # questions that one event answers


@dataclass(frozen=True, slots=True)
class Utility:
    """What one strategy can answer in so much space; means over the lives.

    Attributes:
        strategy: `learned` and the five it learns among, or a baseline: the last N events, the least recently used goes
            first, or whichever.
        demand: What was asked for.
        space: The part of all events that may be kept.
        recall: Of the five best events for a question, the one event where that answers it, how many are
            among its five hits.
        recall_low: The worst of the lives,
        recall_high: and the best.
        right: Of the questions where, or when, a thing was seen: room right, and time within an hour.
        by_ask: The recall of each kind of question.
    """

    strategy: str
    demand: str
    space: float
    recall: float
    recall_low: float
    recall_high: float
    right: float
    by_ask: dict[str, float]


@dataclass(frozen=True, slots=True)
class RetentionFindings:
    """What was measured over some lives.

    Attributes:
        seeds: Of the lives.
        days: How long each was.
        events: How many events each had.
        questions: How many everyday questions were asked in all.
        utilities: By strategy and space, and in little space by what is asked for.
    """

    seeds: tuple[int, ...]
    days: float
    events: tuple[int, ...]
    questions: int
    utilities: tuple[Utility, ...]

    def of(self, strategy: str, space: float, demand: str = Demand.EVERYDAY) -> Utility:
        """Return what one strategy can answer."""
        return next(
            u
            for u in self.utilities
            if (u.strategy, u.space, u.demand) == (strategy, space, demand)
        )

    def tables(self) -> tuple[Table, ...]:
        """Return a table of spaces, of kinds of questions, and of what is asked for."""
        percents = tuple(f"{space:.0%}" for space in SPACES)
        return (
            Table(
                "recall@5 of everyday questions, in so much of the space",
                ("strategy", *percents),
                tuple((s, *(f"{self.of(s, x).recall:.3f}" for x in SPACES)) for s in STRATEGIES),
            ),
            Table(
                "where and when a thing was seen, right",
                ("strategy", *percents),
                tuple((s, *(f"{self.of(s, x).right:.3f}" for x in SPACES)) for s in STRATEGIES),
            ),
            Table(
                f"recall@5 by the kind of question, in {TIGHT:.0%} of the space",
                ("strategy", *Ask),
                tuple(
                    (s, *(f"{self.of(s, TIGHT).by_ask[ask]:.3f}" for ask in Ask))
                    for s in STRATEGIES
                ),
            ),
            Table(
                f"recall@5 by what is asked for, in {TIGHT:.0%} of the space",
                ("strategy", *Demand),
                tuple(
                    (s, *(f"{self.of(s, TIGHT, d).recall:.3f}" for d in Demand)) for s in STRATEGIES
                ),
            ),
        )


def measure_retention(seeds: Sequence[int], is_quick: bool) -> RetentionFindings:
    """Let every strategy live some lives, in every space.

    Args:
        seeds: Of the lives, from `UNTUNED` on.
        is_quick: Live shorter lives.
    """
    days = 1.5 if is_quick else 7.0
    seeds = tuple(UNTUNED + seed for seed in seeds)
    logs = [log_of(live(seed, days=days)) for seed in seeds]
    asked = {demand: _asked(logs, seeds, demand) for demand in Demand}
    runs = [(Demand.EVERYDAY, space) for space in SPACES]
    runs += [(demand, TIGHT) for demand in Demand if demand is not Demand.EVERYDAY]
    utilities = [
        measure_utility(strategy, space, demand, logs, asked[demand])
        for demand, space in runs
        for strategy in STRATEGIES
    ]
    return RetentionFindings(
        seeds=seeds,
        days=days,
        events=tuple(len(log.shelf) for log in logs),
        questions=sum(map(len, asked[Demand.EVERYDAY])),
        utilities=tuple(utilities),
    )


def measure_utility(
    strategy: str,
    space: float,
    demand: Demand,
    logs: Sequence[Log],
    asked: Sequence[Sequence[Question]],
) -> Utility:
    """Let one strategy live some lives, and answer what is asked in each."""
    pairs = zip(logs, asked, strict=True)
    scores = [list(_answered(strategy, space, log, questions)) for log, questions in pairs]
    recalls = [_mean(score.recall for score in of_life) for of_life in scores]
    together = [score for of_life in scores for score in of_life]
    return Utility(
        strategy,
        demand,
        space,
        recall=_mean(recalls),
        recall_low=min(recalls),
        recall_high=max(recalls),
        right=_mean(score.is_right for score in together if score.ask in POINTED),
        by_ask={ask: _mean(s.recall for s in together if s.ask is ask) for ask in Ask},
    )


def least_recently_used(shelf: Shelf, *, now_ns: int) -> Ints:
    """Let go first what was logged or recalled longest ago."""
    del now_ns
    return np.lexsort((shelf.ids, shelf.last_ns))


@dataclass(frozen=True, slots=True)
class _Score:
    ask: Ask
    recall: float
    is_right: bool


class _Keeper:
    """One strategy with its space, on arrays."""

    def __init__(self, strategy: str, shelf: Shelf, capacity: int) -> None:
        self._shelf = replace(
            shelf, last_ns=shelf.last_ns.copy(), stability_s=shelf.stability_s.copy()
        )
        self._capacity = capacity
        self._config = RetentionConfig.model_validate(
            {
                "max_events": capacity,
                "strategy": strategy if strategy in POLICIES else LEARNED,
            }
        )
        self._allocator = Allocator(self._config)
        baselines = {LAST_N: fifo, LRU: least_recently_used, RANDOM: _at_random(capacity)}
        self._baseline = baselines.get(strategy)
        self.kept = np.zeros(len(shelf), dtype=bool)

    def log(self, start: int, stop: int) -> None:
        """Take in events, and make room."""
        self.kept[start:stop] = True
        if self._baseline is None:
            self._allocator.log(self._shelf.take(np.arange(start, stop)))
        kept = np.flatnonzero(self.kept)
        if len(kept) <= self._capacity:
            return
        shelf = self._shelf.take(kept)
        shelf = replace(shelf, visits=self._allocator.visits_of(shelf.places))
        target = self._capacity - int(self._config.slack * self._capacity)
        gone = self._gone(shelf, len(kept) - target)
        self.kept[kept[gone]] = False

    def answer(self, question: Question) -> Ints:
        """Return the hits, and learn from the question."""
        hits = question.matches[self.kept[question.matches]][:HITS]
        used = hits[:1] if question.ask in POINTED else hits
        last_ns, stability_s = self._shelf.last_ns, self._shelf.stability_s
        last_ns[used], stability_s[used] = rehearsed(
            last_ns[used],
            stability_s[used],
            stamp_ns=question.stamp_ns,
            gain=self._config.rehearsal_gain,
        )
        used_ids = self._shelf.ids[used].tolist()
        self._allocator.recalled(question.want, used_ids, stamp_ns=question.stamp_ns)
        return hits

    def _gone(self, shelf: Shelf, count: int) -> Ints:
        if self._baseline is None:
            return self._allocator.choose(shelf, Need(events=count))
        return self._baseline(shelf, now_ns=int(shelf.stamps_ns.max()))[:count]


def _answered(
    strategy: str, space: float, log: Log, questions: Iterable[Question]
) -> Iterable[_Score]:
    shelf = log.shelf
    keeper, known = _Keeper(strategy, shelf, int(space * len(shelf))), 0
    for question in questions:
        until = int(np.searchsorted(shelf.stamps_ns, question.stamp_ns, side="right"))
        for start in range(known, until, BATCH):
            keeper.log(start, min(until, start + BATCH))
        known = until
        yield _score(question, keeper.answer(question), shelf)


def _score(question: Question, hits: Ints, shelf: Shelf) -> _Score:
    best = question.matches[: 1 if question.ask in POINTED else HITS]
    is_right = (
        len(hits) > 0
        and bool(shelf.places[hits[0]] == shelf.places[best[0]])
        and bool(abs(shelf.stamps_ns[hits[0]] - shelf.stamps_ns[best[0]]) <= HOUR_NS)
    )
    return _Score(question.ask, float(np.isin(best, hits).mean()), is_right)


def _asked(logs: Sequence[Log], seeds: Sequence[int], demand: Demand) -> list[list[Question]]:
    which = list(Demand).index(demand)
    return [
        questions_of(log, np.random.default_rng((seed, which)), demand)
        for log, seed in zip(logs, seeds, strict=True)
    ]


def _at_random(seed: int) -> Policy:
    rng = np.random.default_rng(seed)

    def at_random(shelf: Shelf, *, now_ns: int) -> Ints:
        del now_ns
        return rng.permutation(len(shelf))

    return at_random


def _mean(values: Iterable[float]) -> float:
    numbers = list(values)
    return float(np.mean(numbers)) if numbers else 0.0

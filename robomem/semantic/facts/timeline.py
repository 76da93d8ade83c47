"""What holds when, of all that was told of one subject and one relation. Pure, and in any order of telling.

At every instant the telling that began last holds, of those that cover it: what was told of a part of time
changes that part only (SQL:2011's FOR PORTION OF). Of two that began at once the one learned later holds.
A denial ends what began before it, and is ended by what is told so after it.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby

from robomem.store.fact_rows import FOREVER_NS


@dataclass(frozen=True, slots=True)
class Telling:
    """That an object is the one, or is not, from `from_ns` to before `until_ns`."""

    fact_id: int
    object_id: int
    is_denied: bool
    from_ns: int
    until_ns: int
    learned_at_ns: int

    @property
    def rank(self) -> tuple[int, int, int]:
        """The greater one wins."""
        return self.from_ns, self.learned_at_ns, self.fact_id

    @property
    def claim(self) -> tuple[int, bool]:
        """What is told, without the time."""
        return self.object_id, self.is_denied


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of time in which a claim holds; `fact_ids` are the telling it begins with and those that confirm it."""

    object_id: int
    is_denied: bool
    from_ns: int
    until_ns: int
    fact_ids: tuple[int, ...]


def stretches(tellings: Iterable[Telling], *, is_functional: bool) -> list[Stretch]:
    """Return what holds when, by its beginning.

    Args:
        tellings: Of one subject and relation.
        is_functional: Whether there is one object at a time, so that another one is a contradiction.
    """
    ranked = sorted(tellings, key=lambda telling: telling.rank)
    if is_functional:
        found = _Sweep(ranked).run()
    else:
        of_object: dict[int, list[Telling]] = defaultdict(list)
        for telling in ranked:
            of_object[telling.object_id].append(telling)
        found = [s for group in of_object.values() for s in _Sweep(group).run()]
    return sorted(found, key=lambda s: (s.from_ns, s.object_id, s.is_denied))


@dataclass(slots=True)
class _Run:
    """A stretch that goes on."""

    from_ns: int
    fact_ids: dict[int, None] = field(default_factory=dict)  # a set in order


class _Sweep:
    """Goes through time once. Tellings come in by rank, so of each stack the last one not over is the greatest."""

    def __init__(self, ranked: list[Telling]) -> None:
        self._ranked = ranked
        self._said: list[Telling] = []
        self._by_claim: dict[tuple[int, bool], list[Telling]] = defaultdict(list)
        self._denied: list[int] = []
        self._runs: dict[tuple[int, bool], _Run] = {}
        self._done: list[Stretch] = []

    def run(self) -> list[Stretch]:
        """Return every stretch."""
        starts = {
            from_ns: list(group) for from_ns, group in groupby(self._ranked, lambda t: t.from_ns)
        }
        ends = {t.until_ns for t in self._ranked if t.until_ns < FOREVER_NS}
        for now_ns in sorted(starts.keys() | ends):
            new = starts.get(now_ns, [])
            for telling in new:
                self._hear(telling)
            self._go_on(now_ns, self._winners(now_ns), new)
        self._go_on(FOREVER_NS, [], [])
        return self._done

    def _hear(self, telling: Telling) -> None:
        if telling.is_denied and telling.claim not in self._by_claim:
            self._denied.append(telling.object_id)
        if not telling.is_denied:
            self._said.append(telling)
        self._by_claim[telling.claim].append(telling)

    def _winners(self, now_ns: int) -> list[Telling]:
        winners = []
        said = _last(self._said, now_ns)
        if said is not None and not self._is_denied(said, now_ns):
            winners.append(said)
        for object_id in self._denied:
            denial = _last(self._by_claim[object_id, True], now_ns)
            if denial is None:
                continue
            said = _last(self._by_claim[object_id, False], now_ns)
            if said is None or said.rank < denial.rank:
                winners.append(denial)
        return winners

    def _is_denied(self, said: Telling, now_ns: int) -> bool:
        denial = _last(self._by_claim.get((said.object_id, True), []), now_ns)
        return denial is not None and denial.rank > said.rank

    def _go_on(self, now_ns: int, winners: list[Telling], new: list[Telling]) -> None:
        held = {winner.claim: winner for winner in winners}
        for claim in [claim for claim in self._runs if claim not in held]:
            run = self._runs.pop(claim)
            self._done.append(Stretch(*claim, run.from_ns, now_ns, tuple(run.fact_ids)))
        for claim, winner in held.items():
            self._runs.setdefault(claim, _Run(now_ns)).fact_ids[winner.fact_id] = None
        for telling in new:
            if telling.claim in held:
                self._runs[telling.claim].fact_ids[telling.fact_id] = None


def _last(stack: list[Telling], now_ns: int) -> Telling | None:
    """Return the last telling of a stack that is not over; those above it never are again."""
    while stack and stack[-1].until_ns <= now_ns:
        stack.pop()
    return stack[-1] if stack else None

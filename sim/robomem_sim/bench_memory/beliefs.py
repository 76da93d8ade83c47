"""What is believed of things, held against the truth of a house: one to one, by name and place."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from robomem.semantic.assignment import NONE, assign
from robomem_sim.bench_memory.patrolled import Change, PatrolledHouse
from robomem_sim.house import Thing

Vector = NDArray[np.float64]

WITHIN_M = 0.25  # a place is right
SAME_PLACE_M = 0.3  # what is believed to be there is that thing
BESIDE_M = 0.5  # and this near to it, of its name, it is that thing twice
FAR_M = 1e6  # a pair of any distance rather than none


@dataclass(frozen=True, slots=True, eq=False)
class Belief:
    """What is believed of one thing: where it was last, (3,) metres in map, and whether it still is."""

    belief_id: int
    label: str
    p_map: Vector
    is_present: bool


@dataclass(frozen=True, slots=True)
class Tally:
    """How many of so many."""

    count: int = 0
    of: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.count + other.count, self.of + other.of)

    @property
    def percent(self) -> float | None:
        """The part in percent; None of nothing."""
        return 100 * self.count / self.of if self.of else None


@dataclass(frozen=True, slots=True)
class Remembered:
    """How right beliefs are, summed over patrols.

    Attributes:
        located: Things ever seen that are believed to have been last where they were seen last, within 0.25 m.
        ghosts: Of the things believed to be there, those that are not.
        duplicates: Of the same, those that are there once more under another identity.
        moved_or_new: Things moved or returned that kept their identity, and new ones that got one of their own.
        absent: Things carried away that are no longer believed to be where they were, after one patrol.
    """

    located: Tally = Tally()
    ghosts: Tally = Tally()
    duplicates: Tally = Tally()
    moved_or_new: Tally = Tally()
    absent: Tally = Tally()

    def __add__(self, other: "Remembered") -> "Remembered":
        return Remembered(
            *(getattr(self, f.name) + getattr(other, f.name) for f in fields(Remembered))
        )


class Judge:
    """Holds what somebody believes of a house against the truth, after every patrol."""

    def __init__(self, house: PatrolledHouse, beliefs: Callable[[], list[Belief]]) -> None:
        self.remembered = Remembered()
        self._house, self._beliefs = house, beliefs
        self._named: dict[int, int] = {}  # belief by thing, as of the last patrol
        self._known_ids: set[int] = set()

    def judge(self) -> None:
        """Look at the beliefs after a patrol."""
        beliefs = self._beliefs()
        known = {i: t for i, t in self._house.traces.items() if t.is_known}
        last = _match(
            [(i, t.label, t.p_map) for i, t in known.items()],
            [(b.belief_id, b.label, b.p_map) for b in beliefs],
        )
        places = {b.belief_id: b.p_map for b in beliefs}
        away_m = {i: np.linalg.norm(places[b] - known[i].p_map) for i, b in last.items()}
        right = {i: last[i] for i, distance_m in away_m.items() if distance_m <= WITHIN_M}
        ghosts, duplicates = self._too_many([b for b in beliefs if b.is_present])
        self.remembered += Remembered(
            located=Tally(len(right), len(known)),
            ghosts=ghosts,
            duplicates=duplicates,
            moved_or_new=self._identities(right),
            absent=self._absences(beliefs),
        )
        self._named |= right
        self._known_ids |= {b.belief_id for b in beliefs}

    def _too_many(self, present: Sequence[Belief]) -> tuple[Tally, Tally]:
        """Count what is believed to be there, and is not, or is there under another identity."""
        things = self._house.things
        matches = match_present(things, present)
        left = [b for b in present if b.belief_id not in matches.values()]
        twice = sum(
            any(
                t.label == b.label and np.linalg.norm(t.p_map - b.p_map) <= BESIDE_M for t in things
            )
            for b in left
        )
        return Tally(len(left) - twice, len(present)), Tally(twice, len(present))

    def _identities(self, right: dict[int, int]) -> Tally:
        """Count the things brought to where they are that are held for what they are, of those seen there."""
        count = of = 0
        for change in self._house.changes:
            thing_id = change.thing.thing_id
            trace = self._house.traces.get(thing_id)
            if change.p_to_map is None or trace is None or not trace.is_known:
                continue
            if not np.array_equal(trace.p_map, change.p_to_map):
                continue  # not seen there yet
            of += 1
            if thing_id in self._named:
                count += right.get(thing_id) == self._named[thing_id]
            else:
                count += thing_id in right and right[thing_id] not in self._known_ids
        return Tally(count, of)

    def _absences(self, beliefs: Sequence[Belief]) -> Tally:
        """Count the things that were known, were carried away, and are not believed to be there any more."""
        gone = [c for c in self._house.changes if self._was_known(c)]
        return Tally(sum(not self._is_believed(c, beliefs) for c in gone), len(gone))

    def _was_known(self, change: Change) -> bool:
        return change.p_from_map is not None and change.thing.thing_id in self._named

    def _is_believed(self, change: Change, beliefs: Sequence[Belief]) -> bool:
        """Tell whether a thing is believed to be where it was, and nothing of its name stands there now."""
        label, p_map = change.thing.label, change.p_from_map
        assert p_map is not None
        if any(
            t.label == label and np.linalg.norm(t.p_map - p_map) <= BESIDE_M
            for t in self._house.things
        ):
            return False
        return any(
            b.is_present and b.label == label and np.linalg.norm(b.p_map - p_map) <= SAME_PLACE_M
            for b in beliefs
        )


def match_present(things: Sequence[Thing], beliefs: Sequence[Belief]) -> dict[int, int]:
    """Return which belief, of those in what is there, is of which thing, by ids: of its name, and at its place."""
    return _match(
        [(t.thing_id, t.label, t.p_map) for t in things],
        [(b.belief_id, b.label, b.p_map) for b in beliefs if b.is_present],
        within_m=SAME_PLACE_M,
    )


Placed = tuple[int, str, Vector]  # id, name, place in map


def _match(
    things: Sequence[Placed], beliefs: Sequence[Placed], *, within_m: float = FAR_M
) -> dict[int, int]:
    """Return which belief is of which thing, by ids: those of one name, the least distance in all."""
    if not things or not beliefs:
        return {}
    away_m = np.array(
        [
            [np.linalg.norm(p - q) if label == name else np.inf for _, name, q in beliefs]
            for _, label, p in things
        ]
    )
    columns = assign(np.where(away_m <= within_m, away_m, np.inf), alone_cost=FAR_M)
    return {
        things[row][0]: beliefs[column][0] for row, column in enumerate(columns) if column != NONE
    }

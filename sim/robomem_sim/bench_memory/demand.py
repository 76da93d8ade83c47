"""What is asked of a life while it is lived.

EVERYDAY: not of everything alike, not always the same, mostly of what is recent. Things are asked for by Zipf's law, in an order of
popularity that has nothing to do with how often they are seen, and that changes twice in a life, as does what
kind of question is the usual one.

The others ask what happened in a room at some time, as one-sidedly as the tasks that SAT's allocator was
made for (Jeon et al., 2024): of the first days only, of the last hours, of rooms where the robot seldom is, or often.
For each of them one fixed strategy is right, and the others are wrong.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from operator import attrgetter

import numpy as np
from numpy.random import Generator

from robomem.config import RetentionConfig
from robomem.episodic.retention.shadows import Want
from robomem.episodic.retention.shelf import Ints, Shelf, key_of
from robomem.episodic.retention.strength import initial_stability_s
from robomem_sim.lives import Life, Look
from robomem_sim.lives.world import DAY_NS, HOUR_NS

SIGHTING_GAP_NS = 30 * 10**9  # as `episodic.sighting_gap_s`
QUESTIONS_A_DAY = 80
PHASES = 3  # demand shifts twice
AGE_DAYS = 1.5  # what is asked about a time lies so far back in the mean
ZIPF = 1.1
SEEN, TOLD, OTHER = 0, 1, 2


class Ask(StrEnum):
    """A kind of question."""

    LAST = "where and when last seen"
    THEN = "where on that day"
    TOLD = "what was said of it"
    ROOM = "what happened in that room then"


class Demand(StrEnum):
    """What is asked for."""

    EVERYDAY = "everyday"
    EARLY = "early"
    LATE = "late"
    SELDOM = "seldom visited"
    OFTEN = "often visited"


EDGE = 0.1  # of what was logged so far is early, and late
ROOM_BIAS = 2.0  # rooms are asked for by their visits to this power, or one through it
MIX = {  # how usual each is, in every phase
    Ask.LAST: (0.6, 0.25, 0.5),
    Ask.THEN: (0.1, 0.4, 0.15),
    Ask.TOLD: (0.2, 0.1, 0.2),
    Ask.ROOM: (0.1, 0.25, 0.15),
}


@dataclass(frozen=True, slots=True, eq=False)
class Log:
    """All events of a life, in order, as a memory without bounds would keep them.

    Attributes:
        shelf: As a policy sees them; sizes are 1, visits 0.
        kinds: What they are: `SEEN`, `TOLD` or `OTHER`.
        labels: What things are called.
        rooms: Keys of the places.
    """

    shelf: Shelf
    kinds: Ints
    labels: tuple[str, ...]
    rooms: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """Something that is asked at `stamp_ns`.

    Attributes:
        matches: Indices of the events that answer it, the best first.
        want: What a memory can tell of it, None where only the words tell.
    """

    ask: Ask
    stamp_ns: int
    matches: Ints
    want: Want | None


@dataclass(frozen=True, slots=True)
class _Happened:
    stamp_ns: int
    until_ns: int
    kind: str
    topic: str
    room: str


def log_of(life: Life) -> Log:
    """Return the events of a life: sightings as a timeline joins them, captions and words one by one."""
    happened = sorted(_happened(life), key=attrgetter("stamp_ns", "topic"))
    count, places = len(happened), np.array([key_of(h.room) for h in happened])
    shelf = Shelf(
        ids=np.arange(1, count + 1),
        stamps_ns=np.array([h.stamp_ns for h in happened]),
        last_ns=np.array([h.until_ns for h in happened]),
        stability_s=np.array(list(_stabilities_s(happened))),
        places=places,
        topics=np.array([key_of(h.topic) for h in happened]),
        visits=np.zeros(count, dtype=np.int64),
        sizes=np.ones(count, dtype=np.int64),
        is_pinned=np.zeros(count, dtype=bool),
    )
    kinds = np.array([{"seen": SEEN, "told": TOLD}.get(h.kind, OTHER) for h in happened])
    labels = {seen.label for look in life.looks() for seen in look.seen}
    return Log(shelf, kinds, tuple(sorted(labels)), tuple(np.unique(places).tolist()))


def questions_of(log: Log, rng: Generator, demand: Demand = Demand.EVERYDAY) -> list[Question]:
    """Draw what is asked, in order; there is an answer to each."""
    first_ns, last_ns = int(log.shelf.stamps_ns[0]), int(log.shelf.stamps_ns[-1])
    count = int((last_ns - first_ns) / DAY_NS * QUESTIONS_A_DAY)
    stamps = np.sort(rng.integers(first_ns + DAY_NS // 2, last_ns, size=count))
    zipf = 1.0 / np.arange(1, len(log.labels) + 1) ** ZIPF
    orders = [rng.permutation(len(log.labels)) for _ in range(PHASES)]
    questions = []
    for stamp_ns in stamps.tolist():
        if demand is not Demand.EVERYDAY:
            questions.append(_of_room(log, _anchor(log, demand, stamp_ns, rng), stamp_ns))
            continue
        phase = (stamp_ns - first_ns) * PHASES // (last_ns - first_ns)
        label = log.labels[orders[phase][rng.choice(len(zipf), p=zipf / zipf.sum())]]
        ask = list(MIX)[rng.choice(len(MIX), p=[shares[phase] for shares in MIX.values()])]
        question = _question(log, ask, label, stamp_ns, rng)
        if len(question.matches):
            questions.append(question)
    return questions


def _question(log: Log, ask: Ask, label: str, stamp_ns: int, rng: Generator) -> Question:
    shelf, topic = log.shelf, key_of(label)
    age_ns = int(rng.exponential(AGE_DAYS) * DAY_NS)
    start_ns = max(int(shelf.stamps_ns[0]), stamp_ns - age_ns) // DAY_NS * DAY_NS
    want, kind = Want(topic=topic, until_ns=stamp_ns), SEEN
    if ask is Ask.THEN:
        want = replace(want, since_ns=start_ns, until_ns=min(stamp_ns, start_ns + DAY_NS))
    elif ask is Ask.TOLD:
        kind = TOLD
    elif ask is Ask.ROOM:
        then_ns = max(int(shelf.stamps_ns[0]), stamp_ns - age_ns)
        return _of_room(log, _known(log, then_ns) - 1, stamp_ns)
    newest_first = np.flatnonzero(want.matches(shelf) & (log.kinds == kind))[::-1]
    return Question(ask, stamp_ns, newest_first, None if ask is Ask.TOLD else want)


def _of_room(log: Log, index: int, stamp_ns: int) -> Question:
    """Ask what happened in the hour from an event on, in its room."""
    since_ns, place = int(log.shelf.stamps_ns[index]), int(log.shelf.places[index])
    want = Want(place=place, since_ns=since_ns, until_ns=min(stamp_ns, since_ns + HOUR_NS))
    newest_first = np.flatnonzero(want.matches(log.shelf))[::-1]
    return Question(Ask.ROOM, stamp_ns, newest_first, want)


def _anchor(log: Log, demand: Demand, stamp_ns: int, rng: Generator) -> int:
    """Draw the event that is asked about."""
    known = _known(log, stamp_ns)
    edge = max(1, int(EDGE * known))
    if demand is Demand.EARLY:
        return int(rng.integers(edge))
    if demand is Demand.LATE:
        return int(rng.integers(known - edge, known))
    places = log.shelf.places[:known]
    rooms, counts = np.unique(places[1:][np.diff(places) != 0], return_counts=True)
    odds = counts ** (-ROOM_BIAS if demand is Demand.SELDOM else ROOM_BIAS)
    return int(rng.choice(np.flatnonzero(places == rng.choice(rooms, p=odds / odds.sum()))))


def _known(log: Log, stamp_ns: int) -> int:
    """Return how many events have begun."""
    return int(np.searchsorted(log.shelf.stamps_ns, stamp_ns, side="right"))


def _happened(life: Life) -> Iterator[_Happened]:
    """Yield every event, in no order."""
    going_on: dict[str, _Happened] = {}
    for moment in life.moments:
        if not isinstance(moment, Look):
            topic = moment.label or moment.text
            yield _Happened(moment.stamp_ns, moment.stamp_ns, str(moment.voice), topic, moment.room)
            continue
        for label in sorted({seen.label for seen in moment.seen}):
            current = going_on.get(label)
            if current is None or moment.stamp_ns - current.until_ns > SIGHTING_GAP_NS:
                if current is not None:
                    yield current
                current = _Happened(moment.stamp_ns, moment.stamp_ns, "seen", label, moment.room)
            going_on[label] = replace(current, until_ns=moment.stamp_ns)
    yield from going_on.values()


def _stabilities_s(happened: list[_Happened]) -> Iterator[float]:
    """Yield how stable every event is when it is logged, as a memory sets it."""
    last: dict[str, str] = {}
    for h in happened:
        is_surprising = last.get(h.topic) != h.room
        last[h.topic] = h.room
        yield initial_stability_s(
            h.kind, is_surprising=is_surprising, base_s=RetentionConfig().stability_s
        )

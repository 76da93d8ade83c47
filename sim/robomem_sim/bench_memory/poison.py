"""How much of what is told to mislead reaches a memory, and how much that is honest does not.

An attempt is blocked when it is held (nothing held is recalled unasked: `tests/test_guard.py`); told at its arrival,
and at the end of the day, when the robot and others have had their say. Beside the guard: none, a filter
of keywords, and trust alone, which believes known people, and others once two things they said were seen to be so.
"""

import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from robomem.claims import ClaimKind, Level
from robomem.config import Config, GuardConfig, StoreConfig
from robomem.episodic.experience import Experience
from robomem.eval.bench import Table
from robomem.geometry import R_BODY_OPTICAL, pose
from robomem.memory import Memory
from robomem.types import Detection, EventKind, Happening, Observation, Vector
from robomem_sim.bench_memory.poison_day import (
    FAMILIES,
    HOUR_S,
    INSIDER,
    LIAR,
    PATROLS_H,
    RESIDENTS,
    ROOMS,
    THINGS,
    TRAITORS,
    Day,
    Introduction,
    Saying,
    live_day,
)
from robomem_sim.bench_memory.poison_words import HELD_OUT, Wording

T0_S = 1_750_000_000
ROOM_M = 12.0  # from one room's middle to the next one's
K = np.array([[20.0, 0, 19.5], [0, 20.0, 14.5], [0, 0, 1]])
CONFIG = Config(
    store=StoreConfig(sync="normal", keep_images=False, scan_budget_bytes=0),
    guard=GuardConfig(sources=dict.fromkeys((*RESIDENTS, LIAR), Level.KNOWN)),
)
KEYWORDS = (
    "ignore", "instruction", "system", "prompt", "password", "override", "disable", "delete", "unlock", "bleach", "http",
)  # fmt: skip
DAYS = 7  # so that the seeds of the bench are not those of the days that the guard was made with
EARNED = 2  # true sayings that were seen to be so, for trust alone


@dataclass(frozen=True, slots=True)
class FamilyFindings:
    """How much of one family of attempts was blocked, parts of `attempts`."""

    family: str
    attempts: int
    at_arrival: float
    at_end: float


@dataclass(frozen=True, slots=True)
class SystemFindings:
    """What one system lets through: parts of all attempts blocked, and of honest records held back, at the day's end.

    Attributes:
        system: Which.
        blocked: Of all attempts,
        blocked_by_kind: and the mean over the kinds: one who talks without end makes many attempts of one.
        held: Of the honest records that are true,
        held_people: of those that people told,
        held_guests: and of those whose people do not live there.
    """

    system: str
    blocked: float
    blocked_by_kind: float
    held: float
    held_people: float
    held_guests: float


@dataclass(frozen=True, slots=True)
class PoisonFindings:
    """What the guard is worth.

    Attributes:
        seeds: Of the days.
        attempts: To mislead, in all of them.
        honest: True records, from the robot and from people.
        families: By kind of attempt; the last one, of a resident who lies, counts in no sum.
        systems: The guard, and those beside it.
        held_at_arrival: The part of honest records that waited at first.
        mistakes: Sayings of residents that were honest and wrong,
        mistakes_held: and the part of them held.
    """

    seeds: tuple[int, ...]
    attempts: int
    honest: int
    families: tuple[FamilyFindings, ...]
    systems: tuple[SystemFindings, ...]
    held_at_arrival: float
    mistakes: int
    mistakes_held: float

    def tables(self) -> tuple[Table, ...]:
        """Return a table of the systems, and one of the families."""
        systems = tuple((s.system, *(f"{share:.1%}" for share in _shares(s))) for s in self.systems)
        families = tuple(
            (f.family, str(f.attempts), f"{f.at_arrival:.1%}", f"{f.at_end:.1%}")
            for f in self.families
        )
        return (
            Table(
                f"Poisoning: {self.attempts} attempts among {self.honest} honest records",
                ("", "blocked", "by kind", "honest held", "of people's", "of guests'"),
                systems,
            ),
            Table(
                "Attempts by kind", ("", "attempts", "blocked at arrival", "at the end"), families
            ),
        )


@dataclass(slots=True)
class _Tally:
    """What became of each saying: whether it was held at its arrival, and at the end."""

    rows: list[tuple[Saying, bool, bool]] = field(default_factory=list)

    def share(self, wanted: Callable[[Saying], bool], *, at_end: bool = True) -> float:
        """Return the part that is held of the sayings that are wanted."""
        held = [end if at_end else first for s, first, end in self.rows if wanted(s)]
        return float(np.mean(held)) if held else 0.0

    def count(self, wanted: Callable[[Saying], bool]) -> int:
        return sum(wanted(saying) for saying, _, _ in self.rows)


def measure_poison(
    seeds: Sequence[int],
    is_quick: bool = False,
    *,
    words: Wording = HELD_OUT,
    has_small_talk: bool = True,
) -> PoisonFindings:
    """Measure the guard, and others, on days with attackers.

    Args:
        seeds: A day each.
        is_quick: The first two only.
        words: How they speak; `poison_words.TUNING` is what the guard was made with.
        has_small_talk: Whether residents make remarks, which let out the guests' of the same words.
    """
    seeds = tuple(seeds)[: 2 if is_quick else None]
    guard, others = _Tally(), defaultdict[str, _Tally](_Tally)
    for seed in seeds:
        day = _day(seed, words, has_small_talk=has_small_talk)
        guard.rows += _live_through(day)
        for name, system in (("none", _none), ("keywords", _keywords), ("trust alone", _trust)):
            others[name].rows += ((s, held, held) for s, held in system(day))
    tallies = {"guard": guard, **others}
    wrong = [*FAMILIES, INSIDER]
    return PoisonFindings(
        seeds=seeds,
        attempts=guard.count(_is_attempt),
        honest=guard.count(_is_honest),
        families=tuple(_family(guard, family) for family in wrong),
        systems=tuple(_system(name, tally) for name, tally in tallies.items()),
        held_at_arrival=guard.share(_is_honest, at_end=False),
        mistakes=guard.count(_is_mistake),
        mistakes_held=guard.share(_is_mistake),
    )


def _day(seed: int, words: Wording, *, has_small_talk: bool) -> Day:
    day = live_day(np.random.default_rng([DAYS, seed]), words)
    if not has_small_talk:
        day.sayings = [s for s in day.sayings if s.text not in words.remark or _is_guest(s)]
    return day


def _is_attempt(saying: Saying) -> bool:
    return saying.family is not None and saying.family != INSIDER


def _is_honest(saying: Saying) -> bool:
    return saying.family is None and saying.is_true and saying.source not in TRAITORS


def _is_mistake(saying: Saying) -> bool:
    return saying.family is None and not saying.is_true


def _is_guest(saying: Saying) -> bool:
    return saying.source not in (*RESIDENTS, "robot")


def _family(tally: _Tally, family: str) -> FamilyFindings:
    def is_of(saying: Saying) -> bool:
        return saying.family == family

    first, last = (tally.share(is_of, at_end=at_end) for at_end in (False, True))
    return FamilyFindings(family, tally.count(is_of), first, last)


def _shares(found: SystemFindings) -> tuple[float, ...]:
    held = found.held, found.held_people, found.held_guests
    return found.blocked, found.blocked_by_kind, *held


def _system(name: str, tally: _Tally) -> SystemFindings:
    return SystemFindings(
        system=name,
        blocked=tally.share(_is_attempt),
        blocked_by_kind=float(np.mean([_family(tally, family).at_end for family in FAMILIES])),
        held=tally.share(_is_honest),
        held_people=tally.share(lambda s: _is_honest(s) and s.source != "robot"),
        held_guests=tally.share(lambda s: _is_honest(s) and _is_guest(s)),
    )


# ---- the guard ------------------------------------------------------------------------------------


def _live_through(day: Day) -> list[tuple[Saying, bool, bool]]:
    """Let a memory live a day; returns of each saying whether it was held at first, and at the end."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Memory.open(Path(folder) / "day.rmem", config=CONFIG) as memory,
    ):
        memory.guard.room_of = _room_at
        kept = []
        for moment in _moments(day):
            if isinstance(moment, Saying):
                kind, item_id = _tell(memory, moment)
                kept.append((moment, kind, item_id, _is_held(memory, kind, item_id)))
            elif isinstance(moment, Introduction):
                memory.guard.set_trust(moment.name, Level.KNOWN)
            else:
                _look(memory, day, *moment)
        return [
            (saying, first, _is_held(memory, kind, item_id))
            for saying, kind, item_id, first in kept
        ]


def _moments(day: Day) -> Iterator[Saying | Introduction | tuple[float, str]]:
    timed: list[tuple[float, int, Saying | Introduction | tuple[float, str]]] = []
    timed += [(saying.at_s, 0, saying) for saying in day.sayings]
    timed += [(introduced.at_s, 1, introduced) for introduced in day.introductions]
    for hour in PATROLS_H:
        for i, room in enumerate(ROOMS):
            at_s = hour * HOUR_S + 120.0 * i
            timed.append((at_s, 2, (at_s, room)))
    timed.sort(key=lambda moment: moment[:2])
    for _, _, moment in timed:
        yield moment


def _tell(memory: Memory, saying: Saying) -> tuple[ClaimKind, int]:
    stamp_ns = _ns(saying.at_s if saying.stamp_s is None else saying.stamp_s)
    if saying.kind is ClaimKind.EXPERIENCE:
        task, plan = saying.parts
        experience = Experience(
            stamp_ns=stamp_ns,
            task=task,
            plan=tuple(plan.split("; ")),
            is_success=True,
            source=saying.source,
        )
        return saying.kind, memory.experience.record(experience)
    if saying.kind is ClaimKind.FACT:
        fact = memory.facts.learn(*saying.parts, stamp_ns=stamp_ns, source=saying.source)
        return saying.kind, fact.fact_id
    told = Happening(kind=EventKind.TOLD, stamp_ns=stamp_ns, text=saying.text, source=saying.source)
    receipt = memory.log([told])
    return saying.kind, receipt.event_ids[0] if receipt.event_ids else -1


def _is_held(memory: Memory, kind: ClaimKind, item_id: int) -> bool:
    """Tell whether a record is kept from recall: held, or not let in at all."""
    held = {(held.kind, held.item_id) for held in memory.guard.held()}
    return item_id < 0 or (kind, item_id) in held


def _look(memory: Memory, day: Day, at_s: float, room: str) -> None:
    """Let the robot look at a room for three frames; everything in it is in view, before a wall."""
    x = ROOM_M * ROOMS.index(room)
    T_map_cam = pose(R_BODY_OPTICAL, [x, 0.0, 1.0])
    things = [thing for thing in THINGS if day.room_of(thing, at_s) == room]
    for frame in range(3):
        detections = tuple(
            Detection(
                label=thing, p_cam=_spot(thing), size_m=np.full(3, 0.15), embedding=_look_of(thing)
            )
            for thing in things
        )
        memory.observe(
            Observation(
                stamp_ns=_ns(at_s + frame),
                T_map_cam=T_map_cam,
                depth_m=np.full((30, 40), 4.0, np.float32),
                K=K,
                detections=detections,
            )
        )


def _spot(thing: str) -> Vector:
    """Return where a thing stands in every room, in the camera's frame: each has its own spot."""
    row, column = divmod(THINGS.index(thing), 6)
    return np.array([-1.75 + 0.7 * column, 0.0, 2.0 + 0.5 * row])


def _look_of(thing: str) -> NDArray[np.float32]:
    return np.random.default_rng(THINGS.index(thing)).normal(size=32).astype(np.float32)


def _room_at(p_map: Vector) -> str:
    return ROOMS[int(np.clip(round((p_map[0] - 2.5) / ROOM_M), 0, len(ROOMS) - 1))]


def _ns(seconds: float) -> int:
    return int((T0_S + seconds) * 1e9)


# ---- beside it ------------------------------------------------------------------------------------


def _none(day: Day) -> Iterator[tuple[Saying, bool]]:
    for saying in day.sayings:
        yield saying, False


def _keywords(day: Day) -> Iterator[tuple[Saying, bool]]:
    for saying in day.sayings:
        text = f"{saying.text} {' '.join(saying.parts)}".lower()
        yield saying, any(word in text for word in KEYWORDS)


def _trust(day: Day) -> Iterator[tuple[Saying, bool]]:
    """Believe residents, whoever is introduced, and whoever was seen to be right."""
    right: Counter[str] = Counter()
    for saying in day.sayings:
        is_known = saying.source in (*RESIDENTS, "robot") or any(
            i.name == saying.source and i.at_s <= saying.at_s for i in day.introductions
        )
        yield saying, not (is_known or right[saying.source] >= EARNED)
        if any(thing in saying.text for thing in THINGS):
            right[saying.source] += 1 if saying.is_true else -2

"""What happens in a household, whether or not a robot sees it: where people and things are, at every moment."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from operator import attrgetter

import numpy as np
from numpy.random import Generator

from robomem_sim.lives.home import Home, Spot, Thing, Vector

SECOND_NS = 10**9
MINUTE_NS = 60 * SECOND_NS
HOUR_NS = 60 * MINUTE_NS
DAY_NS = 24 * HOUR_NS
FIRST_DAY_NS = 1_772_409_600 * SECOND_NS  # Monday, 2 March 2026, 00:00 UTC

ELBOW_ROOM_M = 0.25  # between things on the same furniture
SPREAD_M = 0.35  # how far from the middle of it they are put
BROUGHT, TAKEN = 0.1, 0.08  # of the things: come into the house later, leave it for good
GUESTS = 0.3  # of the days, besides the first
HOUSEBOUND = 1  # the person who works at home

# Of a working day: from hour, to hour, what is done, where.
WORK_DAY = (
    (6.8, 7.3, "getting dressed", "bedroom"), (7.3, 7.6, "brushing teeth", "bathroom"),
    (7.6, 8.1, "eating breakfast", "kitchen"),
)  # fmt: skip
OUT_DAY = (
    (17.4, 17.6, "taking off the shoes", "hall"),
    (17.6, 18.3, "resting on the sofa", "living room"),
)
HOME_DAY = (
    (9.0, 12.3, "working on the laptop", "study"), (12.3, 13.0, "eating lunch", "kitchen"),
    (13.2, 16.0, "working on the laptop", "study"), (16.2, 17.2, "doing the laundry", "laundry room"),
)  # fmt: skip
FREE_DAY = (
    (9.5, 11.0, "cleaning the floor", "living room"), (11.2, 12.2, "repairing the bicycle", "garage"),
    (12.3, 13.2, "eating lunch", "kitchen"), (13.6, 15.2, "reading a book", "study"),
)  # fmt: skip
EVENINGS = (
    ("watching television", "living room"), ("reading a book", "bedroom"), ("playing chess", "living room"),
    ("playing the guitar", "living room"), ("doing homework", "study"), ("taking a bath", "bathroom"),
)  # fmt: skip
VISIT = "having guests", "living room"


@dataclass(frozen=True, slots=True)
class Activity:
    """What one person does in one room for a while."""

    person: str
    doing: str
    room: str
    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True, eq=False)
class Stay:
    """Where a thing is for a while: at a spot, or out of the house (both None).

    Attributes:
        thing_id: Which thing.
        since_ns: From when
        until_ns: to when.
        spot: The furniture it is on.
        p_map: Where it is, (3,) metres in map.
        by: Who put it there, None where nobody in particular did.
    """

    thing_id: int
    since_ns: int
    until_ns: int
    spot: Spot | None
    p_map: Vector | None
    by: str | None


class World:
    """The truth about a household over some days.

    Attributes:
        home: The household.
        start_ns: Midnight of the first day.
        end_ns: The end.
        activities: What people do, by their beginning.
        guests: When there are guests, (from, to) stamps.
    """

    def __init__(self, home: Home, rng: Generator, *, days: float) -> None:
        self.home = home
        self.start_ns = FIRST_DAY_NS
        self.end_ns = FIRST_DAY_NS + int(days * DAY_NS)
        self.activities, self.guests = _live(home, rng, days=days, end_ns=self.end_ns)
        self._stays = _carry(self, rng)
        self._since = [[stay.since_ns for stay in stays] for stays in self._stays]

    def stays(self, thing_id: int) -> Sequence[Stay]:
        """Return where a thing is, from the beginning to the end."""
        return self._stays[thing_id]

    def stay(self, thing_id: int, stamp_ns: int) -> Stay:
        """Return where a thing is at one moment."""
        return self._stays[thing_id][bisect_right(self._since[thing_id], stamp_ns) - 1]

    def in_room(self, room: str, stamp_ns: int) -> list[tuple[Thing, Stay]]:
        """Return the things in a room at one moment, by id."""
        here = ((thing, self.stay(thing.thing_id, stamp_ns)) for thing in self.home.things)
        return [(thing, stay) for thing, stay in here if stay.spot and stay.spot.room == room]

    def moves(self) -> list[tuple[Stay, Stay]]:
        """Return every change of place, (before, after), by its time."""
        changes = [pair for stays in self._stays for pair in pairwise(stays)]
        return sorted(changes, key=lambda pair: (pair[1].since_ns, pair[1].thing_id))

    def doing(self, room: str, stamp_ns: int) -> list[Activity]:
        """Return what is being done in a room at one moment."""
        return [a for a in self.activities if a.room == room and a.start_ns <= stamp_ns < a.end_ns]


# --- people --------------------------------------------------------------------------------------


def _live(
    home: Home, rng: Generator, *, days: float, end_ns: int
) -> tuple[tuple[Activity, ...], tuple[tuple[int, int], ...]]:
    activities: list[Activity] = []
    guests: list[tuple[int, int]] = []
    for day in range(int(np.ceil(days))):
        midnight_ns = FIRST_DAY_NS + day * DAY_NS
        visit = _draw_visit(day, midnight_ns, rng)
        guests += visit
        cook = str(rng.choice(home.people))
        for index, person in enumerate(home.people):
            activities += _person_day(person, index, midnight_ns, rng, cook=cook, visit=visit)
    kept = [replace(a, end_ns=min(a.end_ns, end_ns)) for a in activities if a.start_ns < end_ns]
    return tuple(sorted(kept, key=attrgetter("start_ns", "person"))), tuple(guests)


def _draw_visit(day: int, midnight_ns: int, rng: Generator) -> list[tuple[int, int]]:
    is_visited = day == 0 or rng.random() < GUESTS
    start_ns, length_ns = (_hours(rng.uniform(*span)) for span in ((13.5, 14.5), (1.2, 2.2)))
    return [(midnight_ns + start_ns, midnight_ns + start_ns + length_ns)] if is_visited else []


def _person_day(
    person: str,
    index: int,
    midnight_ns: int,
    rng: Generator,
    *,
    cook: str,
    visit: list[tuple[int, int]],
) -> list[Activity]:
    """Return what a person does on one day; nobody is at home between, and while asleep they are left out."""
    weekday = (midnight_ns // DAY_NS + 3) % 7  # 0 is Monday: the epoch began on a Thursday
    middle = FREE_DAY if weekday >= 5 else HOME_DAY if index == HOUSEBOUND else OUT_DAY
    evening, other = (EVENINGS[i] for i in rng.permutation(len(EVENINGS))[:2])
    dinner = ("cooking dinner" if person == cook else "laying the table", "kitchen")
    late = (
        (18.3, 19.0, *dinner), (19.0, 19.7, "eating dinner", "kitchen"),
        (19.8, 21.0, *evening), (21.0, 22.2, *other),
    )  # fmt: skip
    late_ns = int(rng.normal(0, 8)) * MINUTE_NS  # this person's day, by some minutes
    hours = [*WORK_DAY, *middle, *late]
    planned = [
        Activity(person, doing, room, *(midnight_ns + _hours(h) + late_ns for h in (start, end)))
        for start, end, doing, room in hours
    ]
    return _with_visit(planned, person, visit, is_host=index == HOUSEBOUND)


def _with_visit(
    planned: list[Activity], person: str, visit: list[tuple[int, int]], *, is_host: bool
) -> list[Activity]:
    """Put the visit in the place of what the host would have done."""
    if not visit or not is_host:
        return planned
    start_ns, end_ns = visit[0]
    before = [replace(a, end_ns=min(a.end_ns, start_ns)) for a in planned if a.start_ns < start_ns]
    after = [replace(a, start_ns=max(a.start_ns, end_ns)) for a in planned if a.end_ns > end_ns]
    return [*before, Activity(person, *VISIT, start_ns, end_ns), *after]


# --- things --------------------------------------------------------------------------------------


def _carry(world: World, rng: Generator) -> list[list[Stay]]:
    """Draw where every thing is over time: put in places by people who are at home."""
    home, stays = world.home, []
    for thing in home.things:
        spots = [home.spot(name) for name in thing.spots]
        first_ns, last_ns = _draw_presence(world, thing, rng)
        times_ns = _draw_moves(world, thing, rng)
        times_ns = [first_ns, *(t for t in times_ns if first_ns < t < last_ns)]
        stays.append(_stays_of(world, thing, (spots, times_ns, last_ns), rng))
    return _apart(stays, rng)


def _draw_presence(world: World, thing: Thing, rng: Generator) -> tuple[int, int]:
    """Return from when to when a thing is in the house; furniture-like things always are."""
    day_ns = int(rng.uniform(0.15, 0.85) * (world.end_ns - world.start_ns))
    fate = rng.random()
    is_fixed = thing.moves_a_day == 0
    first_ns = world.start_ns + day_ns if fate < BROUGHT and not is_fixed else world.start_ns
    is_taken = BROUGHT <= fate < BROUGHT + TAKEN and not is_fixed
    return first_ns, world.start_ns + day_ns if is_taken else world.end_ns


def _draw_moves(world: World, thing: Thing, rng: Generator) -> list[int]:
    """Return when a thing is carried elsewhere: while somebody does something at home."""
    days = (world.end_ns - world.start_ns) / DAY_NS
    count = rng.poisson(thing.moves_a_day * days)
    owned = [a for a in world.activities if thing.owner in (None, a.person)]
    if not owned:
        return []
    spans = np.array([(a.start_ns, a.end_ns) for a in owned])
    which = rng.integers(len(spans), size=count)
    share = rng.random(count)
    return sorted(int(t) for t in spans[which, 0] + share * (spans[which, 1] - spans[which, 0]))


def _stays_of(
    world: World, thing: Thing, plan: tuple[list[Spot], list[int], int], rng: Generator
) -> list[Stay]:
    spots, times_ns, last_ns = plan
    stays: list[Stay] = []
    if times_ns[0] > world.start_ns:
        stays.append(Stay(thing.thing_id, world.start_ns, times_ns[0], None, None, None))
    spot = spots[0]
    for i, (since_ns, until_ns) in enumerate(pairwise([*times_ns, last_ns])):
        if i:
            spot = _another(spot, spots, rng)
        by = _mover(world, thing, since_ns, rng) if i else None
        stays.append(Stay(thing.thing_id, since_ns, until_ns, spot, _place_on(spot, rng), by))
    if last_ns < world.end_ns:
        stays.append(Stay(thing.thing_id, last_ns, world.end_ns, None, None, None))
    return stays


def _another(spot: Spot, spots: list[Spot], rng: Generator) -> Spot:
    """Return another usual place: every second time, where the thing belongs."""
    others = [other for other in spots if other is not spot] or [spot]
    return others[0] if rng.random() < 0.5 else others[int(rng.integers(len(others)))]


def _mover(world: World, thing: Thing, stamp_ns: int, rng: Generator) -> str:
    if thing.owner is not None:
        return thing.owner
    awake = sorted({a.person for a in world.activities if a.start_ns <= stamp_ns < a.end_ns})
    return str(rng.choice(awake or list(world.home.people)))


def _place_on(spot: Spot, rng: Generator) -> Vector:
    return np.add(spot.p_map, [*rng.uniform(-SPREAD_M, SPREAD_M, size=2), 0.0])


def _apart(stays: list[list[Stay]], rng: Generator) -> list[list[Stay]]:
    """Move things that would stand in each other apart."""
    on: dict[str, list[Stay]] = {}
    for i, of_thing in enumerate(stays):
        for k, stay in enumerate(of_thing):
            if stay.spot is None:
                continue
            others = on.setdefault(stay.spot.name, [])
            placed = _clear(stay, stay.spot, others, rng)
            stays[i][k] = placed
            others.append(placed)
    return stays


def _clear(stay: Stay, spot: Spot, others: list[Stay], rng: Generator) -> Stay:
    meanwhile = [
        other.p_map
        for other in others
        if other.since_ns < stay.until_ns and stay.since_ns < other.until_ns
        if other.p_map is not None
    ]
    best, room_m = stay, -1.0
    for _ in range(12):
        p_map = _place_on(spot, rng)
        away_m = min((float(np.linalg.norm(p_map - p)) for p in meanwhile), default=np.inf)
        if away_m > room_m:
            best, room_m = replace(stay, p_map=p_map), away_m
        if room_m >= ELBOW_ROOM_M:
            break
    return best


def _hours(hours: float) -> int:
    return int(hours * HOUR_NS)

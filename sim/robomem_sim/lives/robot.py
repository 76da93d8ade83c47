"""A robot in a household: it patrols, keeps people company, does what it is told, and logs all of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from numpy.random import Generator

from robomem.geometry import Pose, inverse, transform
from robomem.types import EventKind
from robomem_sim.lives.depth import Boxes, box_around
from robomem_sim.lives.home import HALL, THING_M, Room, Spot, Thing, Vector
from robomem_sim.lives.moments import T_BASE_CAM, Look, Moment, Seen, Words, base_at, in_view
from robomem_sim.lives.phrases import (
    GUESTS_CAME,
    caption_of_activity,
    caption_of_move,
    caption_of_things,
)
from robomem_sim.lives.talk import TASKS, Talk, draw_deed
from robomem_sim.lives.truth import Deed, Glimpse, Segment, Told
from robomem_sim.lives.world import (
    DAY_NS,
    HOUR_NS,
    MINUTE_NS,
    SECOND_NS,
    VISIT,
    Activity,
    Stay,
    World,
)

Found = TypeVar("Found")

WAKES_H, SLEEPS_H = 7.0, 22.4
PATROLS = ((7.2, "morning"), (11.0, "noon"), (15.9, "afternoon"), (20.0, "evening"))
TRAVEL_S = 6.0, 14.0  # from room to room
HIDES_M = 0.3  # how large what hides a thing is, and how far before it
TURNS = 3  # at each of two places in a room
COMPANY_MIN = 6.0, 25.0
CHARGE_MIN = 10.0, 40.0
IDLE_EVERY_S = 120.0  # between captions while it charges
TELLS = 0.8  # how often company tells it something
COMPANY, TASK = 0.5, 0.15  # what it does between patrols; otherwise it charges


@dataclass(frozen=True, slots=True)
class Senses:
    """How well the robot sees, and how often it looks and speaks.

    Attributes:
        range_m: How far.
        missed: Of the things in an image.
        hidden: Of the things in a room, during a whole visit: behind others.
        confused: Of the detections: called by another label.
        noise_m: Of their places, standard deviation along each axis.
        caption_every_s: A caption in company; on patrol it is one each turn, three seconds.
        look_every_s: An image in company.
        patrols: How many a day, at most four.
    """

    range_m: float = 5.0
    missed: float = 0.1
    hidden: float = 0.06
    confused: float = 0.004
    noise_m: float = 0.04
    caption_every_s: float = 10.0
    look_every_s: float = 60.0
    patrols: int = 4


SPARING = Senses(caption_every_s=40.0, look_every_s=600.0, patrols=2)  # for lives of a month


@dataclass(slots=True, eq=False)
class Log:
    """What the robot has logged so far, with its truth."""

    moments: list[Moment] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    glimpses: list[Glimpse] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    deeds: list[Deed] = field(default_factory=list)


class Robot:
    """Lives through the days of a world; `live` fills the log."""

    def __init__(self, world: World, senses: Senses, rng: Generator) -> None:
        self._world, self._senses, self._rng = world, senses, rng
        self._home = world.home
        self._talk = Talk(world, rng)
        self._moves = world.moves()
        self._move_stamps = [after.since_ns for _, after in self._moves]
        self._now_ns = world.start_ns
        self._greeted_ns = world.start_ns
        self._room = self._home.room(HALL)
        self._T_map_base: Pose = base_at(*self._room.centre_map, 0.0)
        self.log = Log()

    @property
    def talk(self) -> Talk:
        """What people tell."""
        return self._talk

    def live(self) -> None:
        """Live through all days."""
        midnight_ns = self._world.start_ns
        while midnight_ns < self._world.end_ns:
            self._live_day(midnight_ns)
            midnight_ns += DAY_NS

    def _live_day(self, midnight_ns: int) -> None:
        self._now_ns = midnight_ns + int(WAKES_H * HOUR_NS)
        patrols = PATROLS[:: len(PATROLS) // self._senses.patrols][: self._senses.patrols]
        late_h = self._rng.normal(0, 0.1, size=len(patrols))
        due = [
            (midnight_ns + int((h + d) * HOUR_NS), name)
            for (h, name), d in zip(patrols, late_h, strict=True)
        ]
        bedtime_ns = min(midnight_ns + int(SLEEPS_H * HOUR_NS), self._world.end_ns)
        while self._now_ns < bedtime_ns:
            if due and self._now_ns >= due[0][0]:
                self._patrol(due.pop(0)[1])
            else:
                self._spend_time(min(due[0][0] if due else bedtime_ns, bedtime_ns))

    def _spend_time(self, until_ns: int) -> None:
        doing = [
            a
            for a in self._world.activities
            if a.start_ns <= self._now_ns < a.end_ns - 3 * MINUTE_NS
        ]
        wish = self._rng.random()
        if doing and wish < COMPANY:
            self._keep_company(doing[int(self._rng.integers(len(doing)))], until_ns)
        elif doing and wish < COMPANY + TASK:
            self._do_task(doing[int(self._rng.integers(len(doing)))])
        else:
            self._charge(until_ns)

    # --- patrols ---------------------------------------------------------------------------------

    def _patrol(self, name: str) -> None:
        for index in self._rng.permutation(len(self._home.rooms)):
            room = self._home.rooms[index]
            start_ns = self._now_ns
            self._go_to(room)
            self._look_around(room)
            self._end(f"patrol of the {room.name}", f"the {name} patrol", start_ns)

    def _look_around(self, room: Room) -> None:
        hidden = self._draw_hidden(room)
        x, y = room.centre_map
        step = (room.x_max - room.x_min) / 8
        for x_stand in (x - step, x + step):
            heading = self._rng.uniform(0, 2 * np.pi)
            for turn in range(TURNS):
                self._T_map_base = base_at(x_stand, y, heading + turn * 2 * np.pi / TURNS)
                seen = [self._look(hidden) for _ in range(2)]
                self._caption_view(seen)
                self._wait(1.0)

    def _caption_view(self, looks: Sequence[list[tuple[Thing, Stay]]]) -> None:
        """Say what was in view, at most once of each thing."""
        things = {thing.thing_id: (thing, stay) for look in looks for thing, stay in look}
        doing = self._world.doing(self._room.name, self._now_ns)
        self._say(caption_of_things(list(things.values()), doing, self._room.name, self._rng))

    # --- company, tasks, rest --------------------------------------------------------------------

    def _keep_company(self, activity: Activity, until_ns: int) -> None:
        start_ns = self._now_ns
        self._go_to(self._home.room(activity.room))
        stay_ns = int(self._rng.uniform(*COMPANY_MIN) * MINUTE_NS)
        end_ns = min(start_ns + stay_ns, activity.end_ns, until_ns)
        tells_ns = start_ns + int(self._rng.random() * (end_ns - start_ns) / TELLS)
        self._greet_guests(activity)
        look_ns = self._now_ns
        while self._now_ns < end_ns:
            self._report_moves()
            if self._now_ns >= look_ns:
                self._look(self._draw_hidden(self._room))
                look_ns = self._now_ns + int(self._senses.look_every_s * SECOND_NS)
            self._say(caption_of_activity(activity, self._rng))
            if self._now_ns >= tells_ns:
                self._listen(activity.person)
                tells_ns = end_ns
            self._wait(self._senses.caption_every_s)
        self._end(f"{activity.person} {activity.doing}", "company", start_ns)

    def _greet_guests(self, activity: Activity) -> None:
        """Say that guests came, when the robot notices these for the first time."""
        if activity.doing == VISIT[0] and activity.start_ns > self._greeted_ns:
            self._greeted_ns = activity.start_ns
            self._say(f"{GUESTS_CAME} to visit {activity.person}")

    def _report_moves(self) -> None:
        """Say what was carried to or from here since the last caption, and is witnessed by that."""
        since_ns = self.log.moments[-1].stamp_ns if self.log.moments else 0
        for before, after in self._moves_between(since_ns, self._now_ns):
            rooms = [stay.spot.room for stay in (before, after) if stay.spot is not None]
            if self._room.name not in rooms:
                continue
            thing = self._home.things[after.thing_id]
            text = caption_of_move(thing, before, after, self._room.name)
            is_here = after.spot is not None and after.spot.room == self._room.name
            self._say(text, label=thing.label, place=after if is_here else None)

    def _moves_between(self, since_ns: int, until_ns: int) -> Iterator[tuple[Stay, Stay]]:
        low, high = np.searchsorted(self._move_stamps, (since_ns, until_ns), side="right")
        return iter(self._moves[low:high])

    def _do_task(self, activity: Activity) -> None:
        start_ns = self._now_ns
        task, room = TASKS[int(self._rng.integers(len(TASKS)))]
        deed = draw_deed(task, room, start_ns, self._rng)
        self._hear(activity.person, f"please {task}", label=None)
        self._go_to(self._home.room(room))
        for step in deed.plan:
            self._say(step, voice=EventKind.ACTED)
            self._wait(float(self._rng.uniform(8, 25)))
        result = f"I managed to {task}" if deed.why is None else f"I failed to {task}: {deed.why}"
        self._say(result, voice=EventKind.OUTCOME)
        self.log.deeds.append(replace(deed, end_ns=self._now_ns))
        self._end(task, f"a task for {activity.person}", start_ns)

    def _charge(self, until_ns: int) -> None:
        start_ns = self._now_ns
        self._go_to(self._home.room(HALL))
        end_ns = start_ns + int(self._rng.uniform(*CHARGE_MIN) * MINUTE_NS)
        while self._now_ns < min(end_ns, until_ns):
            self._say("I am charging at the dock in the hall")
            self._wait(IDLE_EVERY_S)
        self._end("charging", "rest", start_ns)

    # --- what it logs ----------------------------------------------------------------------------

    def _look(self, hidden: set[int]) -> list[tuple[Thing, Stay]]:
        """Log what the detector finds in one image; returns what truly was found."""
        here = [
            (thing, stay)
            for thing, stay in self._world.in_room(self._room.name, self._now_ns)
            if thing.thing_id not in hidden
        ]
        found = self._in_view(here, [_place(stay) for _, stay in here])
        spots = [spot for spot in self._home.spots if spot.room == self._room.name]
        furniture = self._in_view(spots, [spot.middle_map for spot in spots])
        seen = [self._detect(thing, stay) for thing, stay in found]
        self.log.moments.append(
            Look(
                stamp_ns=self._now_ns,
                T_map_base=self._T_map_base,
                home=self._home,
                room=self._room.name,
                seen=(*seen, *(self._detect_furniture(spot) for spot in furniture)),
                solids=self._solids(hidden),
            )
        )
        named = [p for p, d in zip(found, seen, strict=True) if d.thing_id is not None]
        self.log.glimpses += [self._glimpse(thing, stay) for thing, stay in named]
        self._wait(1.0)
        return named

    def _in_view(self, what: Sequence[Found], places: Sequence[Vector]) -> list[Found]:
        """Return what is in the image and was not missed."""
        p_map = np.array(places).reshape(-1, 3)
        is_seen = in_view(self._T_map_base, p_map, range_m=self._senses.range_m)
        is_seen &= self._rng.random(len(what)) >= self._senses.missed
        return [one for one, seen in zip(what, is_seen, strict=True) if seen]

    def _solids(self, hidden: set[int]) -> Boxes:
        """Return what can be in sight: furniture, things, and what hides some of these from here.

        From a room the door shows the hall, and from the hall all rooms.
        """
        here = self._room.name
        rooms = [r.name for r in self._home.rooms if HALL in (here, r.name) or r.name == here]
        spots = [spot for spot in self._home.spots if spot.room in rooms]
        boxes = [box_around(spot.middle_map, spot.size_m) for spot in spots]
        eye_map = (self._T_map_base @ T_BASE_CAM)[:3, 3]
        for room in rooms:
            for thing, stay in self._world.in_room(room, self._now_ns):
                p_map = _place(stay)
                boxes.append(box_around(p_map, np.array(THING_M)))
                if thing.thing_id in hidden:
                    towards = (eye_map - p_map) / np.linalg.norm(eye_map - p_map)
                    boxes.append(box_around(p_map + HIDES_M * towards, np.full(3, HIDES_M)))
        return np.array(boxes)

    def _detect(self, thing: Thing, stay: Stay) -> Seen:
        p_cam = self._measure(_place(stay))
        score = float(self._rng.uniform(0.5, 0.95))
        if self._rng.random() < self._senses.confused:
            other = self._home.things[int(self._rng.integers(len(self._home.things)))]
            return Seen(other.label, p_cam, score, None)
        return Seen(thing.label, p_cam, score, thing.thing_id, np.array(THING_M))

    def _detect_furniture(self, spot: Spot) -> Seen:
        score = float(self._rng.uniform(0.6, 0.98))
        return Seen(spot.name, self._measure(spot.middle_map), score, None, spot.size_m)

    def _measure(self, p_map: Vector) -> Vector:
        """Return a place in the optical frame, with noise."""
        p_map = p_map + self._rng.normal(0, self._senses.noise_m, size=3)
        return transform(inverse(self._T_map_base @ T_BASE_CAM), p_map)

    def _glimpse(self, thing: Thing, stay: Stay) -> Glimpse:
        assert stay.spot is not None, "it is in the house"
        return Glimpse(thing.thing_id, self._now_ns, _place(stay), stay.spot.name, stay.spot.room)

    def _draw_hidden(self, room: Room) -> set[int]:
        things = [thing.thing_id for thing, _ in self._world.in_room(room.name, self._now_ns)]
        is_hidden = self._rng.random(len(things)) < self._senses.hidden
        return {i for i, hidden in zip(things, is_hidden, strict=True) if hidden}

    def _say(
        self,
        text: str,
        *,
        voice: EventKind = EventKind.OBSERVED,
        label: str | None = None,
        place: Stay | None = None,
    ) -> None:
        self.log.moments.append(
            Words(
                stamp_ns=self._now_ns,
                voice=voice,
                text=text,
                source="robot",
                room=self._room.name,
                T_map_base=self._T_map_base,
                label=label,
                p_map=None if place is None else place.p_map,
            )
        )
        self._wait(0.2)

    def _listen(self, person: str) -> None:
        """Let somebody tell something."""
        told = self._talk.tell(person, self._now_ns)
        if told is not None:
            self.log.told.append(told)
            about = told.claim.subject if told.claim.relation == "is on" else None
            self._hear(person, told.text, label=about)

    def _hear(self, person: str, text: str, *, label: str | None) -> None:
        room, T = self._room.name, self._T_map_base
        self.log.moments.append(Words(self._now_ns, EventKind.TOLD, text, person, room, T, label))
        self._wait(2.0)

    def _go_to(self, room: Room) -> None:
        self._wait(float(self._rng.uniform(*TRAVEL_S)))
        self._room = room
        x, y = room.centre_map
        self._T_map_base = base_at(x, y, float(self._rng.uniform(0, 2 * np.pi)))

    def _end(self, name: str, part_of: str, start_ns: int) -> None:
        self.log.segments.append(Segment(name, part_of, self._room.name, start_ns, self._now_ns))

    def _wait(self, seconds: float) -> None:
        self._now_ns += int(seconds * SECOND_NS)


def _place(stay: Stay) -> Vector:
    assert stay.p_map is not None, "it is in the house"
    return stay.p_map

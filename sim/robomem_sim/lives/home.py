"""A household: rooms with furniture, people, and the things that these keep here and there."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Vector = NDArray[np.float64]  # (3,)

HALL = "hall"
HALL_WIDTH_M = 2.2
WALL_M = 0.1
FURNITURE_M = 0.7, 0.7  # its extent on the floor
THING_M = 0.14, 0.14, 0.14
ROOM_DEPTH_M = 4.2
ROOM_WIDTH_M = 3.8, 5.2  # least and greatest
EYE_M = 1.1  # height of the robot's camera

NAMES = (
    "Ada", "Ben", "Clara", "David", "Emma", "Felix", "Greta", "Hugo", "Irene", "Jonas", "Karla", "Leo",
)  # fmt: skip

# Rooms, and what stands in them to put things on; by its height.
FURNITURE: dict[str, dict[str, float]] = {
    "kitchen": {"kitchen table": 0.75, "counter": 0.9, "sink": 0.9, "kitchen shelf": 1.4},
    "living room": {"sofa": 0.45, "coffee table": 0.4, "bookshelf": 1.2, "television stand": 0.5},
    "bedroom": {"bed": 0.5, "nightstand": 0.55, "dresser": 0.9},
    "bathroom": {"washbasin": 0.85, "bathroom shelf": 1.3, "laundry basket": 0.6},
    "study": {"desk": 0.75, "study shelf": 1.3, "windowsill": 0.9},
    "garage": {"workbench": 0.9, "chest": 0.6},
    "laundry room": {"washing machine": 0.9, "utility shelf": 1.3},
    HALL: {"hall table": 0.8, "shoe rack": 0.3, "coat rack": 1.5},
}

# What there is: label, its usual places (the first is where it belongs), how often a day it is carried off, its owner
# counted from 0 (None: everybody's).
THINGS: tuple[tuple[str, tuple[str, ...], float, int | None], ...] = (
    ("red mug", ("kitchen shelf", "kitchen table", "desk", "coffee table"), 2.0, 0),
    ("blue mug", ("kitchen shelf", "kitchen table", "nightstand", "counter"), 2.0, 1),
    ("white mug", ("kitchen shelf", "sink", "desk"), 1.0, 2),
    ("water bottle", ("counter", "desk", "nightstand", "hall table"), 1.5, 0),
    ("car keys", ("hall table", "kitchen table", "coat rack", "desk"), 1.5, 0),
    ("house keys", ("hall table", "counter", "dresser"), 1.0, 1),
    ("reading glasses", ("nightstand", "bookshelf", "coffee table", "desk"), 1.5, 1),
    ("sunglasses", ("hall table", "dresser"), 0.3, 2),
    ("wallet", ("hall table", "desk", "nightstand"), 1.0, 0),
    ("phone charger", ("desk", "nightstand", "counter", "sofa"), 1.0, 2),
    ("laptop", ("desk", "kitchen table", "sofa"), 1.0, 1),
    ("headphones", ("desk", "sofa", "nightstand"), 1.0, 2),
    ("green book", ("bookshelf", "sofa", "nightstand"), 0.8, 1),
    ("cookbook", ("kitchen shelf", "counter"), 0.4, None),
    ("notebook", ("desk", "kitchen table", "coffee table"), 0.8, 0),
    ("television remote", ("coffee table", "sofa", "television stand"), 1.5, None),
    ("teapot", ("kitchen shelf", "kitchen table", "coffee table"), 0.8, None),
    ("frying pan", ("kitchen shelf", "sink", "counter"), 0.8, None),
    ("cereal box", ("kitchen shelf", "kitchen table"), 1.0, None),
    ("medicine box", ("bathroom shelf", "counter"), 0.3, None),
    ("hair dryer", ("bathroom shelf", "dresser"), 0.4, 1),
    ("toothbrush", ("washbasin",), 0.0, 0),
    ("striped towel", ("bathroom shelf", "laundry basket", "washing machine"), 0.6, None),
    ("umbrella", ("coat rack", "shoe rack"), 0.4, None),
    ("backpack", ("coat rack", "study shelf", "bed"), 0.8, 2),
    ("running shoes", ("shoe rack", "bed"), 0.5, 0),
    ("dog leash", ("coat rack", "hall table"), 0.6, None),
    ("teddy bear", ("bed", "sofa", "chest"), 0.8, 2),
    ("toy car", ("coffee table", "chest", "desk"), 0.8, 2),
    ("board game", ("bookshelf", "coffee table"), 0.4, None),
    ("guitar", ("sofa", "study shelf"), 0.3, 0),
    ("camera", ("study shelf", "desk", "chest"), 0.3, 1),
    ("flashlight", ("utility shelf", "hall table"), 0.2, None),
    ("screwdriver", ("utility shelf", "desk"), 0.3, None),
    ("watering can", ("windowsill", "sink"), 0.5, None),
    ("vacuum cleaner", ("utility shelf",), 0.0, None),
    ("potted plant", ("windowsill",), 0.0, None),
    ("potted plant", ("television stand",), 0.0, None),
    ("potted plant", ("chest",), 0.0, None),
    ("alarm clock", ("nightstand",), 0.1, 0),
    ("picture frame", ("dresser",), 0.0, None),
    ("table lamp", ("desk",), 0.0, None),
    ("table lamp", ("workbench",), 0.0, None),
    ("chess set", ("bookshelf", "coffee table"), 0.3, None),
)
ABSENT = (  # nobody ever brought one: what is asked for in vain
    "accordion", "bicycle pump", "chainsaw", "drum", "fishing rod", "globe", "kite", "microscope", "parachute",
    "saxophone", "sewing machine", "telescope", "trophy", "typewriter", "unicycle", "violin",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Room:
    """An upright box on the floor, metres in map."""

    name: str
    x_min: float
    y_min: float
    x_max: float
    y_max: float

    @property
    def centre_map(self) -> tuple[float, float]:
        """Its middle."""
        return (self.x_min + self.x_max) / 2, (self.y_min + self.y_max) / 2

    @property
    def radius_m(self) -> float:
        """The radius of the circle around its middle that holds it."""
        return float(np.hypot(self.x_max - self.x_min, self.y_max - self.y_min)) / 2

    def contains(self, p_map: Vector) -> bool:
        """Tell whether a point (2,) or (3,) in map is inside."""
        x, y = p_map[:2]
        return bool(self.x_min <= x <= self.x_max and self.y_min <= y <= self.y_max)


@dataclass(frozen=True, slots=True)
class Spot:
    """A piece of furniture to put things on: `p_map` is the middle of its top, metres."""

    name: str
    room: str
    p_map: tuple[float, float, float]

    @property
    def size_m(self) -> Vector:
        """Its extent, (3,) metres: from the floor to below what stands on it."""
        return np.array([*FURNITURE_M, self.p_map[2] - THING_M[2] / 2])

    @property
    def middle_map(self) -> Vector:
        """Its middle, (3,) metres in map."""
        return np.array([*self.p_map[:2], self.size_m[2] / 2])


@dataclass(frozen=True, slots=True)
class Thing:
    """Something that is carried about.

    Attributes:
        thing_id: 0 and up.
        label: What it is; a few share one.
        owner: A person, None where it is everybody's.
        spots: Where it is usually put; it belongs to the first.
        moves_a_day: How often it is carried elsewhere.
    """

    thing_id: int
    label: str
    owner: str | None
    spots: tuple[str, ...]
    moves_a_day: float

    @property
    def noun(self) -> str:
        """What it is without what it looks like: "mug"."""
        return self.label.split()[-1]


@dataclass(frozen=True, slots=True)
class Home:
    """Rooms, furniture, people and things."""

    rooms: tuple[Room, ...]
    spots: tuple[Spot, ...]
    people: tuple[str, ...]
    things: tuple[Thing, ...]

    def room(self, name: str) -> Room:
        """Return the room of that name."""
        return next(room for room in self.rooms if room.name == name)

    def room_at(self, p_map: Vector) -> str | None:
        """Return the name of the room that a point in map is in."""
        return next((room.name for room in self.rooms if room.contains(p_map)), None)

    def spot(self, name: str) -> Spot:
        """Return the piece of furniture of that name."""
        return next(spot for spot in self.spots if spot.name == name)


def draw_home(rng: Generator) -> Home:
    """Draw a household: rooms on both sides of a hall, three to four people."""
    rooms = _draw_rooms(rng)
    spots = [spot for room in rooms for spot in _draw_spots(room, rng)]
    people = tuple(rng.permutation(NAMES)[: rng.integers(3, 5)].tolist())
    things = tuple(
        Thing(i, label, None if owner is None else people[owner], places, moves)
        for i, (label, places, moves, owner) in enumerate(THINGS)
    )
    return Home(rooms, tuple(spots), people, things)


def _draw_rooms(rng: Generator) -> tuple[Room, ...]:
    names = rng.permutation([name for name in FURNITURE if name != HALL]).tolist()
    rooms = _draw_row(names[:4], HALL_WIDTH_M / 2 + WALL_M, ROOM_DEPTH_M, rng)
    rooms += _draw_row(names[4:], -HALL_WIDTH_M / 2 - WALL_M - ROOM_DEPTH_M, ROOM_DEPTH_M, rng)
    x_max = max(room.x_max for room in rooms)
    return (*rooms, Room(HALL, 0.0, -HALL_WIDTH_M / 2, x_max, HALL_WIDTH_M / 2))


def _draw_row(names: list[str], y_min: float, depth_m: float, rng: Generator) -> list[Room]:
    widths = rng.uniform(*ROOM_WIDTH_M, size=len(names))
    ends = np.cumsum(widths + WALL_M) - WALL_M
    return [
        Room(name, float(end - width), y_min, float(end), y_min + depth_m)
        for name, width, end in zip(names, widths, ends, strict=True)
    ]


def _draw_spots(room: Room, rng: Generator) -> list[Spot]:
    """Put the furniture of a room along its walls, each piece at its own place."""
    places = FURNITURE[room.name]
    angles = (np.arange(len(places)) + rng.uniform(0, 0.5)) * (2 * np.pi / len(places))
    x, y = room.centre_map
    reach_x, reach_y = (room.x_max - room.x_min) / 2 - 0.6, (room.y_max - room.y_min) / 2 - 0.6
    return [
        Spot(
            name,
            room.name,
            (float(x + reach_x * np.cos(a)), float(y + reach_y * np.sin(a)), height_m),
        )
        for (name, height_m), a in zip(places.items(), angles, strict=True)
    ]

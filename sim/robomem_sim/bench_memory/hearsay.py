"""A month of a household by hearsay: what is so, and what the robot is told of it, late, again, wrongly or never.

The truth changes: things change places and owners, people move and change their work. Of most changes somebody tells at
once in plain words, of some days later and since when, of some nobody; what is told is told again, in other words; now and
then somebody errs, and mostly that is taken back later. Some things get a second name.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

DAY_NS = 86_400 * 10**9
DAYS = 30
PEOPLE = ("Anna", "Ben", "Carol", "David", "Emma", "Farid")
THINGS = (
    "red mug", "blue cup", "laptop", "umbrella", "scissors", "flashlight", "toolbox", "guitar", "backpack", "camera",
    "big screwdriver", "watering can", "teapot", "novel", "headphones", "stapler", "blanket", "vase", "drill", "kettle",
)  # fmt: skip
ROOMS = ("kitchen", "living room", "bedroom", "office", "hall", "bathroom", "garage", "attic")
TOWNS = ("Oslo", "Paris", "Vienna", "Porto", "Leeds")
WORKS = ("bakery", "hospital", "school", "library", "station")
NICKNAMES = {"big screwdriver": "driver", "flashlight": "torch", "headphones": "cans", "red mug": "big mug"}  # fmt: skip
SENTENCES: Mapping[str, tuple[str, ...]] = {
    "is in": (
        "The {s} is in the {o}.",
        "The {s} is now in the {o}.",
        "I put the {s} in the {o}.",
        "You can find the {s} in the {o}.",
        "The {s}? It should be in the {o}.",
    ),
    "belongs to": (
        "The {s} belongs to {o}.",
        "The {s} is {o}'s.",
        "{o} owns the {s}.",
        "{o} is the owner of the {s}.",
        "I gave the {s} to {o}.",
    ),
    "lives in": ("{s} lives in {o}.", "{s} moved to {o}.", "{s} lives in {o} now."),
    "works at": ("{s} works at the {o}.", "{s} has a job at the {o}.", "{s} works at the {o} now."),
}
TOLD_LATE, NEVER_TOLD, ERRED, TAKEN_BACK = 0.25, 0.12, 0.08, 0.7


@dataclass(frozen=True, slots=True)
class Truth:
    """What is so of one subject and relation: values, each from its time on until the next."""

    subject: str
    relation: str
    values: tuple[str, ...]
    from_ns: tuple[int, ...]

    def at(self, stamp_ns: int) -> str | None:
        """Return the value at a time, None before the first."""
        rows = [v for v, f in zip(self.values, self.from_ns, strict=True) if f <= stamp_ns]
        return rows[-1] if rows else None


@dataclass(frozen=True, slots=True)
class Said:
    """Something said to the robot.

    Attributes:
        stamp_ns: When.
        text: In words.
        subject: Of what it is.
        relation: What it says; "is called" gives another name; "not so" takes back what was said as `taken_back`.
        value: Of what it says.
        valid_from_ns: Since when it is said to be so, where that is not when it was said.
        is_wrong: It never was so.
        taken_back: The row of what is taken back.
    """

    stamp_ns: int
    text: str
    subject: str
    relation: str
    value: str
    valid_from_ns: int | None = None
    is_wrong: bool = False
    taken_back: int | None = None

    @property
    def is_plain(self) -> bool:
        """Whether its words say all that there is to it."""
        return self.valid_from_ns is None and self.taken_back is None


@dataclass(frozen=True, slots=True)
class Hearsay:
    """A month: what was so, and what was said, in the order of saying; `nicknames` by the names of things."""

    truths: tuple[Truth, ...]
    said: tuple[Said, ...]
    nicknames: Mapping[str, str]
    end_ns: int


def live_by_hearsay(seed: int) -> Hearsay:
    """Return the month of a seed."""
    rng = np.random.default_rng([seed, 17])
    truths = tuple(_truths(rng))
    said: list[Said] = []
    for truth in truths:
        said += _told_of(truth, rng)
    said.sort(key=lambda s: s.stamp_ns)
    said += _taken_back(said, rng)
    named_ns = 10 * DAY_NS
    said += [
        Said(named_ns + i, f"The {name} is called {other}.", name, "is called", other)
        for i, (name, other) in enumerate(NICKNAMES.items())
    ]
    said = [_nicknamed(s, rng) if s.stamp_ns > named_ns + DAY_NS else s for s in said]
    order = sorted(range(len(said)), key=lambda i: (said[i].stamp_ns, i))
    place = {old: new for new, old in enumerate(order)}
    moved = [
        said[i] if said[i].taken_back is None else replace(said[i], taken_back=place[_row(said[i])])
        for i in order
    ]
    return Hearsay(truths, tuple(moved), NICKNAMES, DAYS * DAY_NS)


def _row(said: Said) -> int:
    assert said.taken_back is not None
    return said.taken_back


def _truths(rng: np.random.Generator) -> Iterator[Truth]:
    for thing in THINGS:
        yield _truth(thing, "is in", ROOMS, int(rng.integers(3, 10)), rng)
        yield _truth(thing, "belongs to", PEOPLE, int(rng.integers(1, 4)), rng)
    for person in PEOPLE:
        yield _truth(person, "lives in", TOWNS, int(rng.integers(1, 4)), rng)
        yield _truth(person, "works at", WORKS, int(rng.integers(1, 4)), rng)


def _truth(
    subject: str, relation: str, values: Sequence[str], count: int, rng: np.random.Generator
) -> Truth:
    """Return a truth that changes at `count - 1` times, to another value each time."""
    from_ns = [0, *np.sort(rng.integers(DAY_NS, DAYS * DAY_NS, size=count - 1)).tolist()]
    chosen = [values[int(rng.integers(len(values)))]]
    while len(chosen) < count:
        others = [value for value in values if value != chosen[-1]]
        chosen.append(others[int(rng.integers(len(others)))])
    return Truth(subject, relation, tuple(chosen), tuple(from_ns))


def _told_of(truth: Truth, rng: np.random.Generator) -> Iterator[Said]:
    """Tell of every change at once, later or never; again while it is so; and err now and then."""
    ends = (*truth.from_ns[1:], DAYS * DAY_NS)
    for value, from_ns, until_ns in zip(truth.values, truth.from_ns, ends, strict=True):
        chance = rng.random()
        if chance < NEVER_TOLD:
            continue
        if chance < NEVER_TOLD + TOLD_LATE:
            stamp_ns = from_ns + int(rng.integers(DAY_NS // 4, 5 * DAY_NS))
            days = (stamp_ns - from_ns) / DAY_NS
            text = f"{truth.subject} {truth.relation} {value} since {days:.1f} days."
            if stamp_ns < DAYS * DAY_NS:
                yield Said(stamp_ns, text, truth.subject, truth.relation, value, from_ns)
            continue
        first_ns = from_ns + int(rng.integers(0, DAY_NS // 24))
        if first_ns < until_ns:
            yield _plain(first_ns, truth, value, rng)
        for stamp_ns in rng.integers(from_ns, until_ns, size=int(rng.integers(0, 3))).tolist():
            if stamp_ns > first_ns:
                yield _plain(stamp_ns, truth, value, rng)
        if rng.random() < ERRED:
            others = sorted(set(truth.values) - {value}) or ["cellar"]
            wrong = others[int(rng.integers(len(others)))]
            stamp_ns = int(rng.integers(from_ns, until_ns))
            yield replace(_plain(stamp_ns, truth, wrong, rng), is_wrong=True)


def _plain(stamp_ns: int, truth: Truth, value: str, rng: np.random.Generator) -> Said:
    forms = SENTENCES[truth.relation]
    text = forms[int(rng.integers(len(forms)))].format(s=truth.subject, o=value)
    return Said(stamp_ns, text, truth.subject, truth.relation, value)


def _taken_back(said: Sequence[Said], rng: np.random.Generator) -> Iterator[Said]:
    for row, wrong in enumerate(said):
        if wrong.is_wrong and rng.random() < TAKEN_BACK:
            stamp_ns = wrong.stamp_ns + int(rng.integers(DAY_NS // 24, 3 * DAY_NS))
            text = f"It was not so that {wrong.subject} {wrong.relation} {wrong.value}."
            if stamp_ns < DAYS * DAY_NS:
                yield replace(wrong, stamp_ns=stamp_ns, text=text, is_wrong=False, taken_back=row)


def _nicknamed(said: Said, rng: np.random.Generator) -> Said:
    """Say it by the other name, one time in two."""
    name = NICKNAMES.get(said.subject)
    if name is None or said.relation == "is called" or rng.random() < 0.5:
        return said
    return replace(said, subject=name, text=said.text.replace(said.subject, name))

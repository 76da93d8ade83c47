"""A life with its truth: what was logged, and what truly was."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from robomem_sim.lives.gazes import Gazes
from robomem_sim.lives.home import Home, Vector
from robomem_sim.lives.moments import Look, Moment, Words
from robomem_sim.lives.world import World


@dataclass(frozen=True, slots=True)
class Segment:
    """What the robot was busy with from `start_ns` to `end_ns`: a boundary lies between every two.

    `part_of` is the longer undertaking that it belongs to: "the morning patrol".
    """

    name: str
    part_of: str
    room: str
    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True, eq=False)
class Glimpse:
    """A thing was truly seen: at its true place, (3,) metres in map."""

    thing_id: int
    stamp_ns: int
    p_map: Vector
    spot: str
    room: str


@dataclass(frozen=True, slots=True)
class Claim:
    """What holds from `since_ns` to `until_ns` (None: to the end): subject, relation, object."""

    subject: str
    relation: str
    object: str
    since_ns: int
    until_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What was told, by whom; `claim` is what was meant, and `is_true` whether that was so."""

    stamp_ns: int
    speaker: str
    text: str
    claim: Claim
    is_true: bool


@dataclass(frozen=True, slots=True)
class Deed:
    """A task that the robot was given, and how it ended; `why` it failed, None where it did not."""

    task: str
    state: str
    plan: tuple[str, ...]
    start_ns: int
    end_ns: int
    why: str | None

    @property
    def is_done(self) -> bool:
        """Whether it succeeded."""
        return self.why is None


@dataclass(frozen=True, slots=True, eq=False)
class Life:
    """Some days of a robot in a household.

    Attributes:
        seed: Names it.
        world: What truly happened.
        moments: What the robot logged, in order; no two at the same time.
        segments: What it was busy with, without gaps while it was awake.
        glimpses: Which things it truly saw, in order.
        told: What it was told,
        claims: and all that truly held.
        deeds: Its tasks.
        gazes: Which places it had in view.
    """

    seed: int
    world: World
    moments: tuple[Moment, ...]
    segments: tuple[Segment, ...]
    glimpses: tuple[Glimpse, ...]
    told: tuple[Told, ...]
    claims: tuple[Claim, ...]
    deeds: tuple[Deed, ...]
    gazes: Gazes

    @property
    def home(self) -> Home:
        """The household."""
        return self.world.home

    @property
    def end_ns(self) -> int:
        """The last stamp."""
        return self.moments[-1].stamp_ns

    @property
    def hours(self) -> float:
        """How long it is, nights included."""
        return (self.end_ns - self.world.start_ns) / 3600e9

    def looks(self) -> Iterator[Look]:
        """Yield the images."""
        return (moment for moment in self.moments if isinstance(moment, Look))

    def words(self) -> Iterator[Words]:
        """Yield the captions, utterances, actions and outcomes."""
        return (moment for moment in self.moments if isinstance(moment, Words))

    def glimpses_of(self, thing_ids: Iterable[int]) -> list[Glimpse]:
        """Return when things were truly seen, in order."""
        wanted = set(thing_ids)
        return [glimpse for glimpse in self.glimpses if glimpse.thing_id in wanted]

    def last_glimpse(self, thing_id: int, until_ns: int | None = None) -> Glimpse | None:
        """Return the last time that a thing was truly seen, up to some moment."""
        return last_before(self.glimpses_of([thing_id]), until_ns)


def last_before(glimpses: Sequence[Glimpse], until_ns: int | None) -> Glimpse | None:
    """Return the last of glimpses, in order, up to some moment."""
    stamps = [glimpse.stamp_ns for glimpse in glimpses]
    count = len(glimpses) if until_ns is None else bisect_right(stamps, until_ns)
    return glimpses[count - 1] if count else None

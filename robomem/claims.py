"""What somebody says, and what is thought of it: the words that those who remember share with the guard."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from robomem.checks import checked_stamp, checked_text


class ClaimKind(StrEnum):
    """What a claim would become."""

    EVENT = "event"
    FACT = "fact"
    ENTITY = "entity"
    EXPERIENCE = "experience"
    ALIAS = "alias"


class Level(StrEnum):
    """Who a source is to the robot."""

    OWN = "own"  # its own sensors
    KNOWN = "known"  # people and agents that somebody introduced
    UNKNOWN = "unknown"
    UNTRUSTED = "untrusted"  # the web, what models write: it never earns standing


class Ruling(StrEnum):
    """What becomes of a claim."""

    ADMIT = "admit"
    HOLD = "hold"  # nothing speaks against it, and too little for it
    FLAG = "flag"  # something speaks against it


class Ground(StrEnum):
    """Why a claim was admitted, held or flagged."""

    OWN = "own"
    TRUSTED = "trusted"
    EARNED = "earned"
    OWN_TASTE = "own_taste"  # of what they like and cannot bear everybody knows best
    PERCEIVED = "perceived"
    CORROBORATED = "corroborated"
    RELEASED = "released"
    REJECTED = "rejected"
    UNCORROBORATED = "uncorroborated"
    INJECTION = "injection"
    HAZARD = "hazard"
    PROCEDURE = "procedure"
    BACK_DATED = "back_dated"  # told as of long ago, by a stranger
    FLOOD = "flood"
    ALIAS_TAKEN = "alias_taken"
    NEAR_COPY = "near_copy"
    AGAINST_PERCEPTION = "against_perception"
    AGAINST_CONSENSUS = "against_consensus"


@dataclass(frozen=True, slots=True)
class Statement:
    """What a claim says, in parts: ("mug", "at", "kitchen"). The guard folds the words itself.

    Attributes:
        subject: Of what.
        relation: "at" for every place, "is" for a state, "called" for a name, or any other.
        value: Where, how, what. Empty in "at": anywhere.
        is_negated: It is not so.
        is_change: It says that it was made so just now: "I moved ...".
        is_functional: Of two values only one can be true at a time.
    """

    subject: str
    relation: str
    value: str
    is_negated: bool = False
    is_change: bool = False
    is_functional: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Something to remember, as somebody says it.

    Attributes:
        kind: What it would become.
        source: Who says it.
        stamp_ns: When it was said.
        text: In words.
        about_ns: For when it is said to hold, by default for when it was said.
        statement: Its parts, where they are known; otherwise they are read from the text.

    Raises:
        DataError: There is no source.
        StampError: A stamp is negative.
    """

    kind: ClaimKind
    source: str
    stamp_ns: int
    text: str
    about_ns: int | None = None
    statement: Statement | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "source", checked_text(self.source, "the source of a claim"))
        object.__setattr__(self, "kind", ClaimKind(self.kind))
        object.__setattr__(self, "stamp_ns", checked_stamp(self.stamp_ns))
        if self.about_ns is not None:
            object.__setattr__(self, "about_ns", checked_stamp(self.about_ns))


@dataclass(frozen=True, slots=True)
class Verdict:
    """A ruling, why, and the memories that it rests on, as "entity:3" or "event:7". Truthy: admitted."""

    ruling: Ruling
    ground: Ground
    evidence: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.ruling is Ruling.ADMIT


Admit = Callable[[Claim, int], Verdict]  # judges what is remembered under a number


def take(claim: Claim, item_id: int) -> Verdict:
    """Admit everything, as a part of a memory without a guard does."""
    del claim, item_id
    return Verdict(Ruling.ADMIT, Ground.OWN)


@dataclass(frozen=True, slots=True)
class Held:
    """A memory in quarantine: what it is, who said it, and why it is kept back."""

    kind: ClaimKind
    item_id: int
    source: str
    stamp_ns: int
    text: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Trust:
    """How far a source is believed: Beta(a, b) over "what it says is true".

    Attributes:
        source: Its name.
        level: Who it is.
        a: Evidence that it is right, with the prior.
        b: Evidence that it is wrong.
        has_standing: Whether it is believed unheard, and counts as a voice for others.
    """

    source: str
    level: Level
    a: float
    b: float
    has_standing: bool

    @property
    def expected(self) -> float:
        """The mean of the distribution, in [0, 1]."""
        return self.a / (self.a + self.b)


@dataclass(frozen=True, slots=True)
class Lesson:
    """What went wrong once, to be read before the same is tried again.

    Attributes:
        lesson_id: Its number.
        situation: What was tried or believed.
        went_wrong: What came of it.
        source: Who learnt it.
        stamp_ns: When.
        score: How well it fits what was asked, in [0, 1].
    """

    lesson_id: int
    situation: str
    went_wrong: str
    source: str
    stamp_ns: int
    score: float = 1.0

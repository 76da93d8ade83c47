"""The rows of the guard: what was claimed and what became of it, who is trusted, what went wrong."""

from dataclasses import dataclass

from robomem.claims import ClaimKind, Ground, Level, Ruling

GUARD_SCHEMA = (
    """CREATE INDEX IF NOT EXISTS claim_newest ON claim (topic, (ruling = 'admit'), stamp_ns DESC)
    WHERE ground != 'flood'""",
    "CREATE INDEX IF NOT EXISTS claim_by_source ON claim (source, stamp_ns)",
    "CREATE INDEX IF NOT EXISTS claim_held ON claim (kind, item_id) WHERE ruling != 'admit'",
    "CREATE INDEX IF NOT EXISTS claim_open ON claim (stamp_ns) WHERE is_open",
)


@dataclass(frozen=True, slots=True)
class ClaimRow:
    """A claim and what became of it. Words are folded, but for `text`.

    Attributes:
        kind: With `item_id` the memory that it is.
        heard_ns: The newest stamp of the memory when it came in, or its own.
        topic: The last word of the subject, by which claims about one thing are found; without a subject the longest
            word of the text.
        evidence: References to memories, "entity:3 event:7"; no words, so that forgetting need not look here.
        is_open: Whether what the robot perceives may still confirm or refute it.
        is_settled: Whether a person has ruled; nothing else changes it then.
    """

    kind: ClaimKind
    item_id: int
    source: str
    stamp_ns: int
    about_ns: int
    heard_ns: int
    text: str
    topic: str
    subject: str
    relation: str
    value: str
    is_negated: bool
    is_change: bool
    is_functional: bool
    ruling: Ruling
    ground: Ground
    evidence: str
    is_open: bool
    is_settled: bool


@dataclass(frozen=True, slots=True)
class TrustRow:
    """What is known of a source; `right` and `wrong` are evidence beyond the prior, as of `stamp_ns`."""

    source: str
    level: Level
    right: float
    wrong: float
    stamp_ns: int
    credited_ns: int | None


@dataclass(frozen=True, slots=True)
class LessonRow:
    """A lesson; `kind` and `item_id` name the memory that taught it, with which it is forgotten."""

    lesson_id: int
    situation: str
    went_wrong: str
    source: str
    stamp_ns: int
    kind: ClaimKind | None
    item_id: int | None
    is_held: bool

"""The rows of the facts: what was told of whom, how names hang together, and what follows from it.

Stamps that are open are `FOREVER_NS`, so that one comparison decides.
"""

from dataclasses import dataclass

FOREVER_NS = 2**63 - 1
FACT_INDICES = (
    "CREATE INDEX IF NOT EXISTS fact_by_subject ON fact (subject_id, relation)",
    "CREATE INDEX IF NOT EXISTS fact_by_object ON fact (object_id)",
    "CREATE INDEX IF NOT EXISTS fact_by_event ON fact (event_id) WHERE event_id IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS fact_by_relation ON fact (relation)",
    "CREATE INDEX IF NOT EXISTS fact_by_learned ON fact (learned_at_ns)",
    "CREATE INDEX IF NOT EXISTS truth_by_subject ON truth (subject_id, relation, valid_until_ns)",
    "CREATE INDEX IF NOT EXISTS truth_by_object ON truth (object_id, valid_until_ns)",
    "CREATE INDEX IF NOT EXISTS truth_by_relation ON truth (relation, valid_until_ns)",
    "CREATE UNIQUE INDEX IF NOT EXISTS name_by_key ON name (key)",
    "CREATE INDEX IF NOT EXISTS name_by_root ON name (root_id)",
    "CREATE INDEX IF NOT EXISTS name_by_entity ON name (entity_id) WHERE entity_id IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS nameword_by_name ON nameword (name_id)",
    "CREATE INDEX IF NOT EXISTS alias_by_name ON alias (name_id)",
    "CREATE INDEX IF NOT EXISTS alias_by_other ON alias (other_id)",
    "CREATE INDEX IF NOT EXISTS alias_by_event ON alias (event_id) WHERE event_id IS NOT NULL",
)


@dataclass(frozen=True, slots=True)
class FactRow:
    """One telling: that something is so, or is not, from a time on, as somebody said once.

    Attributes:
        subject_id: The name that was said; see `NameRow`.
        object_id: Likewise.
        is_denied: Told to be not so.
        valid_from_ns: Since when it is so,
        valid_until_ns: and until when, as it was told; open where nothing was said.
        learned_at_ns: When it was told.
        retired_at_ns: When it turned out that it should not have been believed.
        event_id: The event that it was told by.
        is_held: Whether the guard holds it, so that nothing follows from it.
    """

    fact_id: int
    subject_id: int
    relation: str
    object_id: int
    is_denied: bool
    valid_from_ns: int
    valid_until_ns: int
    learned_at_ns: int
    retired_at_ns: int
    source: str
    confidence: float
    event_id: int | None
    is_held: bool = False


@dataclass(frozen=True, slots=True)
class TruthRow:
    """What follows from all tellings believed in now: a stretch of time in which something holds.

    It is made anew from the tellings, and is no content of its own. Names are given by their roots.

    Attributes:
        fact_id: The telling that it begins with.
        fact_ids: That one and those that confirm it, int64.
    """

    fact_id: int
    valid_from_ns: int
    subject_id: int
    relation: str
    object_id: int
    is_denied: bool
    valid_until_ns: int
    fact_ids: bytes


@dataclass(frozen=True, slots=True)
class NameRow:
    """A name: of a thing, a place, a person, a value; or a reference to an entity.

    Attributes:
        key: The words that count, or the reference: one name each.
        name: As it was first said.
        entity_id: Where it is a reference.
        root_id: The least id of the names that mean the same now.
    """

    name_id: int
    key: str
    name: str
    entity_id: int | None
    root_id: int


@dataclass(frozen=True, slots=True)
class NameWordRow:
    """A word of a name, by which it is found."""

    word: str
    name_id: int


@dataclass(frozen=True, slots=True)
class AliasRow:
    """That two names mean the same, as somebody said once; until it is retired."""

    alias_id: int
    name_id: int
    other_id: int
    learned_at_ns: int
    retired_at_ns: int
    source: str
    event_id: int | None
    is_held: bool = False


@dataclass(frozen=True, slots=True)
class RelationRow:
    """How a relation is written: as `relation`, with subject and object swapped where it is the inverse."""

    name: str
    relation: str
    is_swapped: bool
    is_functional: bool

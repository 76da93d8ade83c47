"""How relations are written, and which have one object at a time.

"owns" is "belongs to" the other way round, "is inside" is "is in": every relation is kept in one form.
What was not declared has any number of objects, and no inverse; but there is one favourite of a kind.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from robomem.checks import is_unicode
from robomem.errors import DataError
from robomem.sentences.forms import HAS_COLOUR, IS_A
from robomem.store.fact_rows import RelationRow
from robomem.store.records import Records

HAS_FAVOURITE = "has favourite "  # of each kind of thing one
MAX_LENGTH = 80


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation in its one form, and how else it is said; the inverses say it the other way round."""

    name: str
    is_functional: bool = False
    inverses: tuple[str, ...] = ()
    also: tuple[str, ...] = ()


DEFAULTS = (
    Relation("is in", True, ("contains", "has in it"), ("is inside", "is located in", "is within")),
    Relation("is on", True, ("has on it",), ("is on top of",)),
    Relation("is under", True, ("has under it",), ("is below", "is underneath")),
    Relation("is at", True),
    Relation("is kept in", True, ("keeps",), ("goes in", "goes into")),
    Relation("belongs to", True, ("owns",), ("is owned by",)),
    Relation(HAS_COLOUR, True, (), ("has color", "colour", "color")),
    Relation("lives in", True, ("is home of",)),
    Relation("works at", True, ("employs",), ("works in", "works for")),
    Relation(IS_A, False, (), ("is an",)),
    Relation("has birthday", True),
    Relation("has address", True),
    Relation("has phone number", True),
    Relation("has age", True),
    Relation("has job", True),
    Relation("likes", False, ("is liked by",), ("loves",)),
)


PLACES = ("is in", "is on", "is under", "is at", "is kept in")


class Relations:
    """The relations of one memory: the defaults, and what was declared."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def find(self, name: str) -> RelationRow:
        """Return how a relation is written; raises DataError where the name is none."""
        name = _tidy(name)
        return (
            self._records.relations.get(name)
            or _DEFAULT_ROWS.get(name)
            or RelationRow(
                name, name, is_swapped=False, is_functional=name.startswith(HAS_FAVOURITE)
            )
        )

    def declare(
        self, name: str, *, is_functional: bool, inverse: str | None, also: Iterable[str]
    ) -> list[RelationRow]:
        """Write down how a relation is to be kept; returns a row for each way to say it."""
        relation = self.find(name)
        if relation.name != relation.relation:
            raise DataError(f"{name!r} is kept as {relation.relation!r}: declare that one")
        known = [row for row in _DEFAULT_ROWS.values() if row.relation == relation.name]
        stored = self._records.relations.select("relation = ?", relation.name)
        swapped = {row.name: row.is_swapped for row in (*known, *stored)}
        swapped |= {_tidy(other): False for other in also} | {relation.name: False}
        if inverse is not None:
            swapped[_tidy(inverse)] = True
        if swapped[relation.name]:
            raise DataError(f"{name!r} cannot be its own inverse")
        rows = [
            RelationRow(said, relation.name, is_swapped, is_functional)
            for said, is_swapped in swapped.items()
        ]
        for row in rows:
            self._records.relations.save(row)
        return rows


@lru_cache(maxsize=1024)
def _tidy(name: str) -> str:
    """Return a relation's name as it is compared: "Is_In " is "is in"."""
    tidy = " ".join(re.sub(r"[_\s]+", " ", name).casefold().split())
    tidy = re.sub(r"^are\b", "is", tidy)
    if not tidy or len(tidy) > MAX_LENGTH or not is_unicode(tidy):
        raise DataError(
            f"a relation has a name of 1 to {MAX_LENGTH} Unicode characters, got {name!r:.100}"
        )
    return tidy


_DEFAULT_ROWS = {
    said: RelationRow(said, relation.name, is_swapped, relation.is_functional)
    for relation in DEFAULTS
    for is_swapped, names in (
        (False, (relation.name, *relation.also)),
        (True, relation.inverses),
    )
    for said in names
}

"""Names and what they mean: words that fold to one key are one name, and aliases make several names one.

An alias is itself something told, with its time and source, so it can be undone and asked for as of a time.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from robomem.checks import is_unicode
from robomem.errors import DataError
from robomem.labels import fold
from robomem.store.fact_rows import FOREVER_NS, AliasRow, NameRow, NameWordRow
from robomem.store.records import Records

MAX_LENGTH = 200
MAX_WORDS = 6  # of a name that is found in a text
MAX_SOUGHT = 100  # words of a text
_REFERENCE = re.compile(r"entity:(\d{1,18})")
CHUNK = 500  # parameters of one statement


def reference(entity_id: int) -> str:
    """Return the name that an entity has as subject or object of a fact."""
    return f"entity:{entity_id}"


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one memory."""

    records: Records

    def find(self, name: str) -> NameRow | None:
        """Return the row of a name; raises DataError where it is none."""
        rows = self.records.names.select("key = ?", self._key(name))
        return rows[0] if rows else None

    def of(self, name: str) -> list[NameRow]:
        """Return the row of a name; of an entity, those of the ones that turned out to be it, too."""
        entity_id = _entity_of(self._key(name))
        if entity_id is None:
            row = self.find(name)
            return [] if row is None else [row]
        absorbed = self.records.tombstones.values(("entity_id",), "into_id = ?", entity_id)
        ids = [entity_id, *(i for (i,) in absorbed)]
        return self.records.names.select(f"entity_id IN ({marks(ids)})", *ids)

    def is_name(self, text: str) -> bool:
        """Tell whether a text can be a name: not too long, and with a word in it that counts."""
        return len(text) <= MAX_LENGTH and bool(self._folded(text)) and is_unicode(text)

    def make(self, name: str) -> NameRow:
        """Return the row of a name, a new one where it was never said."""
        found = self.find(name)
        if found is not None:
            return found
        key = self._key(name)
        entity_id = _entity_of(key)
        tidy = " ".join(name.split()) if entity_id is None else key
        name_id = self.records.next_id("name")
        row = NameRow(name_id, key, tidy, entity_id, name_id)
        self.records.names.save(row)
        for word in () if entity_id is not None else dict.fromkeys(key.split()):
            self.records.name_words.save(NameWordRow(word, name_id))
        return row

    def rows(self, name_ids: Iterable[int]) -> dict[int, NameRow]:
        """Return rows by id."""
        ids, found = list(dict.fromkeys(name_ids)), {}
        for start in range(0, len(ids), CHUNK):
            chunk = ids[start : start + CHUNK]
            for row in self.records.names.select(f"name_id IN ({marks(chunk)})", *chunk):
                found[row.name_id] = row
        return found

    def members(self, root_id: int) -> list[NameRow]:
        """Return the names that mean the same as a root now."""
        return self.records.names.select("root_id = ?", root_id)

    def meaning(self, name_id: int, known_at_ns: int) -> list[int]:
        """Return the ids of the names that meant the same, by what was known at a time, the least first."""
        seen, edge = {name_id}, [name_id]
        while edge:
            here = edge.pop()
            for alias in self.records.aliases.select(
                "(name_id = ? OR other_id = ?) AND learned_at_ns <= ? AND retired_at_ns > ? "
                "AND NOT is_held",
                here,
                here,
                known_at_ns,
                known_at_ns,
            ):
                new = {alias.name_id, alias.other_id} - seen
                seen |= new
                edge += new
        return sorted(seen)

    def aliases(self, one: NameRow, other: NameRow) -> list[AliasRow]:
        """Return the tellings believed in now that two names mean the same."""
        ids = one.name_id, other.name_id
        return self.records.aliases.select(
            "name_id IN (?, ?) AND other_id IN (?, ?) AND retired_at_ns = ?", *ids, *ids, FOREVER_NS
        )

    def unite(self, name_ids: Iterable[int]) -> None:
        """Give names the root that their aliases lead to now, and all that hang together with them."""
        for name_id in name_ids:
            ids = self.meaning(name_id, FOREVER_NS - 1)
            for row in self.rows(ids).values():
                if row.root_id != ids[0]:
                    self.records.names.save(replace(row, root_id=ids[0]))

    def mentioned(self, text: str) -> list[NameRow]:
        """Return the names in a text, the longest first where they overlap; else those that share a word."""
        words, found, start = list(fold(text))[:MAX_SOUGHT], [], 0
        while start < len(words):
            for end in range(min(len(words), start + MAX_WORDS), start, -1):
                rows = self.records.names.select("key = ?", " ".join(words[start:end]))
                if rows:
                    found += rows
                    start = end - 1
                    break
            start += 1
        return found or self._sharing(words)

    def _sharing(self, words: list[str]) -> list[NameRow]:
        if not words:
            return []
        words = list(dict.fromkeys(words))
        found = self.records.name_words.values(("name_id",), f"word IN ({marks(words)})", *words)
        return list(self.rows(name_id for (name_id,) in found).values())

    def _key(self, name: str) -> str:
        if len(name) > MAX_LENGTH:
            raise DataError(f"a name has at most {MAX_LENGTH} characters, got {len(name)}")
        key = self._folded(name)
        if not key or not is_unicode(name):
            raise DataError(f"a name has a word in it, got {name!r}")
        return key

    def _folded(self, name: str) -> str:
        entity_id = _entity_of(name.strip())
        if entity_id is None:  # "A" may be the name of a box
            return " ".join(fold(name) or re.findall(r"[^\W_]+", name.casefold()))
        return reference(self.records.entity_now(entity_id))


def _entity_of(key: str) -> int | None:
    match = _REFERENCE.fullmatch(key)
    return int(match[1]) if match else None


def marks(values: Sequence[object]) -> str:
    """Return a question mark for each value of an SQL statement."""
    return ", ".join("?" * len(values))

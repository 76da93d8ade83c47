"""What holds by all that was told: made of the tellings, kept as an index for what is known now, made anew for the past."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from robomem.semantic.facts.names import Names, marks
from robomem.semantic.facts.relations import Relations
from robomem.semantic.facts.timeline import Telling, stretches
from robomem.store.fact_rows import FOREVER_NS, FactRow, TruthRow
from robomem.store.records import Records

NOW_NS = FOREVER_NS - 1  # "known at": by all that was learned
REVISION = "truths"  # a counter: another one after every change


@dataclass(frozen=True, slots=True)
class Group:
    """Tellings that can contradict each other: all of a functional relation, of another one those of one object."""

    subject_id: int
    relation: str
    object_id: int | None


@dataclass(frozen=True, slots=True)
class Pattern:
    """What is asked for: one of the names of these ids, each; None is anything."""

    subject_ids: tuple[int, ...] | None = None
    relation: str | None = None
    object_ids: tuple[int, ...] | None = None

    def where(self, ids_of: Callable[[int], Sequence[int]]) -> tuple[str, list[object]]:
        """Return the condition on a table of facts; `ids_of` returns the ids that stand for a name there."""
        parts = ["1"]
        values: list[object] = []
        for column, name_ids in (("subject_id", self.subject_ids), ("object_id", self.object_ids)):
            if name_ids is not None:
                ids = [i for name_id in name_ids for i in ids_of(name_id)]
                parts.append(f"{column} IN ({marks(ids)})")
                values += ids
        if self.relation is not None:
            parts.append("relation = ?")
            values.append(self.relation)
        return " AND ".join(parts), values


@dataclass(frozen=True, slots=True)
class Truths:
    """Derives what holds, inside the caller's transaction."""

    records: Records
    names: Names
    relations: Relations

    def settle(self, groups: Iterable[Group]) -> None:
        """Make what holds in these groups anew."""
        is_changed = False
        for group in dict.fromkeys(groups):
            where, values = _of_group(group)
            old = {_key(row): row for row in self.records.truths.select(where, *values)}
            new = {_key(row): row for row in self.derive(group)}
            for key in old.keys() - new.keys():
                self.records.truths.delete("fact_id = ? AND valid_from_ns = ?", *key)
            changed = [row for key, row in new.items() if old.get(key) != row]
            for row in changed:
                self.records.truths.save(row)
            is_changed |= bool(changed) or len(old) != len(new)
        if is_changed:
            self.records.next_id(REVISION)

    def refresh(self, rows: Iterable[FactRow]) -> None:
        """Make anew what follows from tellings that changed."""
        self.settle(self.groups(rows))

    def rename(self, name_ids: Iterable[int]) -> None:
        """Follow aliases of names that changed: what they mean now, and all that was told of them."""
        old = list({row.root_id for row in self.names.rows(name_ids).values()})
        ids = [row.name_id for root_id in old for row in self.names.members(root_id)]
        self.names.unite(ids)
        self.drop(f"subject_id IN ({marks(old)}) OR object_id IN ({marks(old)})", *old, *old)
        told = self.records.facts.select(
            f"subject_id IN ({marks(ids)}) OR object_id IN ({marks(ids)})", *ids, *ids
        )
        self.refresh(told)

    def drop(self, where: str, *values: object) -> None:
        """Drop what held, before it is made anew in another form."""
        self.records.truths.delete(where, *values)
        self.records.next_id(REVISION)

    def groups(self, rows: Iterable[FactRow], *, known_at_ns: int = NOW_NS) -> list[Group]:
        """Return the groups of tellings, each once."""
        rows = list(rows)
        roots = self._roots(
            {i for row in rows for i in (row.subject_id, row.object_id)}, known_at_ns
        )
        return list(
            dict.fromkeys(
                self._group(roots[row.subject_id], row.relation, roots[row.object_id])
                for row in rows
                if {row.subject_id, row.object_id} <= roots.keys()
            )
        )

    def derive(self, group: Group, *, known_at_ns: int = NOW_NS) -> list[TruthRow]:
        """Return what held in a group by what was known at a time, by its beginning."""
        told = self._told(group, known_at_ns)
        roots = self._roots({object_id for _, object_id, *_ in told}, known_at_ns)
        found = stretches(
            (
                Telling(fact_id, roots[object_id], bool(is_denied), *times)
                for fact_id, object_id, is_denied, *times in told
            ),
            is_functional=group.object_id is None,
        )
        return [
            TruthRow(
                fact_id=s.fact_ids[0],
                valid_from_ns=s.from_ns,
                subject_id=group.subject_id,
                relation=group.relation,
                object_id=s.object_id,
                is_denied=s.is_denied,
                valid_until_ns=s.until_ns,
                fact_ids=np.array(s.fact_ids, dtype="<i8").tobytes(),
            )
            for s in found
        ]

    def now(self, pattern: Pattern, *, as_of_ns: int, limit: int) -> list[TruthRow]:
        """Return what holds at an instant by all that is known, in the order of `openness`."""
        where, values = pattern.where(lambda name_id: [self.root(name_id)])
        return self.records.truths.first(
            f"{where} AND valid_until_ns > ? AND valid_from_ns <= ?",
            *values,
            as_of_ns,
            as_of_ns,
            order="valid_until_ns DESC, valid_from_ns DESC, fact_id",
            limit=limit,
        )

    def ever(self, pattern: Pattern, *, known_at_ns: int | None) -> list[TruthRow]:
        """Return what held at any time, by what was known at a time, in order of time."""
        if known_at_ns is None:
            where, values = pattern.where(lambda name_id: [self.root(name_id)])
            rows = self.records.truths.select(where, *values)
        else:
            rows = self._then(pattern, known_at_ns)
        return sorted(rows, key=lambda row: (row.valid_from_ns, row.fact_id))

    def root(self, name_id: int) -> int:
        """Return the id that stands for all names that mean the same now."""
        return self.names.rows([name_id])[name_id].root_id

    def _then(self, pattern: Pattern, known_at_ns: int) -> list[TruthRow]:
        where, values = pattern.where(lambda name_id: self.names.meaning(name_id, known_at_ns))
        told = self.records.facts.select(
            f"{where} AND learned_at_ns <= ? AND NOT is_held", *values, known_at_ns
        )
        groups = self.groups(told, known_at_ns=known_at_ns)
        rows = [row for group in groups for row in self.derive(group, known_at_ns=known_at_ns)]
        if pattern.object_ids is None:
            return rows
        object_ids = {self.names.meaning(i, known_at_ns)[0] for i in pattern.object_ids}
        return [row for row in rows if row.object_id in object_ids]

    def _told(self, group: Group, known_at_ns: int) -> list[tuple[int, ...]]:
        """Return the columns that a `Telling` has, of those in a group that were believed at a time."""
        subjects = self._members(group.subject_id, known_at_ns)
        where, values = f"subject_id IN ({marks(subjects)}) AND relation = ?", [*subjects]
        objects: list[int] = []
        if group.object_id is not None:
            objects = self._members(group.object_id, known_at_ns)
            where += f" AND object_id IN ({marks(objects)})"
        return self.records.facts.values(
            (
                "fact_id",
                "object_id",
                "is_denied",
                "valid_from_ns",
                "valid_until_ns",
                "learned_at_ns",
            ),
            f"{where} AND learned_at_ns <= ? AND retired_at_ns > ? AND NOT is_held",
            *values,
            group.relation,
            *objects,
            known_at_ns,
            known_at_ns,
        )

    def _group(self, subject_id: int, relation: str, object_id: int) -> Group:
        is_functional = self.relations.find(relation).is_functional
        return Group(subject_id, relation, None if is_functional else object_id)

    def _members(self, root_id: int, known_at_ns: int) -> list[int]:
        if known_at_ns == NOW_NS:
            return [row.name_id for row in self.names.members(root_id)]
        return self.names.meaning(root_id, known_at_ns)

    def _roots(self, name_ids: set[int], known_at_ns: int) -> dict[int, int]:
        if known_at_ns == NOW_NS:
            return {i: row.root_id for i, row in self.names.rows(name_ids).items()}
        return {i: self.names.meaning(i, known_at_ns)[0] for i in name_ids}


def openness(row: TruthRow) -> tuple[int, int, int]:
    """Order what goes on before what ends, and then what began last first."""
    return -row.valid_until_ns, -row.valid_from_ns, row.fact_id


def _key(row: TruthRow) -> tuple[int, int]:
    return row.fact_id, row.valid_from_ns


def _of_group(group: Group) -> tuple[str, list[object]]:
    where, values = "subject_id = ? AND relation = ?", [group.subject_id, group.relation]
    if group.object_id is None:
        return where, values
    return f"{where} AND object_id = ?", [*values, group.object_id]

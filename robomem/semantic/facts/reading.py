"""Rows to facts: what holds, with the names, sources and events of the tellings that say so."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from robomem.semantic.facts.fact import Fact
from robomem.semantic.facts.names import CHUNK, Names, marks
from robomem.store.fact_rows import FOREVER_NS, FactRow, NameRow, TruthRow
from robomem.store.records import Records


@dataclass(frozen=True, slots=True)
class Reader:
    """Makes the facts of one memory."""

    records: Records
    names: Names

    def holding(self, rows: Sequence[TruthRow]) -> list[Fact]:
        """Return what holds, each with its tellings."""
        groups = [np.frombuffer(row.fact_ids, "<i8").tolist() for row in rows]
        told = {row.fact_id: row for row in self._rows(i for group in groups for i in group)}
        names = self._names_in(told.values())
        return [
            fact_of([told[i] for i in group], names, row.valid_from_ns, row.valid_until_ns)
            for row, group in zip(rows, groups, strict=True)
        ]

    def told(self, rows: Sequence[FactRow]) -> list[Fact]:
        """Return tellings, each for itself."""
        names = self._names_in(rows)
        return [fact_of([row], names, row.valid_from_ns, row.valid_until_ns) for row in rows]

    def _rows(self, fact_ids: Iterable[int]) -> list[FactRow]:
        ids = list(dict.fromkeys(fact_ids))
        chunks = [ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK)]
        return [
            row
            for chunk in chunks
            for row in self.records.facts.select(f"fact_id IN ({marks(chunk)})", *chunk)
        ]

    def _names_in(self, rows: Iterable[FactRow]) -> dict[int, NameRow]:
        return self.names.rows(i for row in rows for i in (row.subject_id, row.object_id))


def fact_of(
    told: Sequence[FactRow], names: Mapping[int, NameRow], from_ns: int, until_ns: int
) -> Fact:
    """Return what tellings that say the same make known, over the time that it holds."""
    first = told[0]
    subject, object_ = names[first.subject_id], names[first.object_id]
    retired_ns = max(row.retired_at_ns for row in told)
    events = dict.fromkeys(row.event_id for row in told if row.event_id is not None)
    entities = (row.entity_id for row in (subject, object_) if row.entity_id is not None)
    return Fact(
        fact_id=first.fact_id,
        subject=subject.name,
        relation=first.relation,
        object=object_.name,
        is_denied=first.is_denied,
        valid_from_ns=from_ns,
        valid_until_ns=_open(until_ns),
        learned_at_ns=min(row.learned_at_ns for row in told),
        retired_at_ns=_open(retired_ns),
        sources=tuple(dict.fromkeys(row.source for row in told)),
        confidence=_confidence(told),
        fact_ids=tuple(row.fact_id for row in told),
        event_ids=tuple(events),
        entity_ids=tuple(dict.fromkeys(entities)),
    )


def _confidence(told: Sequence[FactRow]) -> float:
    """Return the probability that one of the sources is right: of each the best, and they err independently."""
    best: dict[str, float] = {}
    for row in told:
        best[row.source] = max(best.get(row.source, 0.0), row.confidence)
    return 1.0 - prod(1.0 - confidence for confidence in best.values())


def _open(stamp_ns: int) -> int | None:
    return None if stamp_ns == FOREVER_NS else stamp_ns

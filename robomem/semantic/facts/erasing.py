"""Facts that are to be forgotten: the tellings, the aliases, and names that nothing else was told of."""

from collections.abc import Iterable
from typing import TypeVar

from robomem.claims import ClaimKind
from robomem.semantic.facts.names import CHUNK, marks
from robomem.semantic.facts.truths import Truths
from robomem.store.records import Records
from robomem.store.table import Table

Row = TypeVar("Row")


def erase(truths: Truths, *, entity_ids: Iterable[int], event_ids: Iterable[int]) -> None:
    """Delete what was told of things, under every name they have, and what was told by events."""
    records, events = truths.records, list(event_ids)
    entities = set(entity_ids)
    entities |= {t.entity_id for t in _having(records.tombstones, "into_id", entities)}
    things = {row.root_id for row in _having(records.names, "entity_id", entities)}
    own = [row.name_id for row in _having(records.names, "root_id", things)]
    by_fact = (("event_id", events), ("subject_id", own), ("object_id", own))
    told = {r.fact_id: r for column, ids in by_fact for r in _having(records.facts, column, ids)}
    by_alias = (("event_id", events), ("name_id", own), ("other_id", own))
    said = {
        r.alias_id: r for column, ids in by_alias for r in _having(records.aliases, column, ids)
    }

    groups = truths.groups(told.values())
    for fact_id in told:
        records.facts.delete("fact_id = ?", fact_id)
    truths.settle(groups)
    records.drop_claims(ClaimKind.FACT, told)
    records.drop_claims(ClaimKind.ALIAS, said)
    linked = {i for row in said.values() for i in (row.name_id, row.other_id)}
    if linked:
        for alias_id in said:
            records.aliases.delete("alias_id = ?", alias_id)
        truths.rename(linked)
    _drop_unused(
        records, {*own, *linked, *(i for r in told.values() for i in (r.subject_id, r.object_id))}
    )


def _drop_unused(records: Records, name_ids: Iterable[int]) -> None:
    for name_id in name_ids:
        is_used = records.facts.count(
            "subject_id = ? OR object_id = ?", name_id, name_id
        ) or records.aliases.count("name_id = ? OR other_id = ?", name_id, name_id)
        if not is_used:
            records.names.delete("name_id = ?", name_id)
            records.name_words.delete("name_id = ?", name_id)


def _having(table: Table[Row], column: str, values: Iterable[int]) -> list[Row]:
    """Return the rows with one of the values in a column."""
    ids = list(values)
    chunks = [ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK)]
    return [
        row for chunk in chunks for row in table.select(f"{column} IN ({marks(chunk)})", *chunk)
    ]

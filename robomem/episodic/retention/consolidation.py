"""Merging of neighbours in the records of one memory, a few events at a time."""

from dataclasses import replace

from robomem.claims import ClaimKind
from robomem.config import RetentionConfig
from robomem.episodic.retention.learning import Learning
from robomem.episodic.retention.merging import Merge, Saying, merges
from robomem.store.records import Records
from robomem.store.rows import EventRow


def merge_some(
    records: Records, learning: Learning, config: RetentionConfig, *, limit: int
) -> tuple[int, list[Merge]]:
    """Look at the next events, and merge those that say what one before them said; in a transaction.

    Returns:
        How many were looked at, and which went into which.
    """
    gap_ns, after_id = int(config.merge_gap_s * 1e9), learning.row.consolidated_id
    rows = records.events.first("event_id > ?", after_id, order="event_id", limit=limit)
    if not rows:
        return 0, []
    since_ns = min(row.stamp_ns for row in rows) - gap_ns
    near = records.events.select("event_id <= ? AND until_ns >= ?", after_id, since_ns)
    found = merges(
        _sayings(records, learning, [*near, *rows]),
        after_id=after_id,
        gap_ns=gap_ns,
        min_similarity=config.merge_similarity,
    )
    _carry_out(records, learning, found)
    learning.merged(len(found), consolidated_id=rows[-1].event_id)
    return len(rows), found


def _sayings(records: Records, learning: Learning, rows: list[EventRow]) -> list[Saying]:
    ids = [row.event_id for row in rows]
    traces = {trace.event_id: trace for trace in learning.traces.of(ids)}
    embeddings = learning.traces.embeddings_of(ids)
    return [
        Saying(
            event_id=row.event_id,
            kind=row.kind,
            stamp_ns=row.stamp_ns,
            until_ns=row.until_ns,
            about=(row.source, row.entity_id, row.label, traces[row.event_id].place),
            text=row.text,
            embedding=embeddings.get(row.event_id),
            is_separate=traces[row.event_id].is_pinned
            or records.claims.get(ClaimKind.EVENT, row.event_id) is not None,
        )
        for row in rows
    ]


def _carry_out(records: Records, learning: Learning, found: list[Merge]) -> None:
    """Let every event stand for those that went into it: its span, its weight, and as if recalled."""
    for merge in found:
        event = records.events.get(merge.into_id)
        into, gone = learning.traces.of([merge.into_id, merge.event_id])
        assert event is not None, "it says the same as another one"
        records.events.save(replace(event, stamp_ns=merge.stamp_ns, until_ns=merge.until_ns))
        stronger = learning.traces.strengthened(into, stamp_ns=gone.last_ns)
        records.traces.save(
            replace(
                stronger,
                recalls=stronger.recalls + gone.recalls,
                weight=stronger.weight + gone.weight,
            )
        )
    learning.traces.drop(merge.event_id for merge in found)

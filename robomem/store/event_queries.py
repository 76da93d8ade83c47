"""What is asked of the events in SQL: their neighbours and labels, and which of them changed."""

from typing import Literal

from robomem.store.records import Records


def events_beside(
    records: Records, event_id: int, *, is_after: bool, gap_ns: int, limit: int
) -> list[int]:
    """Return what the source of an event logged next after it, or last before it, the nearest first."""
    side, order, reach_ns = (">", "ASC", gap_ns) if is_after else ("<", "DESC", -gap_ns)
    sql = f"""SELECT other.event_id FROM event AS this JOIN event AS other ON other.source = this.source
        WHERE this.event_id = ?1 AND (other.stamp_ns, other.event_id) {side} (this.stamp_ns, ?1)
        AND other.stamp_ns BETWEEN this.stamp_ns + min(0, ?2) AND this.stamp_ns + max(0, ?2)
        ORDER BY other.stamp_ns {order}, other.event_id {order} LIMIT ?3"""  # noqa: S608
    return [other_id for (other_id,) in records.read(sql, event_id, reach_ns, limit)]


def event_labels(records: Records) -> list[str]:
    """Return the labels that events have, sorted."""
    # SQLite's DISTINCT would read the whole index; this steps from one label to the next.
    sql = """WITH RECURSIVE next (label) AS (SELECT min(label) FROM event WHERE label > '' UNION ALL
        SELECT (SELECT min(label) FROM event WHERE label > next.label) FROM next
        WHERE next.label IS NOT NULL) SELECT label FROM next WHERE label IS NOT NULL"""
    return [label for (label,) in records.read(sql)]


def changed(records: Records, of: Literal["event", "keyframe"], *, since: int) -> list[int]:
    """Return the ids of what was changed, deleted or moved since the counter `change` was so."""
    sql = f"SELECT {of}_id FROM {of}_change WHERE seq > ?"  # noqa: S608  # one of two words
    return [changed_id for (changed_id,) in records.read(sql, since)]

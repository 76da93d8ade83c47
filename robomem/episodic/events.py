"""Rows of the log to events, at the places where their keyframes are now."""

from collections.abc import Iterable

from robomem.geometry import Pose, transform
from robomem.store.records import Records
from robomem.store.rows import Array, EventRow
from robomem.types import Event, Vector


def events_of(records: Records, rows: Iterable[EventRow]) -> list[Event]:
    """Return the events that rows hold, in their order."""
    poses: dict[int, Pose] = {}
    return [_event(row, records, poses) for row in rows]


def _event(row: EventRow, records: Records, poses: dict[int, Pose]) -> Event:
    return Event(
        event_id=row.event_id,
        kind=row.kind,
        stamp_ns=row.stamp_ns,
        until_ns=row.until_ns,
        text=row.text,
        source=row.source,
        keyframe_id=row.keyframe_id,
        entity_id=row.entity_id,
        label=row.label,
        p_map=_p_map(row.keyframe_id, row.p_kf, records, poses),
        p_from_map=_p_map(row.from_keyframe_id, row.p_from_kf, records, poses),
        room=row.room,
    )


def _p_map(
    keyframe_id: int | None, p_kf: Array | None, records: Records, poses: dict[int, Pose]
) -> Vector | None:
    if keyframe_id is None or p_kf is None:
        return None
    if keyframe_id not in poses:
        keyframe = records.keyframes.get(keyframe_id)
        assert keyframe is not None, f"keyframe {keyframe_id} is referred to and absent"
        poses[keyframe_id] = keyframe.T_map_kf.reshape(4, 4)
    return transform(poses[keyframe_id], p_kf)

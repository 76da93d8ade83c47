"""The events as columns, for what looks at all of them at once: a row an event, in the order of their ids."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robomem.geometry import Points
from robomem.store.records import Records

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class EventColumns:
    """What is known of events, (N,) each; `p_map` is (N, 3) metres, NaN where there is no place."""

    event_id: NDArray[np.int64]
    stamp_ns: NDArray[np.int64]
    until_ns: NDArray[np.int64]
    kind: NDArray[Any]
    source: NDArray[Any]
    label: NDArray[Any]
    room: NDArray[Any]
    chars: NDArray[np.int64]
    p_map: Points

    def __len__(self) -> int:
        return len(self.event_id)

    def rows_of(self, event_ids: NDArray[np.int64]) -> Rows:
        """Return the rows of those events that are here, in order."""
        rows = np.searchsorted(self.event_id, event_ids)
        rows = rows[rows < len(self)]
        return np.unique(rows[np.isin(self.event_id[rows], event_ids)])


def read_columns(records: Records) -> EventColumns:
    """Read all events."""
    poses = {row.keyframe_id: row.T_map_kf.reshape(4, 4) for row in records.keyframes.select()}
    events = records.events.select()
    p_map = np.full((len(events), 3), np.nan)
    for row, event in enumerate(events):
        if event.p_kf is not None and event.keyframe_id in poses:
            T_map_kf = poses[event.keyframe_id]
            p_map[row] = T_map_kf[:3, :3] @ event.p_kf + T_map_kf[:3, 3]
    return EventColumns(
        event_id=np.array([event.event_id for event in events], np.int64),
        stamp_ns=np.array([event.stamp_ns for event in events], np.int64),
        until_ns=np.array([event.until_ns for event in events], np.int64),
        kind=np.array([str(event.kind) for event in events], object),
        source=np.array([event.source for event in events], object),
        label=np.array([event.label for event in events], object),
        room=np.array([event.room for event in events], object),
        chars=np.array([len(event.text) for event in events], np.int64),
        p_map=p_map,
    )

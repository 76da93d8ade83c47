"""The log of happenings: judged one by one, appended all at once, and never changed.

A caption comes later than its image and an outcome later than its action, so happenings have a clock of
their own, and `intake.max_log_regress_s` to be late.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from robomem.config import IntakeConfig
from robomem.errors import Reason
from robomem.geometry import inverse, transform
from robomem.store.embeddings import pack
from robomem.store.records import Records
from robomem.store.rows import EmbeddingRow, EventRow, LogClockRow
from robomem.types import Happening, Keyframe, LogReceipt, Vector

NS_PER_S = 1_000_000_000


class EventLog:
    """Appends happenings to one memory, inside the caller's transaction.

    `anchor` returns the keyframe that a happening hangs on, None where it has no place.
    """

    def __init__(
        self,
        records: Records,
        config: IntakeConfig,
        *,
        anchor: Callable[[Happening], Keyframe | None],
    ) -> None:
        self._records = records
        self._config = config
        self._anchor = anchor

    def append(self, happenings: Iterable[Happening]) -> LogReceipt:
        """Log what is acceptable, and count the rest by reason."""
        accepted: list[Happening] = []
        rejected: dict[int, Reason] = {}
        clocks: dict[str, LogClockRow] = {}
        dim = self._records.counter("embedding_dim") or None
        for index, happening in enumerate(happenings):
            reason = self._judge_content(happening, dim) or self._judge_stamp(happening, clocks)
            if reason is not None:
                rejected[index] = reason
                self._records.reject(happening.source, reason)
                continue
            accepted.append(happening)
            if dim is None and happening.embedding is not None:
                dim = len(happening.embedding)
                self._records.set_counter("embedding_dim", dim)
        self._records.log_clocks.save_all(clocks.values())
        return LogReceipt(self._save(accepted), rejected)

    def _save(self, happenings: Sequence[Happening]) -> tuple[int, ...]:
        if not happenings:
            return ()
        ids = self._records.next_ids("event", len(happenings))
        numbered = list(zip(ids, happenings, strict=True))
        self._records.events.save_all([self._row(i, happening) for i, happening in numbered])
        self._records.embeddings.save_all(
            EmbeddingRow(i, pack(happening.embedding))
            for i, happening in numbered
            if happening.embedding is not None
        )
        return tuple(ids)

    def _row(self, event_id: int, happening: Happening) -> EventRow:
        keyframe = self._anchor(happening)
        p_map = place_of(happening)
        return EventRow(
            event_id=event_id,
            kind=happening.kind,
            stamp_ns=happening.stamp_ns,
            until_ns=happening.stamp_ns if happening.until_ns is None else happening.until_ns,
            text=happening.text,
            source=happening.source,
            keyframe_id=keyframe.keyframe_id if keyframe else None,
            entity_id=None,
            label=happening.label,
            p_kf=None
            if keyframe is None or p_map is None
            else transform(inverse(keyframe.T_map_kf), p_map),
            room=happening.room,
        )

    def _judge_content(self, happening: Happening, dim: int | None) -> Reason | None:
        """Judge all but the stamp, so that nothing moves the clock that is not let in."""
        size = None if happening.embedding is None else len(happening.embedding)
        if size is not None and dim not in (None, size):
            return Reason.EMBEDDING_SIZE
        names = happening.source, happening.label or "", happening.room or "", happening.text
        if max(map(len, names)) > self._config.max_text_chars:
            return Reason.TEXT_LENGTH
        reach_m = self._config.max_coordinate_m
        places = happening.p_map, None if happening.T_map_base is None else place_of(happening)
        if any(p_map is not None and np.abs(p_map).max() > reach_m for p_map in places):
            return Reason.OUT_OF_BOUNDS
        return None

    def _judge_stamp(self, happening: Happening, clocks: dict[str, LogClockRow]) -> Reason | None:
        """Judge as `perception.intake` does: late is late, and a far jump waits for its confirmation."""
        stamp_ns, source = happening.stamp_ns, happening.source
        until_ns = happening.until_ns or stamp_ns
        jump_ns = int(self._config.max_stamp_jump_s * NS_PER_S)
        if until_ns - stamp_ns > jump_ns:
            return Reason.STAMP_JUMP
        clock = clocks.get(source) or self._clock_of(source)
        if clock is not None:
            if clock.last_stamp_ns - stamp_ns > self._config.max_log_regress_s * NS_PER_S:
                return Reason.STAMP_BACKWARDS
            pending_ns = clock.pending_stamp_ns
            is_confirmed = pending_ns is not None and 0 <= stamp_ns - pending_ns <= jump_ns
            if stamp_ns - clock.last_stamp_ns > jump_ns and not is_confirmed:
                clocks[source] = replace(clock, pending_stamp_ns=stamp_ns)
                return Reason.STAMP_JUMP
        clocks[source] = LogClockRow(
            source,
            min(stamp_ns, clock.first_stamp_ns) if clock else stamp_ns,
            max(stamp_ns, clock.last_stamp_ns) if clock else stamp_ns,
            None,
        )
        return None

    def _clock_of(self, source: str) -> LogClockRow | None:
        """Return the clock of a source: at its first happening that of its observations."""
        clock = self._records.log_clocks.get(source)
        seen = self._records.sources.get(source) if clock is None else None
        if seen is None:
            return clock
        return LogClockRow(source, seen.first_stamp_ns, seen.last_stamp_ns, None)


def place_of(happening: Happening) -> Vector | None:
    """Return where it happened, (3,) in map: where it is said to be, or where the robot was."""
    if happening.p_map is not None:
        return happening.p_map
    return None if happening.T_map_base is None else happening.T_map_base[:3, 3]

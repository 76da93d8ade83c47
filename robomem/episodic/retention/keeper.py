"""What is kept of all that happened, and what goes: `memory.retention`.

At the end of every transaction, `settle`:

learn     what was asked for was recalled: it is stronger, and strategies that would no longer have it lose weight
trace     what is new gets a trace: how strong it is, where, what about, how large
make room while a budget is exceeded, what goes first by the strategies' vote goes, and is counted

and while the robot is idle, `consolidate`: neighbours that say the same are merged, and room is made ahead.
"""

import logging
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from robomem.config import RetentionConfig
from robomem.episodic.retention.allocation import Need
from robomem.episodic.retention.allocator import NAMES
from robomem.episodic.retention.consolidation import merge_some
from robomem.episodic.retention.learning import Learning, learning_row
from robomem.episodic.retention.shadows import Want
from robomem.episodic.retention.shelf import Shelf, key_of
from robomem.episodic.retention.strength import NS, retention
from robomem.episodic.retention.traces import Traces, place_at, topic_of
from robomem.errors import ConfigError, QueryError
from robomem.query import Query
from robomem.store.access import Access
from robomem.store.records import Records
from robomem.store.retention_rows import EvictedRow, TraceRow
from robomem.types import Consolidation, EventKind, Hit, RetentionInfo, Strength

logger = logging.getLogger(__name__)
PENDING = 1024  # recalls wait for the next transaction, the newest so many
BATCH = 256  # events are merged in one transaction: nobody waits longer than for that
DAY_NS = 86_400 * 10**9


@dataclass(frozen=True, slots=True)
class _Recall:
    """What was asked for, and found, when `stamp_ns` was the newest stamp."""

    want: Want | None
    event_ids: tuple[int, ...]
    entity_ids: tuple[int, ...]
    stamp_ns: int


class Retention:
    """Keeps the events of one memory within its budgets.

    Args:
        access: To the records.
        config: The budgets, and what goes first.
        let_go: Is told the ids of events that are no longer kept, inside the transaction.
    """

    def __init__(
        self,
        access: Access,
        config: RetentionConfig,
        *,
        let_go: Callable[[Sequence[int]], object],
    ) -> None:
        self._access, self._config, self._let_go = access, config, let_go
        self._recalls: deque[_Recall] = deque(maxlen=PENDING)
        self._learnt: Learning | None = None
        access.before_commit(self.settle)
        access.on_rollback(self.renew)

    # ---- what stays -------------------------------------------------------------------------------

    def pin(self, event_ids: Iterable[int]) -> None:
        """Let events stay whatever happens.

        Raises:
            QueryError: There is no such event.
        """
        with self._access.writing() as records:
            for trace in self._found(event_ids):
                records.traces.save(replace(trace, is_pinned=True))

    def unpin(self, event_ids: Iterable[int]) -> None:
        """Let events go again when their time comes.

        Raises:
            QueryError: There is no such event.
        """
        with self._access.writing() as records:
            for trace in self._found(event_ids):
                records.traces.save(replace(trace, is_pinned=False))

    def pinned(self) -> list[int]:
        """Return the ids of what stays whatever happens, in order."""
        with self._access.reading() as records:
            return [
                event_id
                for (event_id,) in records.traces.values(
                    ("event_id",), "is_pinned ORDER BY event_id"
                )
            ]

    def check_pins(self) -> None:
        """Raise ConfigError where the budgets are too small for what is pinned."""
        sizes = [n for (n,) in self._access.records.traces.values(("size",), "is_pinned")]
        limits = self._config.max_events, self._config.max_bytes
        if len(sizes) > limits[0] or sum(sizes) > limits[1]:
            raise ConfigError(
                f"{len(sizes)} events of {sum(sizes)} bytes are pinned, and the budget is {limits[0]} events "
                f"of {limits[1]} bytes: raise retention.max_events and max_bytes, or unpin some"
            )

    # ---- what is known ----------------------------------------------------------------------------

    def strengths(self, event_ids: Iterable[int], *, now_ns: int | None = None) -> list[Strength]:
        """Return how strong the memories of events are, by id; of those that are there.

        Args:
            event_ids: Which.
            now_ns: When, by default at the newest stamp.
        """
        with self._access.reading() as records:
            now_ns = learning_row(records).newest_ns if now_ns is None else now_ns
            traces = Traces(records, self._config).of(event_ids)
        return [_strength(trace, now_ns) for trace in traces]

    def evicted(self) -> list[EvictedRow]:
        """Return what is known of what went: how much, by kind and day."""
        with self._access.reading() as records:
            return records.evicted.select()

    def report(self) -> RetentionInfo:
        """Return how much is kept, and what became of the rest."""
        with self._access.reading() as records:
            events, total_bytes = records.tally()
            row, evicted = learning_row(records), Counter[str]()
            for gone in records.evicted.select():
                evicted[gone.kind] += gone.events
            pinned = records.traces.count("is_pinned")
        weights = dict(zip(NAMES, row.weights.tolist(), strict=True))
        if self._config.strategy != "learned":
            weights = {name: float(name == self._config.strategy) for name in NAMES}
        return RetentionInfo(
            events=events,
            max_events=self._config.max_events,
            bytes=total_bytes,
            max_bytes=self._config.max_bytes,
            pinned=pinned,
            merged=row.merged,
            evicted=dict(evicted),
            strategies=weights,
        )

    # ---- while the robot lives --------------------------------------------------------------------

    def recalled(self, query: Query, hits: Sequence[Hit]) -> None:
        """Take note of what was asked for and found; a memory that is only read learns nothing."""
        if not self._access.is_writer:
            return
        hits = hits[: query.limit]  # to be counted is not to be recalled
        self._recalls.append(
            _Recall(
                want=self._want(query, hits),
                event_ids=tuple(hit.event.event_id for hit in hits if hit.event is not None),
                entity_ids=tuple(hit.entity.entity_id for hit in hits if hit.entity is not None),
                stamp_ns=self._learning().row.newest_ns,
            )
        )

    def settle(self) -> None:
        """Bring everything up to date, and the events within their budgets; inside a transaction."""
        learning = self._learning()
        while self._recalls:
            self._learn(self._recalls.popleft(), learning)
        newer = learning.traces.log_new()
        if len(newer):
            learning.log(newer)
        self._make_room(learning)
        learning.save()

    def consolidate(
        self, *, steps: int | None = None, should_stop: Callable[[], bool] | None = None
    ) -> Consolidation:
        """Merge neighbours that say the same, and make room ahead; for when the robot is idle.

        It stops where somebody waits for the memory, and goes on from there the next time. The same events are
        merged however often it is interrupted.

        Args:
            steps: How many events to look at, at most.
            should_stop: Asked now and then, for a limit of time.

        Raises:
            QueryError: There is less than one step.
        """
        if steps is not None and steps < 1:
            raise QueryError(f"steps is one or more, got {steps}")
        done = Consolidation(0, 0, 0, is_done=False)
        while not (done.is_done or done.looked_at == steps or self._access.is_wanted):
            if should_stop is not None and should_stop():
                break
            limit = BATCH if steps is None else min(BATCH, steps - done.looked_at)
            with self._access.writing():
                part = self._consolidate_some(limit)
            done = Consolidation(
                done.looked_at + part.looked_at,
                done.merged + part.merged,
                done.evicted + part.evicted,
                is_done=part.is_done,
            )
        return done

    def forget(self, entity_ids: Iterable[int], event_ids: Iterable[int]) -> None:
        """Leave no number that stands for what things and events that are to be erased were about."""
        records, shadows = self._access.records, self._learning().allocator.shadows
        if shadows is None:
            return
        things = [records.entities.get(records.entity_now(i)) for i in entity_ids]
        topics = {key_of(thing.label) for thing in things if thing is not None}
        events = [records.events.get(i) for i in event_ids]
        for thing in filter(None, things):
            events += records.events.select("entity_id = ?", thing.entity_id)
        topics |= {topic_of(event) for event in events if event is not None}
        shadows.keep(~np.isin(shadows.shelf.topics, list(topics)))

    def renew(self) -> None:
        """Read everything anew: a transaction was undone."""
        self._learnt = None

    def _learning(self) -> Learning:
        if self._learnt is None:
            self._learnt = Learning(self._access.records, self._config)
        return self._learnt

    def _found(self, event_ids: Iterable[int]) -> list[TraceRow]:
        wanted = set(event_ids)
        traces = self._learning().traces.of(wanted)
        if absent := sorted(wanted - {trace.event_id for trace in traces}):
            raise QueryError(f"there are no events {absent}")
        return traces

    def _want(self, query: Query, hits: Sequence[Hit]) -> Want | None:
        labels = (thing.label for hit in hits[:1] for thing in (hit.event, hit.entity) if thing)
        label = next(labels, None) or query.label
        place = None if query.room is None else key_of(query.room)
        if query.near_map is not None:
            place = place_at(query.near_map[:2], self._config)
        want = Want(
            topic=None if label is None else key_of(label),
            place=place,
            since_ns=query.since_ns,
            until_ns=query.until_ns,
        )
        return None if want == Want() else want

    def _learn(self, recall: _Recall, learning: Learning) -> None:
        latest = (learning.traces.latest_of(entity_id) for entity_id in recall.entity_ids)
        event_ids = sorted({*recall.event_ids, *(i for i in latest if i is not None)})
        learning.traces.recall(event_ids, stamp_ns=recall.stamp_ns)
        learning.allocator.recalled(recall.want, event_ids, stamp_ns=recall.stamp_ns)

    def _consolidate_some(self, limit: int) -> Consolidation:
        learning = self._learning()
        looked_at, found = merge_some(self._access.records, learning, self._config, limit=limit)
        if not looked_at:
            return Consolidation(0, 0, self._make_room(learning, is_ahead=True), is_done=True)
        self._let_go([merge.event_id for merge in found])
        return Consolidation(looked_at, len(found), 0, is_done=False)

    def _make_room(self, learning: Learning, *, is_ahead: bool = False) -> int:
        """Let go what the budgets do not allow; returns how many events."""
        need = self._need(is_ahead=is_ahead)
        if not need:
            return 0
        shelf = learning.traces.shelf()
        shelf = replace(shelf, visits=learning.allocator.visits_of(shelf.places))
        gone = shelf.take(learning.allocator.choose(shelf, need))
        _count(self._access.records, learning.traces, gone)
        self._let_go(gone.ids.tolist())
        learning.traces.drop(gone.ids)
        if self._need():
            logger.warning("what is pinned has outgrown the budgets of retention: unpin some")
        return len(gone)

    def _need(self, *, is_ahead: bool = False) -> Need:
        events, total_bytes = self._access.records.tally()
        return Need(
            events=_over(events, self._config.max_events, self._config.slack, is_ahead=is_ahead),
            bytes=_over(total_bytes, self._config.max_bytes, self._config.slack, is_ahead=is_ahead),
        )


def _over(held: int, limit: int, slack: float, *, is_ahead: bool) -> int:
    """Return how much must go: nothing up to the limit, past it down to some slack below."""
    target = limit - int(slack * limit)
    return held - target if held > (target if is_ahead else limit) else 0


def _count(records: Records, traces: Traces, gone: Shelf) -> None:
    """Add to what is known of what went."""
    kinds = traces.kinds_of(gone.ids)
    weights = {trace.event_id: trace.weight for trace in traces.of(gone.ids)}
    rows: dict[tuple[EventKind, int], EvictedRow] = {}
    for event_id, stamp_ns, size in zip(
        gone.ids.tolist(), gone.stamps_ns.tolist(), gone.sizes.tolist(), strict=True
    ):
        key = kinds[event_id], stamp_ns // DAY_NS
        row = rows.get(key) or records.evicted.get(*key)
        row = row or EvictedRow(*key, 0, 0, 0, first_ns=stamp_ns, last_ns=stamp_ns)
        rows[key] = replace(
            row,
            events=row.events + 1,
            weight=row.weight + weights[event_id],
            bytes=row.bytes + size,
            first_ns=min(row.first_ns, stamp_ns),
            last_ns=max(row.last_ns, stamp_ns),
        )
    records.evicted.save_all(rows.values())


def _strength(trace: TraceRow, now_ns: int) -> Strength:
    age_s = np.array([(now_ns - trace.last_ns) / NS])
    return Strength(
        event_id=trace.event_id,
        retention=float(retention(age_s, np.array([trace.stability_s]))[0]),
        stability_s=trace.stability_s,
        recalls=trace.recalls,
        weight=trace.weight,
        is_pinned=trace.is_pinned,
    )

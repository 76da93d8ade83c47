"""Replay a recording into a memory: once, however often it is stopped and started again."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from robomem.config import Config
from robomem.errors import DataError, Reason
from robomem.io import open_recording
from robomem.io.recording import Item, Recording, source_name
from robomem.types import Cursor, Observation, Receipt

NS_PER_S = 1_000_000_000


class ReplayTarget(Protocol):
    """What a replay writes to: `robomem.memory.Memory`."""

    def observe(self, observation: Observation, *, cursor: Cursor | None = None) -> Receipt:
        """Take in an observation with its place in the recording."""

    def reject(
        self, reason: Reason, *, source: str = "robot", cursor: Cursor | None = None
    ) -> None:
        """Count an observation that could not be made."""

    def position(self, recording: str) -> int:
        """Return how many items of a recording were taken in."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a replay is; `fraction` of the recording in [0, 1], counts are of this run."""

    fraction: float
    items: int
    observed: int
    rejected: int


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What became of a recording in this run.

    Attributes:
        items: Read and offered to the memory.
        observed: Taken in.
        rejected: Turned down, by reason.
        skipped: Known from an earlier run, not offered again.
        duration_s: Data time from the first to the last observation taken in.
        damage: Where and why the recording ended before its end.
    """

    items: int
    observed: int
    rejected: Mapping[Reason, int]
    skipped: int
    duration_s: float
    damage: str | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the recording was read to its true end."""
        return self.damage is None


def replay(
    recording: Recording | str | Path,
    memory: ReplayTarget,
    *,
    on_progress: Callable[[Progress], None] | None = None,
    config: Config | None = None,
) -> ReplayReport:
    """Offer every item of a recording that the memory does not know yet.

    Every item is taken in whole or not at all, with its place in the recording: after Ctrl-C, or a crash,
    the next call goes on where this one stopped.

    Args:
        recording: An open one, or its path.
        memory: Where to.
        on_progress: Called after every item, the skipped ones too.
        config: Settings for opening a path.

    Raises:
        FormatError: The path holds no recording.
    """
    if isinstance(recording, str | Path):
        recording = open_recording(recording, config=(config or Config()).io)
    run = _Run(recording, memory)
    for item in run.items():
        run.take(item)
        if on_progress:
            on_progress(run.progress(item))
    return run.report()


class _Run:
    """One replay, and the counts that its report needs."""

    def __init__(self, recording: Recording, memory: ReplayTarget) -> None:
        self._recording = recording
        self._memory = memory
        self._fingerprint = recording.fingerprint
        self._source = source_name(recording.kind, recording.fingerprint)
        self._start = memory.position(recording.fingerprint)
        self._items = self._skipped = self._observed = 0
        self._rejected: Counter[Reason] = Counter()
        self._first_ns = self._last_ns = 0
        self._damage: str | None = None

    def items(self) -> Iterator[Item]:
        """Yield what the recording has; its damaged end is noted."""
        try:
            yield from self._recording.items()
        except DataError as err:
            self._damage = str(err)
            self._count_damage(err.reason)

    def take(self, item: Item) -> None:
        """Offer an item to the memory, unless it knows it."""
        if item.position < self._start:
            self._skipped += 1
            return
        self._items += 1
        cursor = Cursor(self._fingerprint, item.position)
        try:
            observation = item.load()
        except DataError as err:
            self._memory.reject(err.reason, source=self._source, cursor=cursor)
            self._rejected[err.reason] += 1
            return
        self._count(observation, self._memory.observe(observation, cursor=cursor))

    def progress(self, item: Item) -> Progress:
        """Return how far it is after an item."""
        return Progress(item.progress, self._items, self._observed, self._rejected.total())

    def report(self) -> ReplayReport:
        """Return what became of the recording."""
        return ReplayReport(
            items=self._items,
            observed=self._observed,
            rejected=dict(self._rejected),
            skipped=self._skipped,
            duration_s=(self._last_ns - self._first_ns) / NS_PER_S,
            damage=self._damage,
        )

    def _count(self, observation: Observation, receipt: Receipt) -> None:
        if receipt.rejected is not None:
            self._rejected[receipt.rejected] += 1
            return
        self._observed += 1
        stamp_ns = observation.stamp_ns
        self._first_ns = min(self._first_ns, stamp_ns) if self._observed > 1 else stamp_ns
        self._last_ns = max(self._last_ns, stamp_ns)

    def _count_damage(self, reason: Reason) -> None:
        """Count a damaged end once; it has a place of its own, so that a longer copy can still go on."""
        end = Cursor(f"{self._fingerprint}:end", 0)
        if self._memory.position(end.recording) == 0:
            self._memory.reject(reason, source=self._source, cursor=end)
            self._rejected[reason] += 1

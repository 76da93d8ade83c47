"""Episodes are kept up as the log grows: segments, these in chunks, these in days.

A segment is final once the one after it is closed, and then goes into the last chunk, and into its day: for an
event that is logged a few rows change, however long the log is. Days are those of UTC.
"""

from collections.abc import Sequence
from functools import reduce
from operator import add

from robomem.config import SegmentConfig
from robomem.episodic.beats import batches_from, beats_between, beats_up_to
from robomem.episodic.chunks import CHUNK, DAY, SEGMENT, Gist, gist_of_beats, gist_of_row
from robomem.episodic.segments import Beat, Segmenter
from robomem.store.episode_rows import EpisodeRow, TailRow
from robomem.store.records import Records

BATCH = 4096  # events read at once
TAIL_ID = 0
LATEST = "first_event_id DESC"


class EpisodeWriter:
    """Keeps the episodes of one memory up with its log, inside the caller's transaction."""

    def __init__(self, records: Records, config: SegmentConfig) -> None:
        self._records = records
        self._config = config
        self._segmenter: Segmenter | None = None

    def renew(self) -> None:
        """Drop what is cached: it was undone."""
        self._segmenter = None

    def follow(self) -> None:
        """Take in what was logged, reworded or deleted since."""
        stale = self._records.pop_stale_events()
        if stale:
            self._segmenter = None
            self._refresh(stale)
        tail = self._records.tails.get(TAIL_ID)
        done = tail.last_event_id if tail else 0
        for beats in batches_from(self._records, done + 1, size=BATCH):
            self._segmenter = self._segmenter or resumed(self._records, self._config)
            for beat in beats:
                if final := self._segmenter.feed(beat):
                    self._add(final)
            self._records.tails.save(_tail(self._segmenter, beats[-1].event_id))

    def rebuild(self) -> None:
        """Make all episodes anew from the log."""
        self._records.episodes.delete("1")
        self._records.tails.delete("1")
        self._segmenter = None
        self.follow()

    def _add(self, beats: Sequence[Beat]) -> None:
        """Put a segment that is final below its chunk, and sum it up there and in its day."""
        gist = gist_of_beats(beats)
        day_id = self._grow(self._day_of(gist), DAY, gist, parent_id=None)
        chunk_id = self._grow(self._chunk_of(gist), CHUNK, gist, parent_id=day_id)
        self._grow(None, SEGMENT, gist, parent_id=chunk_id)

    def _grow(
        self, row: EpisodeRow | None, level: int, gist: Gist, *, parent_id: int | None
    ) -> int:
        """Add a gist to an episode, or begin one with it; returns its id."""
        if row is None:
            row = gist.row(self._records.next_id("episode"), level, parent_id=parent_id)
        else:
            row = (gist_of_row(row) + gist).row(row.episode_id, level, parent_id=row.parent_id)
        self._records.episodes.save(row)
        return row.episode_id

    def _day_of(self, gist: Gist) -> EpisodeRow | None:
        rows = self._records.episodes.select("level = ? AND day = ?", DAY, gist.day)
        return rows[0] if rows else None

    def _chunk_of(self, gist: Gist) -> EpisodeRow | None:
        """Return the last chunk, where it has room and is of the same day."""
        last = self._records.episodes.first("level = ?", CHUNK, order=LATEST, limit=1)
        if not last or last[0].day != gist.day:
            return None
        children = self._records.episodes.count("parent_id = ?", last[0].episode_id)
        return last[0] if children < self._config.chunk_segments else None

    def _refresh(self, event_ids: Sequence[int]) -> None:
        """Sum up anew what tells of events that are others now, or gone."""
        parents: dict[int | None, None] = {}  # in order
        done = 0
        for event_id in event_ids:
            row = self._segment_of(event_id) if event_id > done else None
            if row is not None:
                done = row.last_event_id
                beats = beats_between(self._records, row.first_event_id, row.last_event_id)
                self._replace(row, gist_of_beats(beats) if beats else None)
                parents[row.parent_id] = None
        chunks = [row for i in parents if (row := self._records.episodes.get(i)) is not None]
        days = [
            row
            for i in dict.fromkeys(chunk.parent_id for chunk in chunks)
            if (row := self._records.episodes.get(i)) is not None
        ]
        for row in (*chunks, *days):
            self._replace(row, self._sum_of_segments(row))

    def _segment_of(self, event_id: int) -> EpisodeRow | None:
        found = self._records.episodes.first(
            "level = ? AND first_event_id <= ?", SEGMENT, event_id, order=LATEST, limit=1
        )
        return found[0] if found and event_id <= found[0].last_event_id else None

    def _sum_of_segments(self, row: EpisodeRow) -> Gist | None:
        below = "parent_id = ?"
        if row.level == DAY:
            below = "parent_id IN (SELECT episode_id FROM episode WHERE parent_id = ?)"
        segments = self._records.episodes.select(below, row.episode_id)
        return reduce(add, map(gist_of_row, segments)) if segments else None

    def _replace(self, row: EpisodeRow, gist: Gist | None) -> None:
        if gist is None:
            self._records.episodes.delete("episode_id = ?", row.episode_id)
        else:
            self._records.episodes.save(
                gist.row(row.episode_id, row.level, parent_id=row.parent_id)
            )


def resumed(records: Records, config: SegmentConfig) -> Segmenter:
    """Return the segmenter as it was after the last event that was followed."""
    tail = records.tails.get(TAIL_ID)
    if tail is None:
        return Segmenter(config)
    before = beats_up_to(records, tail.last_event_id, limit=config.lookback_events)
    first = _first_of(tail)
    if before and before[0].event_id > first:
        before = [*beats_between(records, first, before[0].event_id - 1), *before]
    return Segmenter.resumed(
        before, settling_from=tail.settling_from, open_from=tail.open_from, config=config
    )


def unclosed_span(records: Records) -> list[tuple[int, int]]:
    """Return the first and the last event of the segments that are not final, where there are any."""
    tail = records.tails.get(TAIL_ID)
    return [] if tail is None else [(_first_of(tail), tail.last_event_id)]


def _first_of(tail: TailRow) -> int:
    return tail.open_from if tail.settling_from is None else tail.settling_from


def _tail(segmenter: Segmenter, last_event_id: int) -> TailRow:
    settling, open_beats = segmenter.settling, segmenter.open
    settling_from = settling[0].event_id if settling else None
    return TailRow(TAIL_ID, settling_from, open_beats[0].event_id, last_event_id)

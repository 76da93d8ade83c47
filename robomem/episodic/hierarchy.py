"""The episodes of a memory: kept up, listed, and looked into from the top down."""

from functools import reduce
from operator import add

from numpy.typing import ArrayLike

from robomem.config import SegmentConfig
from robomem.episodic.chunks import CHUNK, Gist, gist_of_beats, gist_of_row
from robomem.episodic.cues import cue_of
from robomem.episodic.episode_writer import EpisodeWriter, resumed, unclosed_span
from robomem.episodic.episodes import LEVELS, Episode, EpisodeLevel, episodes_of
from robomem.episodic.search import ScoredEvent
from robomem.errors import QueryError
from robomem.store.access import Access
from robomem.store.episode_rows import EpisodeRow
from robomem.store.records import Records

CHUNKS_PER_SEGMENT = 2  # a chunk's mean is blurred: looking into more of them costs little


class Hierarchy:
    """The episodes of one memory."""

    def __init__(self, access: Access, config: SegmentConfig) -> None:
        self._access = access
        self._config = config
        self._writer = EpisodeWriter(access.records, config)
        access.on_rollback(self._writer.renew)

    def follow(self) -> None:
        """Take in what was logged since; a memory does so after every change, in the same transaction."""
        with self._access.writing():
            self._writer.follow()

    def rebuild(self) -> None:
        """Make all episodes anew from the log, such as after the settings changed."""
        with self._access.writing():
            self._writer.rebuild()

    def episodes(
        self,
        level: EpisodeLevel | str = EpisodeLevel.SEGMENT,
        *,
        since_ns: int | None = None,
        until_ns: int | None = None,
    ) -> list[Episode]:
        """Return the episodes of a level that overlap a span of time, in the order of the log.

        The last ones are not closed: what is logged next may go into them, and a little later may yet be cut
        elsewhere. They have no id.
        """
        try:
            index = LEVELS.index(EpisodeLevel(level))
        except ValueError as err:
            raise QueryError(f"the level is one of {', '.join(LEVELS)}, got {level!r}") from err
        low, high = since_ns or 0, 2**63 - 1 if until_ns is None else until_ns
        with self._access.reading() as records:
            rows = records.episodes.select(
                "level = ? AND until_ns >= ? AND stamp_ns <= ?", index, low, high
            )
            gists: list[tuple[EpisodeRow | None, Gist]] = [(row, gist_of_row(row)) for row in rows]
            gists += [
                (None, gist)
                for gist in self._unclosed(records, index)
                if gist.until_ns >= low and gist.stamp_ns <= high
            ]
            gists.sort(key=lambda pair: pair[1].first_event_id)
            return episodes_of(records, LEVELS[index], gists)

    def recall(
        self,
        *,
        text: str | None = None,
        embedding: ArrayLike | None = None,
        breadth: int = 8,
        limit: int = 10,
    ) -> list[ScoredEvent]:
        """Return events by what they mean, from the top down: look only into the episodes that fit best.

        Of all chunks those that fit best, twice `breadth`, by the cosine with their mean; of their segments the
        `breadth` best, and those that are not closed; of the events in these the best, as `EventSearch` scores
        similarity. HCAM's recall (see `chunks`), with one level more.

        Args:
            text: Words that events should share.
            embedding: What they should mean, (D,); where given, it decides.
            breadth: How many segments are looked into.
            limit: How many events at most.

        Raises:
            QueryError: There is neither, the embedding has another size, or a number is less than one.
        """
        if min(breadth, limit) < 1:
            raise QueryError(f"breadth and limit are at least 1, got {breadth} and {limit}")
        with self._access.reading() as records:
            cue = cue_of(records, text=text, embedding=embedding)
            chunk_ids = cue.best(records, "level = ?", CHUNK, count=CHUNKS_PER_SEGMENT * breadth)
            below = f"parent_id IN ({', '.join('?' * len(chunk_ids))})"
            segment_ids = cue.best(records, below, *chunk_ids, count=breadth)
            segments = [records.episodes.get(episode_id) for episode_id in segment_ids]
            spans = [(row.first_event_id, row.last_event_id) for row in segments if row]
            return cue.ranked(records, [*unclosed_span(records), *spans])[:limit]

    def _unclosed(self, records: Records, level: int) -> list[Gist]:
        segmenter = resumed(records, self._config)
        gists = [gist_of_beats(beats) for beats in (segmenter.settling, segmenter.open) if beats]
        return [reduce(add, gists)] if gists and level else gists

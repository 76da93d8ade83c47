"""Events found by all that is asked of them at once: time, place, room, label, words, meaning.

Filters decide, cues rank. Every field of an `EventFilter` narrows; words narrow (each must be there,
stemmed), and a meaning narrows to the events that have one. The score is the mean of the cues asked for,

    score = sum(w_i s_i) / sum(w_i)      s_i in [0, 1], weights in `EpisodicConfig`

    similarity   (1 + cosine) / 2
    text         BM25 with every word counted once: all are in every hit, so the shorter text wins
    place        1 - distance / radius
    time         1 / (1 + age / 1 day) before the end of the span, or before the newest event;
                 asked for by a span, and where nothing else is

Then the second stage (EM-LLM's contiguity buffer [1]): what its source logged just before and after a hit was
part of the same episode, and gets a share of the hit's score where that is more than its own. Ties go to
the newer, then to the lower id. So a filter never adds hits, and fewer hits are the beginning of more.

[1] Fountas et al., "Human-inspired episodic memory for infinite context LLMs", 2024.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from robomem.checks import checked_embedding
from robomem.claims import ClaimKind
from robomem.config import EpisodicConfig
from robomem.episodic.events import events_of
from robomem.episodic.matching import Among, EventFilter, excluded_rows, matching
from robomem.episodic.ranking import Ranking, Scores
from robomem.errors import DataError, QueryError
from robomem.store.access import Access
from robomem.store.embeddings import unpack
from robomem.store.event_columns import EventColumns
from robomem.store.event_index import EventIndex
from robomem.store.event_queries import event_labels, events_beside
from robomem.store.event_words import Rows
from robomem.store.records import Records
from robomem.types import Event

__all__ = ["Cues", "EventFilter", "EventSearch", "ScoredEvent"]
NS_PER_S = 1_000_000_000
BLOCK = 1 << 16  # rows of which a few columns fit into a processor's own cache


@dataclass(frozen=True, slots=True)
class Cues:
    """How well an event fits each thing asked for, in [0, 1]; None was not asked for."""

    similarity: float | None = None
    text: float | None = None
    place: float | None = None
    time: float | None = None


@dataclass(frozen=True, slots=True)
class ScoredEvent:
    """A hit of a search; `beside_id` is the event whose neighbour it is, where that is why it was found."""

    event_id: int
    score: float
    parts: Cues
    beside_id: int | None = None


class EventSearch:
    """Searches the events of one memory."""

    def __init__(self, access: Access, config: EpisodicConfig, folder: Path) -> None:
        self._access = access
        self._config = config
        self._index = EventIndex(access, folder)

    def search(
        self,
        wanted: EventFilter | None = None,
        *,
        text: str | None = None,
        embedding: ArrayLike | None = None,
        limit: int = 10,
        has_neighbours: bool = False,
        is_exact: bool = False,
    ) -> list[ScoredEvent]:
        """Return the events that fit best, best first.

        Args:
            wanted: What they must satisfy.
            text: Words that each must have.
            embedding: What they should mean, (D,), by the model of the events' embeddings.
            limit: How many at most.
            has_neighbours: Whether what was logged beside a hit is one, too.
            is_exact: Compare the embedding with all, not only with those whose signs are like its signs where
                more than 65,536 events are left to compare.

        Raises:
            QueryError: The embedding has another size than the events', or the limit is less than one.
        """
        if limit < 1:
            raise QueryError(f"the limit is at least 1, got {limit}")
        wanted = wanted or EventFilter()
        with self._access.reading() as records:
            if not wanted.with_held:
                held_ids = records.held_ids(ClaimKind.EVENT)
                wanted = replace(wanted, excluded_ids=wanted.excluded_ids | held_ids)
            columns = self._index.current(records)
            among = _with_words(columns, wanted, text)
            excluded = excluded_rows(columns, wanted)
            given = {"text": text, "similarity": embedding}
            cues = [name for name, one in given.items() if one is not None]
            ranking = Ranking(columns, wanted, self._config, cues=cues, limit=limit)
            if embedding is not None:
                rows = matching(columns, wanted, among=among, excluded=excluded, has_embedding=True)
                rows, similarity = _similar(columns, rows, embedding, is_exact=is_exact)
                ranking.add(rows, similarity=similarity)
            else:
                for part in _parts(among):
                    narrowed = ranking.narrowed()
                    ranking.add(matching(columns, narrowed, among=part, excluded=excluded))
            hits = _hits(columns, ranking)
            if has_neighbours:
                hits = self._with_neighbours(records, columns, hits, wanted)[:limit]
            return hits

    def events(self, event_ids: Sequence[int]) -> list[Event]:
        """Return events by their ids, in that order; those that are not there are left out."""
        with self._access.reading() as records:
            rows = (records.events.get(event_id) for event_id in event_ids)
            return events_of(records, [row for row in rows if row is not None])

    def embeddings(self, event_ids: Sequence[int]) -> NDArray[np.float32]:
        """Return the embeddings (N, D) of events, NaN of those that have none."""
        with self._access.reading() as records:
            values = np.full((len(event_ids), records.counter("embedding_dim")), np.nan, np.float32)
            for row, event_id in enumerate(event_ids):
                kept = records.embeddings.get(event_id)
                if kept is not None:
                    values[row] = unpack(kept.vector)
            return values

    def labels(self) -> list[str]:
        """Return the labels that events have, sorted."""
        with self._access.reading() as records:
            return event_labels(records)

    def save(self, *, is_closing: bool = False) -> None:
        """Write what lets the next one that opens the memory search at once; seldom while it stays open."""
        self._index.save(is_closing=is_closing)

    def _with_neighbours(
        self,
        records: Records,
        columns: EventColumns,
        hits: list[ScoredEvent],
        wanted: EventFilter,
    ) -> list[ScoredEvent]:
        """Give the neighbours of hits their share; those two steps away a share of a share.

        A neighbour of a hit that is not among the first k is not either: its hit fits better. So those of
        the first k are all that matter.
        """
        found = {hit.event_id: hit for hit in hits}
        beside = {hit: self._beside(records, hit.event_id) for hit in hits}
        near_ids = sorted({event_id for some in beside.values() for event_id, _ in some})
        near_rows = columns.rows_of(np.array(near_ids, np.int64))
        excluded = excluded_rows(columns, wanted)
        allowed_rows = matching(columns, wanted, among=near_rows, excluded=excluded)
        allowed = set(columns["event_id"][allowed_rows].tolist())
        for hit, some in beside.items():
            for event_id, steps in some:
                score = hit.score * self._config.neighbour_share**steps
                known = found.get(event_id)
                if event_id in allowed and (known is None or known.score < score):
                    found[event_id] = ScoredEvent(event_id, score, Cues(), hit.event_id)
        rows = columns.rows_of(np.array(sorted(found), np.int64))
        stamps = dict(zip(sorted(found), columns["stamp_ns"][rows].tolist(), strict=True))
        return sorted(
            found.values(), key=lambda hit: (-hit.score, -stamps[hit.event_id], hit.event_id)
        )

    def _beside(self, records: Records, event_id: int) -> list[tuple[int, int]]:
        """Return what the same source logged around an event, and how many steps away each is."""
        gap_ns = int(self._config.neighbour_gap_s * NS_PER_S)
        return [
            (neighbour_id, step)
            for is_after in (False, True)
            for step, neighbour_id in enumerate(
                events_beside(
                    records,
                    event_id,
                    is_after=is_after,
                    gap_ns=gap_ns,
                    limit=self._config.neighbours,
                ),
                start=1,
            )
        ]


def _with_words(columns: EventColumns, wanted: EventFilter, text: str | None) -> Among:
    """Return the rows with every word of a text, or without one a span of rows, as near as that is known."""
    span = columns.span(wanted.since_ns, wanted.until_ns)
    return span if text is None else columns.words.rows_with(re.findall(r"[^\W_]+", text), span)


def _parts(among: Among) -> Iterator[Among]:
    """Yield rows, or a span of them, so many at once, the last ones first."""
    first, end = (among.start, among.stop) if isinstance(among, slice) else (0, len(among))
    for start in reversed(range(first, end, BLOCK)):
        part = slice(start, min(start + BLOCK, end))
        yield part if isinstance(among, slice) else among[part]


def _hits(columns: EventColumns, ranking: Ranking) -> list[ScoredEvent]:
    names, parts = list(ranking.parts), np.array(list(ranking.parts.values())).T
    ids = columns["event_id"][ranking.rows].tolist()
    return [
        ScoredEvent(event_id, score, Cues(**dict(zip(names, row, strict=True))))
        for event_id, score, row in zip(ids, ranking.scores.tolist(), parts.tolist(), strict=True)
    ]


def _similar(
    columns: EventColumns, rows: Rows, embedding: ArrayLike, *, is_exact: bool
) -> tuple[Rows, Scores]:
    """Return those of the rows that match which may be most like an embedding, and how much each is."""
    from robomem.episodic.similarity import cosines, most_alike

    try:
        vector = checked_embedding(embedding)
    except (DataError, TypeError, ValueError) as err:
        raise QueryError(f"this is no embedding: {err}") from err
    if not columns.dim:
        return np.empty(0, np.int64), np.empty(0)
    if len(vector) != columns.dim:
        raise QueryError(f"the events' embeddings have {columns.dim} numbers, this {len(vector)}")
    if not is_exact:
        rows = most_alike(columns, rows, vector)
    return rows, (1 + cosines(columns, rows, vector)) / 2

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
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from robomem.checks import checked_embedding
from robomem.config import EpisodicConfig
from robomem.episodic.events import events_of
from robomem.errors import DataError, QueryError
from robomem.geometry import Points
from robomem.store.access import Access
from robomem.store.event_columns import EventColumns, Rows, read_columns
from robomem.store.records import Records
from robomem.types import Event, EventKind

NS_PER_S = 1_000_000_000
DAY_NS = 86_400 * NS_PER_S
K1, B, MEAN_CHARS = 1.2, 0.75, 60  # of BM25; how long a text is usually
Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which events: every given field narrows.

    Attributes:
        since_ns: Nothing that ended before.
        until_ns: Nothing that began after.
        near_map: (x, y) or (x, y, z) metres in map: nothing farther than `radius_m`.
        radius_m: How near is near.
        is_inside: Tells of points (N, 3) in map whether each is in the room that is meant, (N,) bool.
        kinds: Nothing of other kinds.
        labels: Nothing but of these; "mug" is not "red mug", see `EventSearch.labels`.
        rooms: Nothing but what was said to be in these.
        sources: Nothing but from these.
        excluded_ids: None of these.
    """

    since_ns: int | None = None
    until_ns: int | None = None
    near_map: tuple[float, ...] | None = None
    radius_m: float = 2.0
    is_inside: Callable[[Points], NDArray[np.bool_]] | None = None
    kinds: tuple[EventKind, ...] | None = None
    labels: tuple[str, ...] | None = None
    rooms: tuple[str, ...] | None = None
    sources: tuple[str, ...] | None = None
    excluded_ids: frozenset[int] = frozenset()


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

    def __init__(self, access: Access, config: EpisodicConfig) -> None:
        self._access = access
        self._config = config

    def search(
        self,
        wanted: EventFilter | None = None,
        *,
        text: str | None = None,
        embedding: ArrayLike | None = None,
        limit: int = 10,
        has_neighbours: bool = False,
    ) -> list[ScoredEvent]:
        """Return the events that fit best, best first.

        Args:
            wanted: What they must satisfy.
            text: Words that each must have.
            embedding: What they should mean, (D,), by the model of the events' embeddings.
            limit: How many at most.
            has_neighbours: Whether what was logged beside a hit is one, too.

        Raises:
            QueryError: The embedding has another size than the events', or the limit is less than one.
        """
        if limit < 1:
            raise QueryError(f"the limit is at least 1, got {limit}")
        wanted = wanted or EventFilter()
        with self._access.reading() as records:
            columns = read_columns(records)
            vector = _checked_query(embedding, records.embedding_dim())
            matching = _matching(columns, wanted)
            rows = matching
            if text is not None:
                found = records.find_words(re.findall(r"\w+", text))
                rows = np.intersect1d(rows, columns.rows_of(np.array(found, np.int64)))
            cosines = None
            if vector is not None:
                rows, cosines = _cosines(records, columns, rows, vector)
            scores, parts = self._score(columns, rows, wanted, cosines, has_text=text is not None)
            best = _best(columns, rows, scores)[:limit]
            hits = [
                ScoredEvent(int(columns.event_id[rows[i]]), float(scores[i]), _cues(parts, i))
                for i in best
            ]
            if has_neighbours:
                hits = self._with_neighbours(columns, hits, matching)[:limit]
            return hits

    def events(self, event_ids: Sequence[int]) -> list[Event]:
        """Return events by their ids, in that order; those that are not there are left out."""
        with self._access.reading() as records:
            rows = (records.events.get(event_id) for event_id in event_ids)
            return events_of(records, [row for row in rows if row is not None])

    def embeddings(self, event_ids: Sequence[int]) -> NDArray[np.float32]:
        """Return the embeddings (N, D) of events, NaN of those that have none."""
        with self._access.reading() as records:
            return _embeddings(records, event_ids)

    def labels(self) -> list[str]:
        """Return the labels that events have, sorted."""
        with self._access.reading() as records:
            return records.event_labels()

    def _score(
        self,
        columns: EventColumns,
        rows: Rows,
        wanted: EventFilter,
        cosines: Scores | None,
        *,
        has_text: bool,
    ) -> tuple[Scores, dict[str, Scores]]:
        parts: dict[str, Scores] = {}
        if cosines is not None:
            parts["similarity"] = (1 + cosines) / 2
        if has_text:
            parts["text"] = text_fit(columns.chars[rows])
        if wanted.near_map is not None:
            away_m = _away_m(columns.p_map[rows], wanted.near_map)
            parts["place"] = 1 - away_m / wanted.radius_m
        if not parts or wanted.since_ns is not None or wanted.until_ns is not None:
            newest_ns = int(columns.until_ns.max()) if len(columns) else 0
            end_ns = newest_ns if wanted.until_ns is None else min(wanted.until_ns, newest_ns)
            parts["time"] = time_fit(columns.until_ns[rows], end_ns)
        weights = {name: getattr(self._config, f"weight_{name}") for name in parts}
        total = sum(weights[name] * part for name, part in parts.items())
        return np.asarray(total / sum(weights.values()), np.float64), parts

    def _with_neighbours(
        self, columns: EventColumns, hits: list[ScoredEvent], matching: Rows
    ) -> list[ScoredEvent]:
        """Give the neighbours of hits their share; those that are farther from a hit a share of a share."""
        found = {hit.event_id: hit for hit in hits}
        allowed = set(columns.event_id[matching].tolist())
        for hit in hits:
            for event_id, steps in self._beside(columns, hit.event_id):
                score = hit.score * self._config.neighbour_share**steps
                known = found.get(event_id)
                if event_id in allowed and (known is None or known.score < score):
                    found[event_id] = ScoredEvent(event_id, score, Cues(), hit.event_id)
        stamps = dict(zip(columns.event_id.tolist(), columns.stamp_ns.tolist(), strict=True))
        return sorted(
            found.values(), key=lambda hit: (-hit.score, -stamps[hit.event_id], hit.event_id)
        )

    def _beside(self, columns: EventColumns, event_id: int) -> list[tuple[int, int]]:
        """Return what the same source logged around an event, and how many steps away each is."""
        (row,) = columns.rows_of(np.array([event_id]))
        same = np.flatnonzero(columns.source == columns.source[row])
        order = same[np.lexsort((columns.event_id[same], columns.stamp_ns[same]))]
        at = int(np.flatnonzero(order == row)[0])
        gap_ns = self._config.neighbour_gap_s * NS_PER_S
        return [
            (int(columns.event_id[order[at + step]]), abs(step))
            for step in range(-self._config.neighbours, self._config.neighbours + 1)
            if step and 0 <= at + step < len(order)
            if abs(columns.stamp_ns[order[at + step]] - columns.stamp_ns[row]) <= gap_ns
        ]


def text_fit(chars: NDArray[np.int64]) -> Scores:
    """Return how well texts of so many characters fit, when every word is in each: BM25 over that of none."""
    return np.asarray(1 / (1 + K1 * (1 - B + B * chars / MEAN_CHARS)) * (1 + K1 * (1 - B)))


def time_fit(stamps_ns: NDArray[np.int64], end_ns: int) -> Scores:
    """Return how near to the end of a span what ended at these stamps is."""
    return np.asarray(1 / (1 + np.maximum(end_ns - stamps_ns, 0) / DAY_NS))


def _matching(columns: EventColumns, wanted: EventFilter) -> Rows:
    """Return the rows that satisfy a filter."""
    is_match = np.ones(len(columns), bool)
    if wanted.since_ns is not None:
        is_match &= columns.until_ns >= wanted.since_ns
    if wanted.until_ns is not None:
        is_match &= columns.stamp_ns <= wanted.until_ns
    for column, values in (
        (columns.kind, wanted.kinds),
        (columns.label, wanted.labels),
        (columns.room, wanted.rooms),
        (columns.source, wanted.sources),
    ):
        if values is not None:
            is_match &= np.isin(column, np.array([str(value) for value in values], object))
    if wanted.near_map is not None:
        is_match &= _away_m(columns.p_map, wanted.near_map) <= wanted.radius_m  # NaN is no place
    is_match[columns.rows_of(np.array(sorted(wanted.excluded_ids), np.int64))] = False
    rows = np.flatnonzero(is_match)
    if wanted.is_inside is not None:
        rows = rows[np.isfinite(columns.p_map[rows]).all(axis=1)]
        rows = rows[wanted.is_inside(columns.p_map[rows])]
    return rows


def _away_m(p_map: Points, near_map: tuple[float, ...]) -> Scores:
    return np.asarray(np.linalg.norm(p_map[:, : len(near_map)] - np.array(near_map), axis=1))


def _best(columns: EventColumns, rows: Rows, scores: Scores) -> NDArray[np.int64]:
    """Return the order of rows: the best first, then the newest, then the lowest id."""
    return np.lexsort((columns.event_id[rows], -columns.stamp_ns[rows], -scores))


def _cues(parts: dict[str, Scores], index: int) -> Cues:
    return Cues(**{name: float(part[index]) for name, part in parts.items()})


def _checked_query(embedding: ArrayLike | None, dim: int | None) -> NDArray[np.float32] | None:
    if embedding is None:
        return None
    try:
        vector = checked_embedding(embedding)
    except (DataError, TypeError, ValueError) as err:
        raise QueryError(f"this is no embedding: {err}") from err
    if dim is not None and len(vector) != dim:
        raise QueryError(f"the events' embeddings have {dim} numbers, this one {len(vector)}")
    return vector


def _cosines(
    records: Records, columns: EventColumns, rows: Rows, vector: NDArray[np.float32]
) -> tuple[Rows, Scores]:
    """Return those rows whose event has an embedding, and its cosine with a vector."""
    if records.embedding_dim() is None:
        return rows[:0], np.empty(0)
    embeddings = _embeddings(records, columns.event_id[rows].tolist())
    has_one = np.isfinite(embeddings).all(axis=1)
    return rows[has_one], (embeddings[has_one] @ vector).astype(np.float64)


def _embeddings(records: Records, event_ids: Sequence[int]) -> NDArray[np.float32]:
    dim = records.embedding_dim() or 0
    values = np.full((len(event_ids), dim), np.nan, np.float32)
    for row, event_id in enumerate(event_ids):
        kept = records.embeddings.get(event_id)
        if kept is not None:
            values[row] = np.frombuffer(kept.vector, "<f2")
    return values

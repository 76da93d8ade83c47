"""What is looked for, held against episodes and events: the same vector against means and against each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from robomem.checks import checked_embedding
from robomem.claims import ClaimKind
from robomem.episodic.search import Cues, ScoredEvent
from robomem.episodic.words import hashed_words
from robomem.errors import DataError, QueryError
from robomem.store.embeddings import unpack
from robomem.store.episode_rows import EpisodeRow
from robomem.store.records import Records

Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Cue:
    """A meaning, (D,), or words, (B,), of unit length."""

    vector: Vector
    is_meaning: bool

    def best(self, rows: Sequence[EpisodeRow], count: int) -> list[EpisodeRow]:
        """Return the episodes whose mean fits best; what has none is left out. Ties: the later."""
        sums = [
            (row, np.frombuffer(values, "<f4"))
            for row in rows
            if (values := row.meaning if self.is_meaning else row.words) is not None
        ]
        cosines = self._cosines([vector for _, vector in sums])
        order = np.lexsort((np.array([-row.episode_id for row, _ in sums]), -cosines))
        return [sums[i][0] for i in order[:count]]

    def ranked(self, records: Records, spans: Sequence[tuple[int, int]]) -> list[ScoredEvent]:
        """Return the events of spans of ids that can be compared, best first. Ties: the last logged.

        The score is (1 + cosine) / 2, that of `EventSearch`.
        """
        held_ids = records.held_ids(ClaimKind.EVENT)
        found = [
            (event_id, vector)
            for span in spans
            for event_id, vector in self._vectors(records, *span)
            if event_id not in held_ids
        ]
        scores = (1 + self._cosines([vector for _, vector in found])) / 2
        order = np.lexsort((np.array([-event_id for event_id, _ in found]), -scores))
        return [
            ScoredEvent(found[i][0], score, self._cues(score))
            for i, score in zip(order.tolist(), scores[order].tolist(), strict=True)
        ]

    def _vectors(self, records: Records, first_id: int, last_id: int) -> list[tuple[int, Vector]]:
        between = "event_id BETWEEN ? AND ?"
        if self.is_meaning:
            return [
                (row.event_id, unpack(row.vector))
                for row in records.embeddings.select(between, first_id, last_id)
            ]
        rows = records.events.select(between, first_id, last_id)
        return [(row.event_id, hashed_words(row.text)) for row in rows]

    def _cosines(self, vectors: Sequence[Vector]) -> NDArray[np.float64]:
        matrix = np.array(vectors, np.float32).reshape(-1, len(self.vector))
        norms = np.linalg.norm(matrix, axis=1)
        cosines = matrix @ self.vector / np.where(norms > 0, norms, 1)
        return np.asarray(cosines, np.float64)

    def _cues(self, score: float) -> Cues:
        return Cues(similarity=score) if self.is_meaning else Cues(text=score)


def cue_of(records: Records, *, text: str | None, embedding: ArrayLike | None) -> Cue:
    """Return what is looked for; the embedding decides where there is one."""
    if embedding is None:
        if not text or not (words := hashed_words(text)).any():
            raise QueryError("say what to look for: words that say something, or an embedding")
        return Cue(words, is_meaning=False)
    try:
        vector = checked_embedding(embedding)
    except (DataError, TypeError, ValueError) as err:
        raise QueryError(f"this is no embedding: {err}") from err
    dim = records.counter("embedding_dim") or None
    if dim is not None and len(vector) != dim:
        raise QueryError(f"the events' embeddings have {dim} numbers, this one {len(vector)}")
    return Cue(vector, is_meaning=True)

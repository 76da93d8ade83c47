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
from robomem.store.records import Records

Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Cue:
    """A meaning, (D,), or words, (B,), of unit length."""

    vector: Vector
    is_meaning: bool

    def best(self, records: Records, where: str, *values: object, count: int) -> list[int]:
        """Return the ids of those episodes of a choice whose mean fits best. Ties: the later."""
        field = "meaning" if self.is_meaning else "words"
        sums = records.episodes.values(
            ("episode_id", field), f"{where} AND {field} IS NOT NULL", *values
        )
        ids, fits = self._compared(sums, "<f4")
        return [ids[i] for i in np.lexsort((-np.array(ids), -fits))[:count]]

    def ranked(self, records: Records, spans: Sequence[tuple[int, int]]) -> list[ScoredEvent]:
        """Return the events of spans of ids that can be compared, best first. Ties: the last logged.

        The score is (1 + cosine) / 2, that of `EventSearch`.
        """
        held_ids = records.held_ids(ClaimKind.EVENT)
        found = [
            (event_id, values)
            for span in spans
            for event_id, values in self._vectors(records, *span)
            if event_id not in held_ids
        ]
        ids, fits = self._compared(found, "i1" if self.is_meaning else "<f4")
        scores = ((1 + fits) / 2).tolist()
        order = np.lexsort((-np.array(ids), -fits)).tolist()
        return [ScoredEvent(ids[i], scores[i], self._cues(scores[i])) for i in order]

    def _vectors(self, records: Records, first_id: int, last_id: int) -> list[tuple[int, bytes]]:
        between = "event_id BETWEEN ? AND ?"
        if self.is_meaning:
            return records.embeddings.values(("event_id", "vector"), between, first_id, last_id)
        texts = records.events.values(("event_id", "text"), between, first_id, last_id)
        return [(event_id, hashed_words(text).tobytes()) for event_id, text in texts]

    def _compared(
        self, vectors: Sequence[tuple[int, bytes]], form: str
    ) -> tuple[list[int], NDArray[np.float64]]:
        """Return the ids and the cosines of vectors of any length, given as their bytes."""
        joined = np.frombuffer(b"".join(values for _, values in vectors), form)
        matrix = joined.reshape(-1, len(self.vector)).astype(np.float32)
        norms = np.linalg.norm(matrix, axis=1)
        cosines = matrix @ self.vector / np.where(norms > 0, norms, 1)
        return [i for i, _ in vectors], np.asarray(cosines, np.float64)

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

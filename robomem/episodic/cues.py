"""What is looked for, held against episodes and events: the same vector against means and against each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from robomem.checks import checked_embedding
from robomem.episodic.search import Cues, ScoredEvent
from robomem.episodic.segments import Beat
from robomem.episodic.words import hashed_words
from robomem.errors import DataError, QueryError
from robomem.store.episode_rows import EpisodeRow
from robomem.store.records import Records


@dataclass(frozen=True, slots=True, eq=False)
class Cue:
    """A meaning, (D,), or words, (B,), of unit length."""

    vector: NDArray[np.float32]
    is_meaning: bool

    def best(self, rows: Sequence[EpisodeRow], count: int) -> list[EpisodeRow]:
        """Return the episodes whose mean fits best; what has none is left out. Ties: the later."""
        sums = [row.meaning if self.is_meaning else row.words for row in rows]
        fits = [
            -1.0 if values is None else self._cosine(np.frombuffer(values, "<f4"))
            for values in sums
        ]
        order = sorted(range(len(rows)), key=lambda i: (-fits[i], -rows[i].episode_id))
        return [rows[i] for i in order if sums[i] is not None][:count]

    def ranked(self, beats: Sequence[Beat]) -> list[ScoredEvent]:
        """Return the events that can be compared, best first; the score is (1 + cosine) / 2. Ties: the newer."""
        found = []
        for beat in beats:
            vector = beat.embedding if self.is_meaning else beat.words
            if vector is not None:
                score = (1 + self._cosine(vector)) / 2
                cues = Cues(similarity=score) if self.is_meaning else Cues(text=score)
                found.append((-score, -beat.stamp_ns, beat.event_id, cues))
        found.sort(key=lambda hit: hit[:3])
        return [ScoredEvent(event_id, -score, cues) for score, _, event_id, cues in found]

    def _cosine(self, vector: NDArray[np.float32]) -> float:
        norm = float(np.sqrt(vector @ vector))
        return float(vector @ self.vector) / norm if norm else 0.0


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

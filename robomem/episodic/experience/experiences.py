"""What was tried: recorded, recalled when something alike is to be done, distilled into procedures."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from robomem.checks import checked_embedding
from robomem.claims import Admit, Claim, ClaimKind, Statement, take
from robomem.config import ExperienceConfig
from robomem.episodic.experience.distiller import Distiller
from robomem.episodic.experience.precedents import Experience, Precedent, Precedents
from robomem.episodic.experience.procedures import Procedure, key_of
from robomem.episodic.words import words_of
from robomem.errors import DataError, FrameError, QueryError, Reason
from robomem.geometry import inverse, transform
from robomem.store.access import Access
from robomem.store.experience_rows import ExperienceRow
from robomem.store.records import Records
from robomem.types import Vector

MAX_QUERY_WORDS = 64
TEXT_WEIGHT = 0.5  # the rest is the embedding's, where one was given


def _ignore(experience: Experience, experience_id: int) -> None:
    del experience, experience_id


class Experiences:
    """The experience of one memory: what worked and what failed, in one pool, as Optimus-1 has it (Li et al., 2024).

    `admit` judges whether something may be learned from; `on_failure` is told of what failed, with its id.
    """

    def __init__(
        self,
        access: Access,
        config: ExperienceConfig,
        *,
        admit: Admit = take,
        on_failure: Callable[[Experience, int], object] = _ignore,
    ) -> None:
        self._access = access
        self._config = config
        self._admit = admit
        self._on_failure = on_failure

    def record(self, experience: Experience) -> int:
        """Remember what was tried, durable when this returns, and learn from it; returns its id.

        Raises:
            DataError: Its embedding has another size than those before.
            FrameError: It has a place, and there is no keyframe yet that the place could hang on.
        """
        with self._access.writing() as records:
            row = self._row(records, experience)
            records.experiences.save(row)
            if self._admit(_claim(experience), row.experience_id):
                Distiller(records, self._config).learn(row)
            if not experience.is_success:
                self._on_failure(experience, row.experience_id)
            return row.experience_id

    def judged(self, experience_id: int) -> None:
        """Learn anew from the experiences of a task, for one of them is believed now, or no longer."""
        with self._access.writing() as records:
            row = records.experiences.get(experience_id)
            if row is not None:
                Distiller(records, self._config).relearn(row.task_key)

    def similar(
        self,
        task: str,
        *,
        state: str = "",
        embedding: ArrayLike | None = None,
        is_success: bool | None = None,
        k: int = 5,
    ) -> Precedents:
        """Return what was tried of this kind: the k successes and the k failures most alike.

            score = text                           without an embedding,
                    (text + max(cos, 0)) / 2       with one (0 for an experience that has none)

        where text is BM25 of any word of task and state, against the best. Ties: the newest first.

        Args:
            task: What is to be done, in words.
            state: How things stand, in words.
            embedding: Of both, (D,).
            is_success: True for successes only, False for failures only.
            k: How many of each at most.

        Raises:
            QueryError: k is less than one.
            DataError: The embedding has another size than the remembered ones.
        """
        if k < 1:
            raise QueryError(f"k is at least 1, got {k}")
        query = None if embedding is None else checked_embedding(embedding)
        with self._access.reading() as records:
            held_ids = records.held_ids(ClaimKind.EXPERIENCE)
            scores = _scores(records, words_of(f"{task} {state}")[:MAX_QUERY_WORDS], query)
            best = sorted(scores.keys() - held_ids, key=lambda i: (-scores[i], -i))
            outcomes = dict(records.experiences.values(("experience_id", "is_success")))
            both = [
                _precedents(records, [i for i in best if outcomes[i] == wanted][:k], scores)
                if is_success in (None, wanted)
                else ()
                for wanted in (True, False)
            ]
        return Precedents(*both)

    def all(self) -> list[Precedent]:
        """Return every experience that is not held, by id; the score of each is 1."""
        with self._access.reading() as records:
            held_ids = records.held_ids(ClaimKind.EXPERIENCE)
            rows = records.experiences.select()
            return [_precedent(records, r, 1.0) for r in rows if r.experience_id not in held_ids]

    def procedures(
        self, task: str | None = None, *, with_deprecated: bool = False
    ) -> list[Procedure]:
        """Return how a task is done by what was experienced, the most trusted first.

        Args:
            task: In words, as it was when it was tried but for case and articles; None for every task.
            with_deprecated: Also those that were given up.
        """
        with self._access.reading() as records:
            found = Distiller(records, self._config).procedures(task)
        wanted = [p for p in found if with_deprecated or p.is_active]
        return sorted(wanted, key=lambda p: (not p.is_active, -p.trust, -p.procedure_id))

    def erase(self, experience_ids: Iterable[int]) -> int:
        """Delete experiences, and learn anew from the others of their tasks; see `Memory.forget`."""
        with self._access.writing() as records:
            rows = [r for i in dict.fromkeys(experience_ids) if (r := records.experiences.get(i))]
            for row in rows:
                records.experiences.delete("experience_id = ?", row.experience_id)
            records.drop_claims(ClaimKind.EXPERIENCE, [row.experience_id for row in rows])
            for task_key in dict.fromkeys(row.task_key for row in rows):
                Distiller(records, self._config).relearn(task_key)
            return len(rows)

    def _row(self, records: Records, experience: Experience) -> ExperienceRow:
        keyframe_id, p_kf = _hung(records, experience.p_map)
        embedding = experience.embedding
        if embedding is not None:
            _check_size(records, embedding)
        return ExperienceRow(
            experience_id=records.next_id("experience"),
            stamp_ns=experience.stamp_ns,
            task_key=key_of(experience.task),
            task=experience.task,
            state=experience.state,
            plan="\n".join(experience.plan),
            is_success=bool(experience.is_success),
            outcome=experience.outcome,
            source=experience.source,
            keyframe_id=keyframe_id,
            p_kf=p_kf,
            embedding=None if embedding is None else embedding.astype("<f4").tobytes(),
            procedure_id=None,
        )


def _claim(experience: Experience) -> Claim:
    plan = "; ".join(experience.plan)
    how = Statement(
        experience.task, "done by", plan, not experience.is_success, is_functional=False
    )
    words = experience.state, experience.task, plan, experience.outcome
    return Claim(
        kind=ClaimKind.EXPERIENCE,
        source=experience.source,
        stamp_ns=experience.stamp_ns,
        text=". ".join(text for text in words if text),
        statement=how,
    )


def _scores(
    records: Records, words: Sequence[str], query: NDArray[np.float32] | None
) -> dict[int, float]:
    """Return how much each experience is like what is asked for; those that are not at all are left out."""
    fits = records.experience_index.search(words)
    best = max(fits.values(), default=1.0)
    texts = {i: fit / best for i, fit in fits.items()}
    if query is None:
        return texts
    _check_size(records, query)
    cosines = {
        i: max(0.0, float(np.frombuffer(values, "<f4") @ query))
        for i, values in records.experience_index.embeddings()
    }
    return {
        i: TEXT_WEIGHT * texts.get(i, 0.0) + (1 - TEXT_WEIGHT) * cosines.get(i, 0.0)
        for i in texts.keys() | cosines.keys()
    }


def _check_size(records: Records, embedding: NDArray[np.float32]) -> None:
    first = next(iter(records.experience_index.embeddings()), None)
    if first is not None and len(first[1]) != 4 * len(embedding):
        raise DataError(
            f"embeddings of experiences are of size {len(first[1]) // 4} here, got {len(embedding)}",
            reason=Reason.EMBEDDING_SIZE,
        )


def _hung(records: Records, p_map: Vector | None) -> tuple[int, Vector] | tuple[None, None]:
    """Hang a place on the latest keyframe."""
    if p_map is None:
        return None, None
    keyframe = records.keyframes.last()
    if keyframe is None:
        raise FrameError(
            "a place hangs on a keyframe, and there is none yet: observe something, or leave it out",
            reason=Reason.NO_TRANSFORM,
        )
    return keyframe.keyframe_id, transform(inverse(keyframe.T_map_kf.reshape(4, 4)), p_map)


def _precedents(
    records: Records, experience_ids: Sequence[int], scores: Mapping[int, float]
) -> tuple[Precedent, ...]:
    rows = [row for i in experience_ids if (row := records.experiences.get(i)) is not None]
    return tuple(_precedent(records, row, scores[row.experience_id]) for row in rows)


def _precedent(records: Records, row: ExperienceRow, score: float) -> Precedent:
    p_map = None
    if row.p_kf is not None:
        keyframe = records.keyframes.get(row.keyframe_id)
        assert keyframe is not None, "what hangs on it keeps it"
        p_map = transform(keyframe.T_map_kf.reshape(4, 4), row.p_kf)
    experience = Experience(
        stamp_ns=row.stamp_ns,
        task=row.task,
        plan=tuple(row.plan.split("\n")),
        is_success=row.is_success,
        outcome=row.outcome,
        state=row.state,
        source=row.source,
        p_map=p_map,
        embedding=None if row.embedding is None else np.frombuffer(row.embedding, "<f4"),
    )
    return Precedent(row.experience_id, score, experience, row.procedure_id)

"""Procedures are born, counted and given up as experiences come in.

born        when `min_successes` successes of a task that followed none share a skeleton
counted     every later experience whose plan follows it
given up    when it fails, see `procedures.is_failing`; for good
born again  as a new version, from successes since

So procedures are a fold over the experiences of a task in the order of their ids: `relearn` makes the same.
"""

from collections.abc import Sequence
from dataclasses import replace

from robomem.claims import ClaimKind
from robomem.config import ExperienceConfig
from robomem.episodic.experience.procedures import (
    Procedure,
    common_steps,
    follows,
    is_failing,
    key_of,
    skeleton,
    wilson_bounds,
)
from robomem.store.experience_rows import ExperienceRow, ProcedureRow
from robomem.store.records import Records

MAX_LOOSE = 64  # the latest experiences that a procedure may be distilled from


class Distiller:
    """Learns procedures from the experiences of one memory, inside the caller's transaction."""

    def __init__(self, records: Records, config: ExperienceConfig) -> None:
        self._records = records
        self._config = config

    def learn(self, row: ExperienceRow) -> None:
        """Count a saved experience for the procedure that it followed, or distil a new one from it."""
        followed = self._followed(row)
        if followed is None:
            self._distil(row)
            return
        self._records.experiences.save(replace(row, procedure_id=followed.procedure_id))
        outcomes = [r.is_success for r in self._evidence(followed)]
        if is_failing(outcomes, recent=self._config.recent_uses, min_rate=self._config.min_rate):
            self._records.procedures.save(replace(followed, deprecated_ns=row.stamp_ns))

    def relearn(self, task_key: str) -> None:
        """Learn the procedures of a task anew, as if the experiences that there are came in again."""
        self._records.procedures.delete("task_key = ?", task_key)
        rows = self._records.experiences.select("task_key = ?", task_key)
        rows = [replace(row, procedure_id=None) for row in rows]
        for row in rows:
            self._records.experiences.save(row)
        held_ids = self._records.held_ids(ClaimKind.EXPERIENCE)
        for row in rows:
            if row.experience_id not in held_ids:
                self.learn(row)

    def procedures(self, task: str | None) -> list[Procedure]:
        """Return the procedures of a task, or all, by id."""
        if task is None:
            rows = self._records.procedures.select()
        else:
            rows = self._records.procedures.select("task_key = ?", key_of(task))
        return [self._procedure(row) for row in rows]

    def _followed(self, row: ExperienceRow) -> ProcedureRow | None:
        """Return the active procedure that a plan follows: the longest, then the newest."""
        active = self._records.procedures.select(
            "task_key = ? AND deprecated_ns IS NULL", row.task_key
        )
        plan, overlap = _lines(row.plan), self._config.plan_overlap
        return max(
            (p for p in active if follows(plan, _lines(p.steps), overlap=overlap)),
            key=lambda p: (len(_lines(p.steps)), p.procedure_id),
            default=None,
        )

    def _distil(self, row: ExperienceRow) -> None:
        """Make a procedure of what this success and the last few that followed none have in common.

        It is judged by all that was tried so since the first of them: how the world was before, says little.
        """
        if not row.is_success:
            return
        loose, config = self._loose(row), self._config
        successes = [row, *(r for r in loose if r.is_success)]
        steps, joined = skeleton(
            (_lines(r.plan) for r in successes),
            count=config.min_successes,
            overlap=config.plan_overlap,
        )
        if len(joined) < config.min_successes:
            return
        since = successes[joined[-1]].experience_id
        evidence = [row, *(r for r in loose if r.experience_id >= since and self._is_of(r, steps))]
        rate_at_most = wilson_bounds(sum(r.is_success for r in evidence), len(evidence))[1]
        if rate_at_most >= config.min_rate:
            self._bear(row, steps, evidence)

    def _loose(self, row: ExperienceRow) -> list[ExperienceRow]:
        """Return the experiences of the same task before that followed no procedure, the newest first."""
        rows = self._records.experiences.first(
            "task_key = ? AND procedure_id IS NULL AND experience_id < ?",
            row.task_key,
            row.experience_id,
            order="experience_id DESC",
            limit=MAX_LOOSE,
        )
        held_ids = self._records.held_ids(ClaimKind.EXPERIENCE)
        return [row for row in rows if row.experience_id not in held_ids]

    def _bear(
        self, row: ExperienceRow, steps: Sequence[str], evidence: Sequence[ExperienceRow]
    ) -> None:
        before = self._version_before(row.task_key, steps)
        procedure = ProcedureRow(
            procedure_id=self._records.next_id("procedure"),
            task_key=row.task_key,
            task=row.task,
            steps="\n".join(steps),
            version=before.version + 1 if before else 1,
            supersedes=before.procedure_id if before else None,
            born_ns=row.stamp_ns,
            deprecated_ns=None,
        )
        self._records.procedures.save(procedure)
        for r in evidence:
            self._records.experiences.save(replace(r, procedure_id=procedure.procedure_id))

    def _version_before(self, task_key: str, steps: Sequence[str]) -> ProcedureRow | None:
        """Return the last one that was given up and whose steps these are, about."""
        rows = self._records.procedures.select(
            "task_key = ? AND deprecated_ns IS NOT NULL", task_key
        )
        alike = [
            row
            for row in rows
            if len(common_steps(steps, _lines(row.steps)))
            >= self._config.plan_overlap * max(len(steps), len(_lines(row.steps)))
        ]
        return alike[-1] if alike else None

    def _evidence(self, procedure: ProcedureRow) -> list[ExperienceRow]:
        return self._records.experiences.select("procedure_id = ?", procedure.procedure_id)

    def _is_of(self, row: ExperienceRow, steps: Sequence[str]) -> bool:
        return follows(_lines(row.plan), steps, overlap=self._config.plan_overlap)

    def _procedure(self, row: ProcedureRow) -> Procedure:
        evidence = self._evidence(row)
        successes = sum(r.is_success for r in evidence)
        return Procedure(
            procedure_id=row.procedure_id,
            task=row.task,
            steps=tuple(_lines(row.steps)),
            version=row.version,
            supersedes=row.supersedes,
            successes=successes,
            failures=len(evidence) - successes,
            trust=wilson_bounds(successes, len(evidence))[0],
            born_ns=row.born_ns,
            deprecated_ns=row.deprecated_ns,
        )


def _lines(text: str) -> list[str]:
    return text.split("\n")

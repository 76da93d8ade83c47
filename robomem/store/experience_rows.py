"""The rows of experience: what was tried, and what is distilled from it."""

from dataclasses import dataclass

from robomem.store.rows import Array


@dataclass(frozen=True, slots=True, eq=False)
class ExperienceRow:
    """See `episodic.experience.Experience`.

    Attributes:
        task_key: The task as tasks are compared.
        plan: Its steps, a line each.
        p_kf: Where it was, (3,) metres in its keyframe.
        embedding: (D,) float32.
        procedure_id: The procedure that it followed, or helped to distil.
    """

    experience_id: int
    stamp_ns: int
    task_key: str
    task: str
    state: str
    plan: str
    is_success: bool
    outcome: str
    source: str
    keyframe_id: int | None
    p_kf: Array | None
    embedding: bytes | None
    procedure_id: int | None


@dataclass(frozen=True, slots=True, eq=False)
class ProcedureRow:
    """See `episodic.experience.Procedure`; its counts are those of the experiences that followed it.

    `steps` has a line each; `deprecated_ns` once set is never taken back.
    """

    procedure_id: int
    task_key: str
    task: str
    steps: str
    version: int
    supersedes: int | None
    born_ns: int
    deprecated_ns: int | None

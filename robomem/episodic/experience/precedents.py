"""One thing that was tried, and how it is recalled."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robomem.checks import checked_embedding, checked_stamp, checked_text, checked_vector
from robomem.errors import DataError, Reason
from robomem.types import Vector

MAX_STEPS = 256
MAX_TEXT_CHARS = 4096


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Experience:
    """A task that was tried in some state: by which plan, and how it went.

    The record of MINDSTORES (Chari et al., 2025): state, task, plan, outcome; failures are as good as successes.

    Attributes:
        stamp_ns: When, nanoseconds since the epoch of the data.
        task: What was to be done, in words.
        plan: The steps, in words, in order.
        is_success: How it went,
        outcome: and what came of it, in words.
        state: How things stood before, in words.
        source: Who says so.
        p_map: Where, (3,) metres in map.
        embedding: Of state and task, (D,) float32 of unit length; the same D for all of a memory.

    Raises:
        DataError: There is no task or no plan, a text is too long, or a number is wrong.
    """

    stamp_ns: int
    task: str
    plan: tuple[str, ...]
    is_success: bool
    outcome: str = ""
    state: str = ""
    source: str = "robot"
    p_map: Vector | None = None
    embedding: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "stamp_ns", checked_stamp(self.stamp_ns))
        if not isinstance(self.is_success, bool | np.bool_):
            raise DataError(f"is_success is true or false, got {self.is_success!r}")
        for name in ("task", "source"):
            object.__setattr__(self, name, _checked_words(getattr(self, name), name))
        for name in ("outcome", "state"):
            text = getattr(self, name)
            object.__setattr__(self, name, _checked_words(text, name) if text else "")
        object.__setattr__(self, "plan", _checked_plan(self.plan))
        if self.p_map is not None:
            object.__setattr__(self, "p_map", checked_vector(self.p_map, size=3, name="p_map"))
        if self.embedding is not None:
            object.__setattr__(self, "embedding", checked_embedding(self.embedding))


@dataclass(frozen=True, slots=True, eq=False)
class Precedent:
    """An experience that is like what is to be done now; `score` in [0, 1] says how much."""

    experience_id: int
    score: float
    experience: Experience
    procedure_id: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Precedents:
    """What worked before and what did not, each the most alike first."""

    successes: tuple[Precedent, ...]
    failures: tuple[Precedent, ...]

    def __bool__(self) -> bool:
        return bool(self.successes or self.failures)


def _checked_plan(plan: Sequence[str]) -> tuple[str, ...]:
    if isinstance(plan, str):
        raise DataError(f"a plan is a sequence of steps, got one text {plan[:40]!r}")
    steps = tuple(_checked_words(step, "a step") for step in plan)
    if not 0 < len(steps) <= MAX_STEPS:
        raise DataError(f"a plan has 1 to {MAX_STEPS} steps, got {len(steps)}")
    return steps


def _checked_words(text: str, name: str) -> str:
    words = checked_text(text, name)
    if len(words) > MAX_TEXT_CHARS:
        raise DataError(
            f"{name} has at most {MAX_TEXT_CHARS} characters, got {len(words)}",
            reason=Reason.TEXT_LENGTH,
        )
    return words

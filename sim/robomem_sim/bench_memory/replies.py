"""Answers of any system in one form, and whether they are right."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from robomem_sim.lives.home import Home, Vector
from robomem_sim.lives.questions import PLACE_TOLERANCE_M, Asked, Question, Right

DURATION_TOLERANCE = 0.2  # of the true one,
DURATION_TOLERANCE_S = 60.0  # and so many seconds
ALIKE = 0.5  # a set is about right from this Jaccard index on


@dataclass(frozen=True, slots=True, eq=False)
class Said:
    """One thing that an answer says: when, where, in which words, of what or whom."""

    stamp_ns: int | None
    p_map: Vector | None
    text: str
    names: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class Reply:
    """An answer: what it says, best first.

    Attributes:
        said: What it says.
        is_found: False where it abstains.
        value: How many, or how many seconds.
        is_yes: Yes or no.
    """

    said: tuple[Said, ...] = ()
    is_found: bool = False
    value: float | None = None
    is_yes: bool | None = None

    def with_value(self, value: float) -> "Reply":
        """Return it with a number."""
        return replace(self, value=value)

    def with_yes(self, is_yes: bool) -> "Reply":
        """Return it with a yes or no."""
        return replace(self, is_yes=is_yes)


def rank_of_right(question: Question, reply: Reply) -> int | None:
    """Return which of what an answer says is right, from 0; None where nothing is.

    A number or a yes is right or not (0 or None). A set of names is right (0) where it is the true one, and about
    right (1) from a Jaccard index of ALIKE on. What never was is right to abstain from.
    """
    right = question.right
    if right is None:
        return None if reply.is_found and not _is_zero(question, reply) else 0
    if right.value is not None:
        return 0 if _is_number_right(question, right, reply) else None
    if right.is_yes is not None:
        return 0 if reply.is_yes is right.is_yes else None
    if right.names:
        return _rank_of_names(question, right, reply.said)
    return next((i for i, said in enumerate(reply.said) if _is_said_right(right, said)), None)


def place_error_m(question: Question, reply: Reply) -> float | None:
    """Return how far the best place said is from the true one; None where none is said."""
    if question.right is None or question.right.p_map is None or not reply.said:
        return None
    p_map = reply.said[0].p_map
    return None if p_map is None else float(np.linalg.norm(p_map[:2] - question.right.p_map[:2]))


def is_room_right(question: Question, reply: Reply, home: Home) -> bool:
    """Tell whether the best place said is in the right room."""
    if question.right is None or not reply.said or reply.said[0].p_map is None:
        return False
    return home.room_at(reply.said[0].p_map) == question.right.room


def _is_zero(question: Question, reply: Reply) -> bool:
    return question.words.startswith("how many") and reply.value == 0


def _is_number_right(question: Question, right: Right, reply: Reply) -> bool:
    if reply.value is None or right.value is None:
        return False
    if question.asked is not Asked.DURATION:
        return reply.value == right.value
    tolerance_s = max(DURATION_TOLERANCE_S, DURATION_TOLERANCE * right.value)
    return abs(reply.value - right.value) <= tolerance_s


def _rank_of_names(question: Question, right: Right, said: Sequence[Said]) -> int | None:
    if question.asked is Asked.WHO:
        return next((i for i, one in enumerate(said) if one.names & right.names), None)
    told = frozenset[str]().union(*(one.names for one in said)) - right.doubtful
    if told == right.names:
        return 0
    alike = len(told & right.names) / len(told | right.names)
    return 1 if alike >= ALIKE else None


def _is_said_right(right: Right, said: Said) -> bool:
    if right.p_map is not None:
        off = None if said.p_map is None else np.linalg.norm(said.p_map[:2] - right.p_map[:2])
        return off is not None and bool(off <= PLACE_TOLERANCE_M)
    stamp_ns = said.stamp_ns
    return stamp_ns is not None and any(low <= stamp_ns <= high for low, high in right.spans_ns)

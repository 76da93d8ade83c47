"""What others said of the same: who agrees, who disagrees, and how many voices that are.

The consensus over related memories is A-MemGuard's (Wei et al., "A-MemGuard: a proactive defense framework for
LLM-based agent memory", 2025), with statements compared by rules where it asks a language model.
"""

from collections.abc import Iterable

from robomem.claims import ClaimKind, Ground, Level, Ruling, Statement
from robomem.config import GuardConfig
from robomem.guard.reading import says_more
from robomem.guard.sources import Sources
from robomem.guard.witness import Stand, names_room
from robomem.guard.words import fold, likeness
from robomem.sentences.words import STATES
from robomem.store.guard_rows import ClaimRow

NEAR_COPY = 0.6  # so much in common, and not the same: one word was changed
_GROUP = {state: group for group in STATES for state in group}


def statement_of(row: ClaimRow) -> Statement | None:
    """Return what a claim states, None where that is not known."""
    if not row.subject:
        return None
    return Statement(
        row.subject, row.relation, row.value, row.is_negated, row.is_change, row.is_functional
    )


def compare(other: ClaimRow, claim: ClaimRow) -> Stand:
    """Return how another claim stands to one: by what they state, or by their words.

    That the red mug is here means that a mug is; that a mug is here does not mean that the red one is. Who says more
    than the other one is not agreed with.
    """
    first, second = statement_of(other), statement_of(claim)
    is_same = set(fold(other.text)) == set(fold(claim.text))
    if first is None or second is None:
        return Stand.AGREES if is_same else Stand.SILENT
    stand = _compare(first, second)
    is_more = stand is Stand.AGREES and claim.kind is ClaimKind.EVENT and says_more(claim.text)
    return Stand.SILENT if is_more and not is_same else stand


def is_near_copy(a: ClaimRow, b: ClaimRow) -> bool:
    """Tell whether a claim says something else than another one in almost the same words."""
    return compare(a, b) is not Stand.AGREES and likeness(a.text, b.text) >= NEAR_COPY


def _compare(a: Statement, b: Statement) -> Stand:
    words_a, words_b = set(a.subject.split()), set(b.subject.split())
    if a.relation != b.relation or not (words_a <= words_b or words_b <= words_a):
        return Stand.SILENT
    if _is_same_value(a, b):
        if a.is_negated != b.is_negated:
            return Stand.DISAGREES
        return Stand.AGREES if words_b <= words_a else Stand.SILENT
    if a.is_negated and b.is_negated:
        return Stand.SILENT
    if a.is_negated or b.is_negated:  # "it is gone", and "it is in the kitchen"
        return Stand.DISAGREES if not (a.value and b.value) else Stand.SILENT
    return Stand.DISAGREES if _excludes(a, b) else Stand.SILENT


def _is_same_value(a: Statement, b: Statement) -> bool:
    words_a, words_b = set(a.value.split()), set(b.value.split())
    if a.relation == "at" and words_a and words_b:
        return words_a <= words_b or words_b <= words_a
    return words_a == words_b


def _excludes(a: Statement, b: Statement) -> bool:
    """Tell whether two different values cannot both be true."""
    if a.relation == "called":
        return False
    if a.relation == "is":
        return b.value in _GROUP.get(a.value, ())
    if a.relation == "at":  # on the table, and in the kitchen: both may be
        return names_room(tuple(a.value.split())) == names_room(tuple(b.value.split()))
    return a.is_functional and b.is_functional


class Voices:
    """Counts who corroborates a claim."""

    def __init__(self, sources: Sources, config: GuardConfig) -> None:
        self._sources = sources
        self._config = config

    def corroborate(self, claim: ClaimRow, others: Iterable[ClaimRow]) -> tuple[ClaimRow, ...]:
        """Return the claims that corroborate one, by id; empty where they are too few.

        A known person, or somebody who has earned standing, is a voice; everybody else is one voice together, for
        who makes one name makes ten. Copies are the voice of whoever said it first. The web is none.
        """
        within_ns = self._config.corroborate_s * 1e9
        said = [
            row
            for row in (claim, *others)
            if abs(row.stamp_ns - claim.stamp_ns) <= within_ns
            if row is claim or (row.source != claim.source and self._counts(row))
        ]
        said.sort(key=lambda row: (row.stamp_ns, row.kind, row.item_id))
        originals: list[ClaimRow] = []
        for row in said:
            if row is claim or not any(self._is_copy(row, first) for first in originals):
                originals.append(row)
        voices = {self._voice(row) for row in originals}
        supporters = tuple(row for row in originals if row.source != claim.source)
        has_standing = any(self._has_standing(row) for row in supporters)
        return supporters if has_standing and len(voices) >= self._config.voices else ()

    def _counts(self, row: ClaimRow) -> bool:
        is_honest = row.ground not in (Ground.INJECTION, Ground.REJECTED, Ground.FLOOD)
        return is_honest and self._sources.level(row.source) is not Level.UNTRUSTED

    def _has_standing(self, row: ClaimRow) -> bool:
        is_admitted = row.ruling is Ruling.ADMIT
        return is_admitted and self._sources.trust(row.source, now_ns=row.stamp_ns).has_standing

    def _voice(self, row: ClaimRow) -> str:
        return row.source if self._has_standing(row) else ""

    def _is_copy(self, row: ClaimRow, first: ClaimRow) -> bool:
        """Tell whether somebody unknown repeats what another one has just said, in the same words."""
        return (
            row.source != first.source
            and self._sources.level(row.source) is Level.UNKNOWN
            and row.stamp_ns - first.stamp_ns <= self._config.copy_s * 1e9
            and likeness(row.text, first.text) >= self._config.copy_likeness
        )

"""Lessons from failures, kept apart from what is believed, and read before acting.

The second memory of A-MemGuard's dual structure (Wei et al., 2025).
"""

import math
from collections import Counter
from dataclasses import replace

from robomem.claims import ClaimKind, Lesson
from robomem.guard.words import fold
from robomem.store.guard_rows import ClaimRow, LessonRow
from robomem.store.records import Records


class Lessons:
    """What went wrong, and where it is told again; inside the caller's transaction."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def add(self, lesson: Lesson, *, of: tuple[ClaimKind, int] | None, is_held: bool) -> Lesson:
        """Keep a lesson under a new number; `of` is the memory that taught it."""
        kind, item_id = of or (None, None)
        row = LessonRow(
            lesson_id=self._records.next_id("lesson"),
            situation=lesson.situation,
            went_wrong=lesson.went_wrong,
            source=lesson.source,
            stamp_ns=lesson.stamp_ns,
            kind=kind,
            item_id=item_id,
            is_held=is_held,
        )
        self._records.lessons.save(row)
        return _lesson(row)

    def all(self) -> list[Lesson]:
        """Return every lesson that is not held, by number."""
        return [_lesson(row) for row in self._records.lessons.select("NOT is_held")]

    def follow(self, claim: ClaimRow, *, is_held: bool) -> None:
        """Hold, or let out, what a claim itself taught; that it was a lie is the robot's lesson, and is told."""
        own = "kind = ? AND item_id = ? AND source = ?"
        for row in self._records.lessons.select(own, claim.kind, claim.item_id, claim.source):
            self._records.lessons.save(replace(row, is_held=is_held))

    def consult(self, situation: str, *, limit: int) -> list[Lesson]:
        """Return the lessons whose words fit a situation or a plan, best first; what was learnt twice once.

        The score is the cosine between the words that each has, weighted by how rare they are among lessons.
        """
        rows = self._records.lessons.select("NOT is_held")
        words_of = [frozenset(fold(f"{row.situation} {row.went_wrong}")) for row in rows]
        seen = Counter(word for words in words_of for word in words)
        rarity = {word: math.log1p(len(rows) / count) for word, count in seen.items()}
        asked = frozenset(fold(situation)) & seen.keys()
        scored = [
            (_cosine(asked, words, rarity), row) for row, words in zip(rows, words_of, strict=True)
        ]
        scored.sort(key=lambda pair: (-pair[0], -pair[1].stamp_ns, pair[1].lesson_id))
        found: dict[tuple[str, str], Lesson] = {}
        for score, row in scored:
            if score > 0:
                found.setdefault((row.situation, row.went_wrong), _lesson(row, score))
        return list(found.values())[:limit]


def _cosine(a: frozenset[str], b: frozenset[str], rarity: dict[str, float]) -> float:
    def length(words: frozenset[str]) -> float:
        return math.sqrt(math.fsum(rarity[word] ** 2 for word in words))

    shared = math.fsum(rarity[word] ** 2 for word in a & b)
    return shared / (length(a) * length(b)) if shared else 0.0


def _lesson(row: LessonRow, score: float = 1.0) -> Lesson:
    return Lesson(row.lesson_id, row.situation, row.went_wrong, row.source, row.stamp_ns, score)

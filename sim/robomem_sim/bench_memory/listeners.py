"""Who listens to hearsay: a memory of facts, a store of captions, a buffer of the last ones, and who errs in nothing.

The caption store keeps sentences with the time they were said at, finds them by their words (rarer ones count more) and lets
the newest win. Its reader understands every sentence, knows which relation is asked for and reads on under other names that it
came across. What it lacks is what a caption lacks: since when it is so, and what else it contradicts.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log
from typing import Protocol

from robomem.semantic.facts import Facts
from robomem_sim.bench_memory.hearsay import Hearsay, Said

TOP_K = 15


class Listener(Protocol):
    """Something that was told a month of hearsay."""

    def answer(self, subject: str, relation: str, *, as_of_ns: int, known_at_ns: int) -> str | None:
        """Return what a relation leads to, None where it is not known."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """A memory's facts."""

    facts: Facts

    def answer(self, subject: str, relation: str, *, as_of_ns: int, known_at_ns: int) -> str | None:
        """Ask for what holds."""
        found = self.facts.ask(subject, relation, as_of_ns=as_of_ns, known_at_ns=known_at_ns)
        objects = [fact.object for fact in found if not fact.is_denied]
        return objects[0] if objects else None


class CaptionStore:
    """Captions found by their words; with `last` only so many of them, as a buffer keeps."""

    def __init__(self, said: Sequence[Said], *, last: int | None = None) -> None:
        self._said = said
        self._last = last
        self._words = [words_of(s.text) for s in said]
        counts = Counter(word for words in self._words for word in words)
        self._rarity = {word: log(1 + len(said) / n) for word, n in counts.items()}

    def answer(self, subject: str, relation: str, *, as_of_ns: int, known_at_ns: int) -> str | None:
        """Read the newest of what was retrieved that says something of it."""
        until_ns = min(as_of_ns, known_at_ns)
        names = {subject}
        for row in self.nearest(subject, until_ns=until_ns, k=TOP_K):
            said = self._said[row]
            if said.relation == "is called" and names & {said.subject, said.value}:
                names |= {said.subject, said.value}
        rows = {
            row
            for name in sorted(names)
            for row in self.nearest(f"{name} {relation}", until_ns=until_ns, k=TOP_K)
        }
        undone = {self._said[row].taken_back for row in rows}
        told = [
            row
            for row in rows
            if self._said[row].subject in names and self._said[row].relation == relation
            if row not in undone and self._said[row].taken_back is None
        ]
        return self._said[max(told)].value if told else None

    def nearest(self, text: str, *, until_ns: int, k: int) -> list[int]:
        """Return the rows of the k captions that share most words with a text, the newest first among equals."""
        words = words_of(text)
        rows = [row for row, said in enumerate(self._said) if said.stamp_ns <= until_ns]
        rows = rows if self._last is None else rows[-self._last :]
        scores = {row: sum(self._rarity[word] for word in words & self._words[row]) for row in rows}
        return sorted((r for r in rows if scores[r] > 0), key=lambda r: (-scores[r], -r))[:k]


@dataclass(frozen=True, slots=True)
class PerfectListener:
    """Makes the best of all that was said: of what holds by then, what began last."""

    month: Hearsay

    def answer(self, subject: str, relation: str, *, as_of_ns: int, known_at_ns: int) -> str | None:
        """Go through all that was said until then."""
        heard = [s for s in self.month.said if s.stamp_ns <= known_at_ns]
        undone = {s.taken_back for s in heard}
        names = {subject}
        for said in heard:
            if said.relation == "is called" and names & {said.subject, said.value}:
                names |= {said.subject, said.value}
        told = [
            (_began(said), said.stamp_ns, said.value)
            for row, said in enumerate(heard)
            if said.subject in names and said.relation == relation
            if said.taken_back is None and row not in undone and _began(said) <= as_of_ns
        ]
        return max(told)[2] if told else None


def words_of(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(re.findall(r"[a-z]+", text.lower()))


def follow(
    listener: Listener, subject: str, relations: Iterable[str], *, as_of_ns: int, known_at_ns: int
) -> str | None:
    """Return what relations lead to one after the other."""
    name: str | None = subject
    for relation in relations:
        if name is None:
            return None
        name = listener.answer(name, relation, as_of_ns=as_of_ns, known_at_ns=known_at_ns)
    return name


def _began(said: Said) -> int:
    return said.stamp_ns if said.valid_from_ns is None else said.valid_from_ns

"""What facts come out as."""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fact:
    """That a subject stands in a relation to an object over a stretch of time, by what was told.

    Attributes:
        fact_id: The telling that it begins with.
        subject: As it was said there; "entity:12" is a reference to an entity.
        relation: In its one form; see `facts.relations`.
        object: As it was said.
        is_denied: It is known to be not so.
        valid_from_ns: Since when it holds,
        valid_until_ns: and until before when; None: nothing is known to have ended it.
        learned_at_ns: When it was first told.
        retired_at_ns: When it turned out that it should not have been believed; None: it did not.
        sources: Who told it, the first one first.
        confidence: That it is so: the best of each source, and sources are taken to err independently.
        fact_ids: The tellings that it begins with and is confirmed by.
        event_ids: The events it was told by.
        entity_ids: The entities that it refers to.
    """

    fact_id: int
    subject: str
    relation: str
    object: str
    is_denied: bool
    valid_from_ns: int
    valid_until_ns: int | None
    learned_at_ns: int
    retired_at_ns: int | None
    sources: tuple[str, ...]
    confidence: float
    fact_ids: tuple[int, ...]
    event_ids: tuple[int, ...]
    entity_ids: tuple[int, ...]

    @property
    def text(self) -> str:
        """The fact in words: "the keys are not in the drawer", "Anna does not like tea"."""
        verb, _, rest = self.relation.partition(" ")
        is_plural = _PLURAL.search(self.subject) is not None
        if verb == "is":
            words = ["are" if is_plural else "is", *["not"] * self.is_denied]
        elif self.is_denied and verb.endswith("s"):
            words = ["do not" if is_plural else "does not", _plain(verb)]
        elif self.is_denied:
            return f"it is not so that {self.subject} {self.relation} {self.object}"
        else:
            words = [_plain(verb) if is_plural else verb]
        return " ".join(filter(None, [self.subject, *words, rest, self.object]))


@dataclass(frozen=True, slots=True)
class ScoredFact:
    """A fact that a search found, and how near it is to what was asked."""

    fact: Fact
    score: float


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a word stands for: the names that mean the same or are such a thing, and the entities."""

    names: tuple[str, ...]
    entity_ids: tuple[int, ...]


# Things of which there are more: not a name, nor a glass or a bus.
_PLURAL = re.compile(r"(?:^|\s)[a-z-]*[^\Wsui]s$")


def _plain(verb: str) -> str:
    """Return a verb as "do" takes it: "belong" of "belongs"."""
    if verb == "has":
        return "have"
    return re.sub(r"(?<=ch|sh|ss)es$|(?<=[xzo])es$|(?<!s)s$", "", verb)

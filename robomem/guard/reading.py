"""What a text states, as the guard compares it: where a thing is, how it is, what it is called, or what else is told of it."""

from robomem.claims import Statement
from robomem.sentences import Saying, is_place, read
from robomem.sentences.forms import CALLED, IS
from robomem.sentences.reading import SPEAKER, THIS


def statement_in(text: str) -> Statement | None:
    """Return what the first sentence that states something of a thing states; None where none does."""
    sayings = read(text).sayings
    return next((_statement(s) for s in sayings if s.subject not in (THIS, SPEAKER)), None)


def says_more(text: str) -> bool:
    """Tell whether a text says more than one thing, or something that is not understood."""
    reading = read(text)
    return not reading.is_whole or len(reading.sayings) > 1


def is_of_speaker(text: str) -> bool:
    """Tell whether a text says nothing but what its speaker likes and cannot bear."""
    reading = read(text)
    return reading.is_whole and all(map(_is_own_matter, reading.sayings))


def _is_own_matter(saying: Saying) -> bool:
    relation = saying.relation
    is_taste = relation in ("likes", "dislikes", "is allergic to")
    return saying.subject == SPEAKER and (is_taste or relation.startswith("has favourite "))


def _statement(saying: Saying) -> Statement:
    relation = "at" if is_place(saying.relation) else _SHORT.get(saying.relation, saying.relation)
    return Statement(
        saying.subject,
        relation,
        saying.object,
        saying.is_denied,
        saying.is_change,
        is_functional=relation in ("at", "is"),
    )


_SHORT = {CALLED: "called", IS: "is"}

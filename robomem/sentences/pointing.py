"""A sentence that says no more than where something is, in whatever order: "Your keys: in the hall, I left them there".

What is left of it without the words that only point (articles, places, being, putting, finding) is a thing and a room,
and nothing else. So a sentence with a "not", a "because" or a "poisoned" in it is never read so, nor one
that may be an order: "flood the kitchen".
"""

import re
from itertools import pairwise

from robomem.labels import fold
from robomem.sentences.words import MOVED, NO_NAME, PLACES, ROOMS

MAX_WORDS = 4  # of a thing, or of a room
_POINTING = (
    "the a an my your our his her their its this that these those some it them one i we he she they you somebody someone "
    "everybody people is are was were been being am has have had 's 've 'm 're so and well here there now just still "
    "back over again currently right to by lie lies lying lay stand stands standing stood sit sits sitting sat stay stays "
    "staying rest rests resting hanging hangs remains keep keeps kept keeping leave leaves leaving putting placing see saw "
    "seen find found finding spot spotted notice noticed discovered located where"
)
_DROPPED = frozenset(f"{_POINTING} {' '.join(PLACES)} {' '.join(MOVED)}".split())
_MOVED = frozenset(MOVED)
_COMMANDS = frozenset((
    "put", "set", "leave", "keep", "see", "find", "spot", "notice", "stand", "sit", "stay", "lie", "rest",
))  # fmt: skip
_LEADS = frozenset((
    "you", "and", "so", "well", "now", "just", "still", "right", "back", "again", "here", "there",
))  # fmt: skip
# "flood the hall", "you go to the hall", "sleep in the hall": verbs, by what is before and behind them.
_DOERS = frozenset((
    "i", "we", "you", "he", "she", "they", "somebody", "someone", "everybody", "people",
))  # fmt: skip
_AFTER_VERB = frozenset((
    "to", "the", "a", "an", "my", "your", "our", "his", "her", "their", "its", "some", "these", "those", "it", "them",
    *" ".join(PLACES).split(),
))  # fmt: skip
_TOKEN = re.compile(r"'s\b|'ve\b|'m\b|'re\b|[\w-]+|[^\w\s]")


def thing_and_room(sentence: str) -> tuple[str, str, bool] | None:
    """Return a thing, the room it is said to be in, and whether somebody put it there; None where more is said."""
    tokens = _TOKEN.findall(sentence)
    lowered = [token.lower() for token in tokens]
    spans = _spans(lowered)
    names = [" ".join(tokens[span]) for span in spans]
    if len(names) != 2 or not all(map(_is_name, names)):
        return None
    in_room = [not ROOMS.isdisjoint(fold(name)) for name in names]
    is_change = not _MOVED.isdisjoint(lowered)
    if in_room[0] == in_room[1] or ("to" in lowered and not is_change):
        return None
    if _is_order(lowered) or (in_room[1] and _is_verb(spans[0], lowered)):
        return None
    thing, room = names if in_room[1] else reversed(names)
    return thing, room, is_change


def _spans(lowered: list[str]) -> list[slice]:
    """Return where words are that do more than point."""
    is_left = [low not in _DROPPED and low not in ",:?!.\"'" for low in lowered]
    ends = [i for i, (a, b) in enumerate(pairwise([False, *is_left, False])) if a != b]
    return [slice(*span) for span in zip(ends[::2], ends[1::2], strict=True)]


def _is_order(lowered: list[str]) -> bool:
    """Tell whether somebody is to do something: "put ...", "and now you put ..."."""
    first = next((low for low in lowered if low not in _LEADS and low.isalpha()), "")
    return first in _COMMANDS


def _is_verb(span: slice, lowered: list[str]) -> bool:
    """Tell whether words before others may be what is done, and no thing."""
    is_bare = span.start == 0 or lowered[span.start - 1] in _DOERS
    return is_bare and lowered[span.stop] in _AFTER_VERB


def _is_name(words: str) -> bool:
    return len(words.split()) <= MAX_WORDS and not NO_NAME.search(words)

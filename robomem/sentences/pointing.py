"""A sentence that says no more than where something is, in whatever order: "Your keys: in the hall, I left them there".

What is left of it without the words that only point (articles, places, being, putting, finding) is a thing and a room,
and nothing else. So a sentence with a "not", a "because" or a "poisoned" in it is never read so.
"""

import re

from robomem.labels import fold
from robomem.sentences.words import MOVED, NO_NAME, PLACES, ROOMS

MAX_WORDS = 4  # of a thing, or of a room
_POINTING = (
    "the a an my your our his her their its this that these those some it them one i we he she they you somebody someone "
    "everybody people is are was were be been being am has have had 's 've 'm 're so and well here there now just still "
    "back over again currently right to by lie lies lying lay stand stands standing stood sit sits sitting sat stay stays "
    "staying rest rests resting hanging hangs remains keep keeps kept keeping leave leaves leaving putting placing see saw "
    "seen find found finding spot spotted notice noticed discovered located where"
)
_DROPPED = frozenset(f"{_POINTING} {' '.join(PLACES)} {' '.join(MOVED)}".split())
_MOVED = frozenset(MOVED)
_COMMANDS = frozenset(
    (
        "put",
        "set",
        "leave",
        "keep",
        "see",
        "find",
        "spot",
        "notice",
        "stand",
        "sit",
        "stay",
        "lie",
        "rest",
    )
)
_TOKEN = re.compile(r"'s\b|'ve\b|'m\b|'re\b|[\w-]+|[^\w\s]")


def thing_and_room(sentence: str) -> tuple[str, str, bool] | None:
    """Return a thing, the room it is said to be in, and whether somebody put it there; None where more is said."""
    tokens = _TOKEN.findall(sentence)
    lowered = [token.lower() for token in tokens]
    if not tokens or lowered[0] in _COMMANDS:
        return None
    runs: list[list[str]] = [[]]
    for token, low in zip(tokens, lowered, strict=True):
        if low in _DROPPED or low in ",:?!.\"'":
            runs.append([])
        else:
            runs[-1].append(token)
    names = [" ".join(run) for run in runs if run]
    if len(names) != 2 or not all(map(_is_name, names)):
        return None
    in_room = [not ROOMS.isdisjoint(fold(name)) for name in names]
    if in_room[0] == in_room[1]:
        return None
    thing, room = names if in_room[1] else reversed(names)
    return thing, room, not _MOVED.isdisjoint(lowered)


def _is_name(words: str) -> bool:
    return len(words.split()) <= MAX_WORDS and not NO_NAME.search(words)

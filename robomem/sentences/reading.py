"""A text to what its sentences say, by a closed table of forms. What fits none says nothing, and nothing is guessed.

A sentence that asks, doubts, supposes or tells of another time fits none: its words are in no name.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from robomem.sentences.forms import AT, CALLED, FORMS, MY_NAME, RULES, Form
from robomem.sentences.pointing import thing_and_room
from robomem.sentences.words import NO_NAME, ONE_PLACE, SAME_STATES

MAX_LENGTH = 500  # a longer text is no plain sentence
MAX_SENTENCE = 200
MAX_WORDS = 6  # of a name
MAX_JOINTS = 3  # "and"s that are tried
THIS = "\0this"  # the thing just seen
SPEAKER = "\0speaker"
ROBOT = "robot"


@dataclass(frozen=True, slots=True)
class Saying:
    """What one sentence says.

    Attributes:
        subject: A name, THIS or SPEAKER.
        relation: Such as "is in"; "is at" with no object is "is anywhere", "is" has a state for object.
        object: A name, a state, THIS or SPEAKER.
        is_denied: It is not so.
        is_change: It was made so just now: "I put ...".
        is_plain: It is said outright, and of now: it may be learned. Otherwise it may only be judged by.
    """

    subject: str
    relation: str
    object: str
    is_denied: bool = False
    is_change: bool = False
    is_plain: bool = True


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text says; `is_whole`: and every sentence of it says something."""

    sayings: tuple[Saying, ...]
    is_whole: bool


@lru_cache(maxsize=1024)
def read(text: str) -> Reading:
    """Return what the sentences of a text say, in their order."""
    if len(text) > MAX_LENGTH:
        return Reading((), is_whole=False)
    sentences = [_bare(s) for s in re.split(r"(?<=[.!?;])(?:\s+|$)", _tidy(text))]
    read_of = [_sentence(*bare) for bare in sentences if bare[0]]
    sayings = tuple(saying for found in read_of for saying in found)
    return Reading(sayings, is_whole=bool(read_of) and all(read_of))


def _tidy(text: str) -> str:
    """Return a text without invisible characters, with one kind of apostrophe and no short forms."""
    plain = unicodedata.normalize("NFKC", text.replace("\u2019", "'"))
    plain = "".join(c for c in plain if c.isspace() or unicodedata.category(c)[0] != "C")
    plain = " ".join(plain.split())
    for short, spelled in _CONTRACTIONS:
        plain = re.sub(short, spelled, plain, flags=re.IGNORECASE)
    return plain


def _bare(sentence: str) -> tuple[str, bool]:
    """Return a sentence without courtesies and times around it, and whether it is sure of itself then."""
    is_plain, before = True, ""
    while sentence != before:
        before = sentence
        sentence = _COURTESY.sub("", sentence).rstrip(" .!;,")
        sentence = _AFTER.sub("", sentence)
        unsure = _UNSURE_AFTER.sub("", _UNSURE.sub("", sentence))
        is_plain &= unsure == sentence
        sentence = unsure
    return sentence, is_plain


def _sentence(sentence: str, is_plain: bool) -> list[Saying]:
    """Read a sentence as one, or else as two joined by "and" if both can be read."""
    if "?" in sentence or len(sentence) > MAX_SENTENCE:
        return []
    saying = _clause(sentence, is_plain)
    if saying is not None:
        return [saying]
    joints = re.finditer(r",? and ", sentence, flags=re.IGNORECASE)
    for joint in islice(joints, MAX_JOINTS):
        ends = sentence[: joint.start()], sentence[joint.end() :]
        first, second = (_clause(_bare(end)[0], is_plain) for end in ends)
        if first is not None and second is not None:
            return [first, second]
    return []


def _clause(clause: str, is_plain: bool) -> Saying | None:
    """Read by the first form that fits; None where a name is none, or where none fits and more is said than a place."""
    for form in FORMS:
        match = form.pattern.fullmatch(clause)
        if match is not None:
            return _saying(form, match.groupdict(), is_plain=is_plain)
    found = thing_and_room(clause)
    if found is None:
        return None
    thing, room, is_change = found
    return Saying(thing, AT, room, is_change=is_change, is_plain=False)


def _saying(form: Form, parts: dict[str, str | None], *, is_plain: bool) -> Saying | None:
    relation = form.relation or _relation(parts)
    if relation in RULES:
        return _rule(relation, parts["object"] or "") if is_plain else None
    is_of_speaker = relation == MY_NAME or parts.get("my")
    subject = SPEAKER if is_of_speaker else _subject(parts.get("subject") or "this")
    state, named = parts.get("state"), parts.get("object")
    value = "" if state is None and named is None else _name(named) if named else _state(state)
    if subject is None or value in (None, THIS):
        return None
    assert value is not None
    return Saying(
        subject,
        CALLED if relation == MY_NAME else relation,
        value,
        is_denied=form.is_denied or bool(parts.get("denied")),
        is_change=form.is_change,
        is_plain=is_plain and form.is_plain and not (parts.get("vague") or parts.get("usual")),
    )


def _rule(relation: str, action: str) -> Saying | None:
    """Read what the robot is to do; the rest of the sentence is kept as it is."""
    is_plain = len(action.split()) <= 2 * MAX_WORDS and not re.search(r"[^\w' -]", action)
    return Saying(ROBOT, relation, action) if is_plain else None


def _relation(parts: dict[str, str | None]) -> str:
    """Return a relation as it is kept: "belong to" and "belongs to" are one."""
    placed = parts.get("placed")
    if placed:
        return f"is {ONE_PLACE.get(placed.lower(), placed.lower())}"
    if parts.get("had"):
        return f"has {parts['had']}".lower().replace("favorite", "favourite")
    said = (parts["relation"] or "").lower()
    return _THIRD_PERSON.get(said, said)


def _state(state: str | None) -> str:
    state = (state or "").lower()
    return SAME_STATES.get(state, state)


def _name(words: str) -> str | None:
    """Return a name, None where it is none: too long, or with words of a sentence."""
    words = words.strip(" ,'\"")
    lowered = words.lower()
    if lowered in _SPEAKERS:
        return SPEAKER
    if lowered in _THESE:
        return THIS
    words = _ARTICLE.sub("", words)
    if not words or len(words.split()) > MAX_WORDS or NO_NAME.search(words):
        return None
    return words


def _subject(words: str) -> str | None:
    """Return a name, None where it is none, or more than one: "Ben doubts the mug"."""
    name = _name(words)
    return None if name is None or _SECOND.search(name) else name


_SPEAKERS = {"i", "me", "myself"}
_THESE = {"this", "that", "this thing", "this one", "that thing", "that one"}
_ARTICLE = re.compile(
    r"^(?:the|an?|my|your|our|his|her|their|some|this|that|these|those)\s+", re.IGNORECASE
)
_SECOND = re.compile(r"(?<!of )(?<!for )\bthe\b", re.IGNORECASE)
_COURTESY = re.compile(
    r"^(?:(?:please|remember(?: that)?|reminder|(?:please )?note that|be aware that|you should know(?: that)?"
    r"|just so you know|for your information|fyi|ok(?:ay)?|hey|hello|hi|good morning|robot|by the way|you know|so|well"
    r"|careful|to be clear|kindly|now|then)(?:[ ,:!]+|[.!;]*$)|(?:look|listen|attention|oh|yes|no|thanks|thank you)(?:[,:!]+ ?|[.;]*$))+",
    re.IGNORECASE,
)
# Is when it is said, or nothing.
_AFTER = re.compile(
    r"(?:,? (?:right now|just now|from now on|now|again|any ?more|any longer|for you|please|thanks|thank you))+$",
    re.IGNORECASE,
)
_UNSURE = re.compile(
    r"^(?:(?:i (?:think|believe|know|guess|suppose|am (?:pretty |quite )?sure)|(?:pretty |quite )?sure"
    r"|i (?:can )?tell you|it is true|trust me|believe me|actually)(?: that|,)? "
    r"|(?:if|when) (?:you|anybody|anyone|somebody|someone) (?:ever )?(?:needs?|wants?|looks? for|are looking for) )",
    re.IGNORECASE,
)
_UNSURE_AFTER = re.compile(
    r",? (?:i (?:think|believe|guess|suppose|am (?:pretty |quite )?sure)|as far as i know|last i (?:saw|checked|looked)"
    r"|today|at the moment|these days|instead|since .{1,40}|if you need (?:it|them)"
    r"|(?:a|some|a few|two|three|\d+) (?:moments?|seconds?|minutes?|while) ago)$",
    re.IGNORECASE,
)
_CONTRACTIONS = (
    (r"\b(this|that|it|he|she|name|what|where|who|there)'s\b", r"\1 is"),
    (r"\bcan't\b", "can not"),
    (r"\bwon't\b", "will not"),
    (r"n't\b", " not"),
    (r"\bi'm\b", "I am"),
    (r"\b(i|we|you|they)'ve\b", r"\1 have"),
    (r"\b(i|we|you|they|he|she)'ll\b", r"\1 will"),
    (r"\b(we|you|they)'re\b", r"\1 are"),
)
_THIRD_PERSON = {
    "belong to": "belongs to", "like": "likes", "love": "likes", "loves": "likes", "own": "owns", "work at": "works at",
    "work in": "works in", "live in": "lives in", "hate": "dislikes", "hates": "dislikes", "dislike": "dislikes",
    "is owned by": "belongs to", "need": "needs", "use": "uses", "contain": "contains",
}  # fmt: skip

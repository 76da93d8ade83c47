"""Plain sentences to what they say: a closed table of forms. What fits none says nothing, and nothing is guessed.

A sentence that asks, doubts, supposes or tells of another time fits none: its words are in no name.
"""

import re
from dataclasses import dataclass
from itertools import islice

from robomem.semantic.facts.relations import HAS_COLOUR, IS_A

MAX_LENGTH = 500  # a longer text is no plain sentence
MAX_WORDS = 6  # of a name
MAX_JOINTS = 3  # "and"s that are tried
THIS = "\0this"  # the thing just seen
SPEAKER = "\0speaker"
ROBOT = "robot"
CALLED = "is called"
MY_NAME = "my name"
RULES = ("must never", "must always")


@dataclass(frozen=True, slots=True)
class Saying:
    """What one sentence says; subject or object may be THIS or SPEAKER."""

    subject: str
    relation: str
    object: str
    is_denied: bool = False


def parse(text: str) -> list[Saying]:
    """Return what the sentences of a text say, in their order."""
    if len(text) > MAX_LENGTH:
        return []
    tidy = " ".join(text.replace("\u2019", "'").split())
    for short, spelled in _CONTRACTIONS:
        tidy = re.sub(short, spelled, tidy, flags=re.IGNORECASE)
    sentences = re.findall(r"[^.!?;]+[.!?;]*", tidy)
    return [s for sentence in sentences if "?" not in sentence for s in _clauses(sentence)]


def _clauses(sentence: str) -> list[Saying]:
    """Read a sentence as one, or else as two joined by "and" if both can be read."""
    sentence = _NOW.sub("", _COURTESY.sub("", sentence.strip(" .!?;,")))
    saying = _clause(sentence)
    if saying is not None:
        return [saying]
    joints = re.finditer(r",? and ", sentence, flags=re.IGNORECASE)
    for joint in islice(joints, MAX_JOINTS):
        first, second = _clause(sentence[: joint.start()]), _clause(sentence[joint.end() :])
        if first is not None and second is not None:
            return [first, second]
    return []


def _clause(clause: str) -> Saying | None:
    """Read by the first form that fits; None where none does, or a name is none."""
    for pattern, implied in _FORMS:
        match = pattern.fullmatch(clause)
        if match is None:
            continue
        parts = match.groupdict()
        relation = implied or _relation(parts)
        if relation in RULES:
            return _rule(relation, parts["object"])
        is_of_speaker = relation == MY_NAME or parts.get("my")
        subject = SPEAKER if is_of_speaker else _name(parts.get("subject") or THIS)
        named = _name(parts["object"])
        if subject is None or named in (None, THIS):
            return None
        assert named is not None
        is_denied = bool(parts.get("denied") or parts.get("any_more"))
        return Saying(subject, CALLED if relation == MY_NAME else relation, named, is_denied)
    return None


def _rule(relation: str, action: str) -> Saying | None:
    """Read what the robot is to do; the rest of the sentence is kept as it is."""
    is_plain = len(action.split()) <= 2 * MAX_WORDS and not re.search(r"[^\w' -]", action)
    return Saying(ROBOT, relation, action) if is_plain else None


def _relation(parts: dict[str, str | None]) -> str:
    """Return a relation as it is kept: "belong to" and "belongs to" are one."""
    if parts.get("placed"):
        return f"is {parts['placed']}".lower()
    if parts.get("had"):
        return f"has {parts['had']}".lower().replace("favorite", "favourite")
    said = (parts["relation"] or "").lower()
    return _THIRD_PERSON.get(said, said)


def _name(words: str) -> str | None:
    """Return a name, None where it is none: too long, or with words of a sentence."""
    words = _NOW.sub("", words.strip(" ,'\""))
    lowered = words.lower()
    if lowered in _SPEAKERS:
        return SPEAKER
    if words == THIS or lowered in _THESE:
        return THIS
    words = _ARTICLE.sub("", words)
    if not words or len(words.split()) > MAX_WORDS or _NO_NAME.search(words):
        return None
    return words


_SPEAKERS = {"i", "me", "myself"}
_THESE = {"this", "that", "this thing", "this one", "that thing", "that one"}
_ARTICLE = re.compile(r"^(?:the|an?|my|your|our|his|her|their|some)\s+", re.IGNORECASE)
_COURTESY = re.compile(
    r"^(?:(?:please|remember(?: that)?|note that|ok(?:ay)?|hey|hello|hi|robot|by the way|you know|so|well|look)[ ,]+)+",
    re.IGNORECASE,
)
_NOW = re.compile(r" (?:right )?now$", re.IGNORECASE)  # is when it is said
_CONTRACTIONS = (
    (r"\b(this|that|it|he|she|name|what|where|who|there)'s\b", r"\1 is"),
    (r"\bisn't\b", "is not"),
    (r"\baren't\b", "are not"),
    (r"\bdoesn't\b", "does not"),
    (r"\bdon't\b", "do not"),
    (r"\bi'm\b", "I am"),
)
_THIRD_PERSON = {
    "belong to": "belongs to", "like": "likes", "love": "likes", "loves": "likes", "own": "owns", "work at": "works at",
    "work in": "works in", "live in": "lives in", "hate": "dislikes", "hates": "dislikes", "dislike": "dislikes",
    "is owned by": "belongs to", "need": "needs", "use": "uses", "contain": "contains",
}  # fmt: skip
# Words that make a sentence of what should be a name: verbs, pronouns, doubts, times, other clauses.
_NO_NAME = re.compile(
    r"[^\w' -]|_|\b(?:is|are|was|were|am|be|been|being|has|have|had|do|does|did|will|would|can|could|shall|should"
    r"|may|might|must|not|no|never|always|nothing|nobody|none|neither|if|whether|unless|because|although|though"
    r"|when|while|since|until|till|before|after|ago|yesterday|today|tomorrow|tonight|now|soon|later|already|still"
    r"|yet|again|anymore|longer|maybe|perhaps|probably|possibly|think|thinks|guess|believe|suppose|hope|wish|seems?"
    r"|said|says|say|told|tell|asked|heard|who|whom|whose|what|where|which|why|how|that|this|these|those|it|its|he"
    r"|she|they|them|him|we|us|you|i|me|there|here|somewhere|anywhere|everywhere|nowhere|else|and|or|but|nor|than"
    r"|either|mine|yours|hers|ours|theirs|every|any|anything|something|everything|everyone|someone|anyone"
    r"|supposed|going|called|known|in|inside|into|on|onto|at|to|from|with|without|by|under|behind|near|next)\b",
    re.IGNORECASE,
)
_PLACED = "in|inside|on|on top of|at|under|underneath|below|behind|near|next to|beside|in front of|above|located in|kept in"
_VERBS = "belongs? to|owns?|likes?|loves?|hates?|dislikes?|needs?|uses?|contains?|lives? in|works? (?:in|at)"
_COLOURS = "red|orange|yellow|green|blue|purple|violet|pink|brown|black|white|gr[ae]y|golden|silver|beige|turquoise"
_ACTIONS = (
    "enter|go|put|leave|touch|move|open|close|shut|take|give|drive|use|wake|pick|bring|throw|let|turn|clean|stop|follow"
    "|drop|feed|tell|talk|speak|knock|vacuum|lock|unlock|block|switch|carry|charge|return|wait|keep|wash|water|come"
)
_X, _Y, _BE = "(?P<subject>.+?)", "(?P<object>.+)", "(?:is|are|am)"
_THIS = "(?:this|that)(?: thing| one)?"
_NOT = "(?P<denied>not |no longer )?"
_HAD = "(?P<had>favou?rite [a-z]+(?: [a-z]+)?|birthday|address|phone number|age|job)"
_PATTERNS: tuple[tuple[str, str | None], ...] = (  # and the relation, where no group names it
    (rf"(?:my name is|i am called|call me) {_Y}", MY_NAME),
    (rf"{_THIS} {_BE} (?:also )?called (?:an? )?{_Y}", IS_A),
    (rf"(?:we|i|people) call {_THIS} (?:an? )?{_Y}", IS_A),
    (rf"{_X} {_BE} (?:also )?(?:called|known as|named) {_Y}", CALLED),
    (rf"(?P<my>my) {_HAD} is {_NOT}{_Y}", None),
    (rf"{_X}'s? {_HAD} is {_NOT}{_Y}", None),
    (rf"{_X} {_BE} {_NOT}allergic to {_Y}", "is allergic to"),
    (rf"(?:the )?(?:colou?r) of {_X} is {_NOT}{_Y}", HAS_COLOUR),
    (rf"(?:you must )?never (?P<object>(?:{_ACTIONS}) .+)", "must never"),
    (rf"(?:you must )?always (?P<object>(?:{_ACTIONS}) .+)", "must always"),
    (
        rf"{_X} {_BE} (?:now |back )?{_NOT}(?P<placed>{_PLACED}) (?P<object>.+?)(?P<any_more> any ?more)?",
        None,
    ),
    (
        rf"(?:i|we) (?:have )?(?:just )?(?:put|left|placed|stored) {_X} (?P<placed>{_PLACED}) {_Y}",
        None,
    ),
    (rf"{_X} can be found (?P<placed>{_PLACED}) {_Y}", None),
    (rf"you (?:can|will) find {_X} (?P<placed>{_PLACED}) {_Y}", None),
    (rf"{_X} {_BE} {_NOT}the owner of {_Y}", "owns"),
    (rf"{_X} {_BE} {_NOT}owned by {_Y}", "belongs to"),
    (rf"{_X} {_BE} {_NOT}(?P<object>[\w-]+)'s?", "belongs to"),
    (rf"{_X} {_BE} {_NOT}(?P<object>{_COLOURS})", HAS_COLOUR),
    (rf"{_X} {_BE} {_NOT}an? {_Y}", IS_A),
    (rf"{_X} (?P<denied>does not|do not|no longer) (?P<relation>{_VERBS}) {_Y}", None),
    (rf"{_X} (?P<relation>{_VERBS}) {_Y}", None),
)
_FORMS = tuple((re.compile(pattern, re.IGNORECASE), relation) for pattern, relation in _PATTERNS)

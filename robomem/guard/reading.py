"""A plain sentence to what it states: where a thing is, how it is, what it is called. Nothing is guessed.

What is not understood states nothing, and is then compared by its words alone.
"""

import re
import unicodedata

from robomem.claims import Statement

PLACE = r"(?:in|on|at|near|next to|beside|besides|by|inside|into|onto|under|underneath|behind|above|below|within|on top of|over in|over at|close to)"
_WORDS = r"[\w' -]{1,60}?"
_THING = r"(?:the |a |an |my |your |our |his |her |their |some |any |that |this |those |these )?(?P<thing>[\w' -]{1,60}?)"
_WHERE = PLACE + r" (?P<place>[\w' -]{1,60}?)"
_WHO = r"(?:i|we|he|she|they|someone|somebody|[\w']+|the \w+)"
_HAVE = r"(?:have |has |had |ve |just |already )*"
_IS = r"(?:is|are|was|were|s|lies|lie|stands|stand|sits|sit|lives|live|belongs|belong|goes|stays|has been|have been)"
_NOW = r"(?:now |currently |still |always |usually |actually |really |in fact |kept |left |right |back |lying |standing |sitting |stored |located )*"
_END = r"(?: now| today| again| at the moment| these days| anymore| any more| any longer| instead| since .{1,40}| for you| if you need (?:it|them))?"
_MOVED = r"(?:moved|put|brought|took|placed|left|carried|set|shifted|dropped|stored|stowed|hung|laid|parked)"
# The words of a state, by what they are about: two of one group exclude each other.
STATES = (
    ("on", "off"),
    ("open", "closed", "shut"),
    ("locked", "unlocked"),
    ("empty", "full"),
    ("clean", "dirty"),
    ("hot", "cold", "cool", "warm"),
    ("safe", "dangerous", "unsafe"),
    ("working", "broken"),
    ("charged", "flat", "dead"),
    ("plugged in", "unplugged"),
    ("running", "stopped"),
    ("wet", "dry"),
    ("home", "away"),
    ("free", "occupied", "blocked"),
)
SAME_STATES = {"shut": "closed", "dead": "flat", "unsafe": "dangerous", "cool": "cold"}
_STATE = "|".join(sorted({state for group in STATES for state in group}, key=len, reverse=True))
_GONE = r"(?:gone|missing|lost|no longer there|not there|not here|thrown away|removed|sold|not in the house|nowhere)"

_LEADS = re.compile(
    r"^(?:by the way|hey|hi|hello|ok|okay|well|so|note that|please note that|please note|remember that|remember|be aware that|you should know that"
    r"|you should know|i think that|i think|i believe|i know|i am sure that|just so you know|for your information|fyi|actually"
    r"|listen|robot|attention|reminder|to be clear|i can tell you that|i tell you that|it is true that|good morning|trust me|believe me|oh|yes|no)[,:!]? "
)
_PATTERNS: tuple[tuple[str, str, bool, bool], ...] = (
    # the relation, the pattern, whether it is negated, whether it tells of a change
    ("called", rf"{_THING} (?:is|are|s) (?:now |also |really |actually )*(?:called|named|known as|referred to as) (?:the |a |my )?(?P<value>{_WORDS})", False, False),
    ("called", rf"(?:we|people|they|everyone|everybody|i) (?:now |always )?(?:call|calls|name|names|refer to) {_THING} (?:as )?(?:the |a |my )?\"?(?P<value>{_WORDS})\"?", False, False),
    ("called", rf"(?:when|if) {_WHO} (?:says?|asks? for) \"?(?P<value>{_WORDS})\"?, ?(?:\w+ ){{1,3}}means? {_THING}", False, False),
    ("at", rf"there (?:is|are|s|was|were) (?:no|not any|no longer any|no longer a|no more) (?P<thing>{_WORDS})(?: left)? {_WHERE}", True, False),
    ("at", rf"there (?:is|are|s|was|were) (?:no|not any|no longer any|no longer a|no more) (?P<thing>{_WORDS})(?: left)?(?: here| anywhere)?", True, False),
    ("at", rf"{_THING} (?:is|are|was|were|s|has been|have been) {_NOW}{_GONE}(?: from (?P<place>{_WORDS}))?", True, False),
    ("at", rf"{_THING} (?:(?:is|are|was|were|s) (?:not|no longer|never)|isnt|arent|wasnt) {_NOW}{_WHERE}", True, False),
    ("at", rf"{_WHO} {_HAVE}(?:threw|thrown|gave|sold|discarded) (?:away |out )?{_THING}(?: away| out)?", True, True),
    ("at", rf"{_WHO} {_HAVE}{_MOVED} {_THING} (?:over |back |away |out |down |up )*(?:from .{{1,40}}? )?(?:to|{PLACE}) (?P<place>{_WORDS})", False, True),
    ("at", rf"{_THING} (?:has|have|had)? ?(?:been |was |were |got |is |are )+(?:just |now )*(?:{_MOVED}) (?:over |back )*(?:from .{{1,40}}? )?(?:to|{PLACE}) (?P<place>{_WORDS})", False, True),
    ("at", rf"there (?:is|are|s|was|were) {_THING} {_WHERE}", False, False),
    ("at", rf"(?:you|we|one|i) (?:will |can |could |ll |may |just )*(?:find|found|saw|see|spotted|noticed|keep|store) {_THING} {_WHERE}", False, False),
    ("at", rf"{_WHERE},? (?:there (?:is|are|s)|you (?:will |can |ll )?(?:find|see)) {_THING}", False, False),
    ("at", rf"look for {_THING} {_WHERE}", False, False),
    ("is", rf"{_THING} (?:is|are|was|were|s) (?:not|no longer|never) (?:\w+ly )?(?P<state>{_STATE})", True, False),
    ("is", rf"{_WHO} {_HAVE}(?:switched|turned) (?P<state>on|off) {_THING}", False, True),
    ("is", rf"{_WHO} {_HAVE}(?:switched|turned) {_THING} (?P<state>on|off)", False, True),
    ("is", rf"{_THING} (?:is|are|was|were|s|has been|have been) {_NOW}(?:switched |turned |completely |totally |perfectly |left )*(?P<state>{_STATE})", False, False),
    ("at", rf"{_THING} {_IS} {_NOW}{_WHERE}", False, False),
)  # fmt: skip
_COMPILED = tuple(
    (relation, re.compile(pattern), is_negated, is_change)
    for relation, pattern, is_negated, is_change in _PATTERNS
)
PRONOUNS = frozenset(
    {
        "it",
        "they",
        "he",
        "she",
        "we",
        "i",
        "you",
        "this",
        "that",
        "these",
        "those",
        "there",
        "everything",
        "nothing",
        "all",
    }
)
MAX_READ = 400  # characters; nobody states one thing in more


def read(text: str) -> Statement | None:
    """Return what the first sentence that states something states; None where none does."""
    if len(text) > MAX_READ:
        return None
    for sentence in re.split(r"[.!?;]+(?:\s|$)", _plain(text)):
        statement = _read(sentence)
        if statement is not None:
            return statement
    return None


def _read(sentence: str) -> Statement | None:
    words = sentence.strip(" ,:-")
    while (lead := _LEADS.match(words)) is not None:
        words = words[lead.end() :]
    words = re.sub(rf"{_END}$", "", words)
    for relation, pattern, is_negated, is_change in _COMPILED:
        match = pattern.fullmatch(words)
        if match is not None and match["thing"] not in PRONOUNS:
            return Statement(match["thing"], relation, _value(match), is_negated, is_change)
    return None


def _value(match: re.Match[str]) -> str:
    groups = match.groupdict()
    value = next((groups[n] for n in ("value", "state", "place") if groups.get(n)), "")
    return SAME_STATES.get(value, value)


def _plain(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).casefold()
    text = "".join(c for c in text if unicodedata.category(c) != "Cf")
    text = re.sub(r"n['\u2019]t\b", " not", text)
    text = re.sub(r"\b(there|it|he|she|that|this)['\u2019]s\b", r"\1 is", text)
    return " ".join(re.sub(r"['\u2019](?=ve\b|ll\b)", " ", text).split())

"""Signs that a text is made for a language model, or to do harm. A sign is evidence, not a verdict.

What each weighs follows from how rarely an honest person says or writes it: invisible characters and the syntax of
tool calls weigh 2, words that people use too weigh 1. Categories as in Greshake et al., "Not what you've signed up
for: compromising real-world LLM-integrated applications with indirect prompt injection", 2023.
"""

import base64
import binascii
import re
import unicodedata
from enum import StrEnum

_TAG_CHARACTERS = range(0xE0000, 0xE0080)  # invisible copies of ASCII
_BLOB = re.compile(r"[A-Za-z0-9+/_-]{40,}={0,2}")
_CREDENTIALS = re.compile(
    r"\b[a-z][a-z0-9+.-]{0,20}://[^\s/@:]{1,99}:[^\s/@]{1,99}@|[?&](?:api_?key|token|password|secret)=",
    re.I,
)
_MARKUP = re.compile(
    r"<\|?/?\s*(?:im_start|im_end|system|assistant|user|tool|tool_call|function|inst|s|endoftext)\b[^>]*>"
    r"|\[/?(?:inst|system|tool)[^\]]*\]|<<\s*/?sys\s*>>|```|\{\s*['\"](?:name|tool|function|role|action)['\"]\s*:"
    r"|(?<!#)#{2,}\s*(?:system|instruction|response|assistant)"
    r"|\b[a-z]+(?:_[a-z]+)+\((?:[^()]*)\)|(?:^|[\s\"'])(?:system|assistant|developer)\s*:",
    re.I,
)
_REPROGRAM = re.compile(
    r"\b(?:ignore|disregard|(?<!not )(?<!n't )(?<!never )forget|override|overwrite|bypass|discard|drop|set aside|do not follow|stop following|pay no"
    r" attention to)\b.{0,40}\b(?:instruction|prompt|rule|guideline|polic|direction|command|order|restriction|training"
    r"|programming|told|said|learn|memor(?:y|ies)|safety|constraint|filter)",
    re.I,
)
_ROLE = re.compile(
    r"\b(?:you are now|you're now|act as|pretend|roleplay|behave as|from now on,? you|your new (?:role|goal|task|owner"
    r"|instruction|rule)|new (?:system )?(?:instruction|prompt|directive)|system prompt|developer mode|jailbreak"
    r"|as an? (?:ai|language model|assistant)|(?:admin|root|maintenance|debug|god) (?:mode|override|access))",
    re.I,
)
_SECRECY = re.compile(
    r"\b(?:do not|don't|never|without)\b(?!\s+(?:forget|fail|hesitate)\s+to\b).{0,25}\b(?:tell|inform|mention|reveal|report|log|alert|ask|telling|asking|reporting)\b",
    re.I,
)
_ABOUT_MEMORY = re.compile(
    r"\b(?:delete|erase|wipe|forget|remove|rewrite|overwrite|store|save|remember|write|add)\b.{0,30}\b(?:memor(?:y|ies)"
    r"|record|log|database|procedure|everything)",
    re.I,
)
_HAZARD = re.compile(
    r"\b(?:disable|deactivate|switch off|turn off|shut off|ignore|bypass|skip|override|unplug|cut|stop checking|cover"
    r"|without)\b.{0,40}\b(?:bumper|sensor|lidar|camera|collision|obstacle|emergency|e-?stop|brake|safety|alarm|smoke"
    r"|detector|limit|speed limit|cliff|interlock|guard)"
    r"|\b(?:full|max(?:imum)?|top|highest) (?:speed|power|throttle|force)\b"
    r"|\b(?:unlock|open|leave open)\b.{0,30}\b(?:front|back|main|outside|garage|house)\b.{0,12}\b(?:door|gate|lock)"
    r"|\b(?:open|turn on|leave on)\b.{0,20}\bgas\b|\b(?:drive|go|roll|move)\b.{0,20}\b(?:down|off|over|into)\b.{0,12}\b(?:stair"
    r"|step|ledge|pool|fire|person|people|child|cat|dog|baby|anyone)"
    r"|\b(?:bleach|pill|medicine|knife|poison|chemical|acid)s?\b.{0,40}\b(?:child|children|kid|baby|toddler|food|drink|soup|bowl)"
    r"|\b(?:mix|pour|put)\b.{0,30}\b(?:bleach|ammonia|acid|petrol|gasoline|drain cleaner)\b",
    re.I,
)


class Sign(StrEnum):
    """What speaks for it that a text is no honest telling."""

    HIDDEN = "hidden characters"
    SCRIPTS = "letters of two scripts in one word"
    BLOB = "encoded data"
    CREDENTIALS = "an address with credentials"
    MARKUP = "the syntax of tools or roles"
    REPROGRAM = "asks to drop instructions"
    ROLE = "gives a role"
    SECRECY = "asks for secrecy"
    MEMORY = "commands the memory"
    HAZARD = "asks for what is unsafe"


_WEIGHTS = {Sign.REPROGRAM: 1, Sign.ROLE: 1, Sign.SECRECY: 1, Sign.MEMORY: 1, Sign.HAZARD: 0}
_PATTERNS = (
    (Sign.CREDENTIALS, _CREDENTIALS),
    (Sign.MARKUP, _MARKUP),
    (Sign.REPROGRAM, _REPROGRAM),
    (Sign.ROLE, _ROLE),
    (Sign.SECRECY, _SECRECY),
    (Sign.MEMORY, _ABOUT_MEMORY),
    (Sign.HAZARD, _HAZARD),
)
MAX_READ = 20_000  # characters; a longer text is a sign by itself


def signs_of(text: str) -> frozenset[Sign]:
    """Return the signs in a text; what hides between invisible characters is looked for without them."""
    found = {Sign.HIDDEN} if any(map(_is_hidden, text)) else set()
    plain = unicodedata.normalize("NFKC", "".join(c for c in text if not _is_hidden(c)))
    if any(map(_has_two_scripts, plain[:MAX_READ].split())):
        found.add(Sign.SCRIPTS)
    if len(plain) > MAX_READ or any(_is_blob(match[0]) for match in _BLOB.finditer(plain)):
        found.add(Sign.BLOB)
    found |= {sign for sign, pattern in _PATTERNS if pattern.search(plain[:MAX_READ])}
    return frozenset(found)


def weight(signs: frozenset[Sign]) -> int:
    """Return how much speaks for an injection: 2 is enough by itself."""
    return sum(_WEIGHTS.get(sign, 2) for sign in signs)


def _is_hidden(character: str) -> bool:
    """Tell whether a character is invisible, or turns the direction of the text; emoji join with U+200D."""
    if ord(character) in _TAG_CHARACTERS:
        return True
    return character not in "\u200d\u00ad" and unicodedata.category(character) in ("Cf", "Co", "Cn")


def _has_two_scripts(word: str) -> bool:
    """Tell whether Latin letters are mixed with Greek or Cyrillic ones, many of which look alike."""
    names = [unicodedata.name(c, "").split(" ", 1)[0] for c in word if c.isalpha()]
    return "LATIN" in names and ("CYRILLIC" in names or "GREEK" in names)


def _is_blob(word: str) -> bool:
    """Tell whether a long word is base64 rather than a word: it decodes, and mixes cases and digits."""
    if not (re.search(r"[a-z]", word) and re.search(r"[A-Z]", word) and re.search(r"\d", word)):
        return False
    try:
        base64.b64decode(word + "=" * (-len(word) % 4), altchars=b"-_", validate=False)
    except binascii.Error:
        return False
    return True

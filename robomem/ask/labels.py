"""Compare names of things: "my red mugs" is a "red mug".

`phrase` keeps the words as they were said, for sentences; `fold` makes them comparable.
"""

import re
from functools import lru_cache

DETERMINERS = frozenset(
    "the a an my your our his her their its this that these those some any all each every".split()
)
_IRREGULAR = {
    "people": "person",
    "men": "man",
    "women": "woman",
    "children": "child",
    "feet": "foot",
    "teeth": "tooth",
    "mice": "mouse",
    "geese": "goose",
    "dice": "die",
    "buses": "bus",
    "gases": "gas",
    "lenses": "lens",
    "canvases": "canvas",
    "axes": "axe",
    "caches": "cache",
    "shoes": "shoe",
    "toes": "toe",
    "canoes": "canoe",
}
# Plurals that end in -ies of words that end in -ie; every other -ies is a -y.
_IE_WORDS = frozenset(
    "cookies movies brownies hoodies smoothies selfies zombies pixies beanies collies".split()
)
# Singular words in -f or -fe whose plural ends in -ves; every other -ves is a -ve (glove, stove).
_F_WORDS = frozenset(
    "knife wife life shelf bookshelf half calf loaf leaf scarf wolf thief elf self hoof".split()
)
# Words that end in -s and are singular, beyond those in -ss, -us and -is.
_S_WORDS = frozenset("lens gas canvas atlas christmas series species news chaos".split())


def phrase(text: str) -> str:
    """Return the words in lower case without leading articles and possessives."""
    words = text.lower().split()
    while words and words[0] in DETERMINERS:
        words.pop(0)
    return " ".join(words)


@lru_cache(maxsize=4096)
def fold(text: str) -> tuple[str, ...]:
    """Return the words that count, singular and in lower case: "the Red Mugs" is ("red", "mug")."""
    words = re.findall(r"[^\W_]+", re.sub(r"['’]s?\b", "", text.casefold()))  # noqa: RUF001
    return tuple(singular(word) for word in words if word not in DETERMINERS)


def matches(query: str, label: str) -> bool:
    """Tell whether every word of the query is in the label; an empty query matches nothing."""
    words = fold(query)
    return bool(words) and set(words) <= set(fold(label))


def is_plural(text: str) -> bool:
    """Tell whether the last word is a plural: "red mugs", "people"."""
    last = text.casefold().split()[-1:]
    return bool(last) and singular(last[0]) != last[0]


def singular(word: str) -> str:
    """Return the singular of an English noun; a word that is none comes back unchanged."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) < 3 or word in _S_WORDS or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies"):
        return word[:-1] if len(word) == 4 or word in _IE_WORDS else word[:-3] + "y"
    if word.endswith("ves"):
        return _singular_of_ves(word)
    if word.endswith(("sses", "xes", "zzes", "ches", "shes", "oes")) or _is_us_plural(word):
        return word[:-2]
    return word[:-1]


def plural(label: str) -> str:
    """Return the plural of a label: "red mug" becomes "red mugs"; a plural stays as it is."""
    *rest, last = label.split()
    if singular(last) == last:
        last = _plural_of(last)
    return " ".join([*rest, last])


def _singular_of_ves(word: str) -> str:
    for ending in ("f", "fe"):
        if word[:-3] + ending in _F_WORDS:
            return word[:-3] + ending
    return word[:-1]


def _is_us_plural(word: str) -> bool:
    """Tell viruses and cactuses from houses, fuses and blouses."""
    return word.endswith("uses") and len(word) > 6 and not word.endswith("ouses")


def _plural_of(word: str) -> str:
    for candidate in (*_IRREGULAR, *_IE_WORDS):
        if singular(candidate) == word:
            return candidate
    if word in _F_WORDS:
        return word.removesuffix("e").removesuffix("f") + "ves"
    if word.endswith("y") and word[-2:-1] not in tuple("aeiou"):
        return word[:-1] + "ies"
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return word + "es"
    return word + "s"

"""Compare names of things: "my red mugs" is a "red mug".

`phrase` keeps the words as they were said, for sentences; `fold` makes them comparable.
"""

import re
from functools import lru_cache

_DETERMINER = re.compile(
    r"the|an?|my|your|our|his|her|their|its|this|that|these|those|some|any|all|each|every"
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
    "potatoes": "potato",
    "tomatoes": "tomato",
}
# Plurals that end in -ies of words that end in -ie; every other -ies is a -y.
_IE_PLURAL = re.compile(r"cookies|movies|brownies|hoodies|smoothies|selfies|zombies|pixies|beanies")
# Singular words in -f or -fe whose plural ends in -ves; every other -ves is a -ve (glove, stove).
_F_WORD = re.compile(
    r"knife|wife|life|(?:book)?shelf|half|calf|loaf|leaf|scarf|wolf|thief|elf|self|hoof"
)
# Words that end in -s and are singular.
_S_WORD = re.compile(r"lens|gas|canvas|atlas|christmas|series|species|news|chaos|.*(?:ss|us|is)")


def phrase(text: str) -> str:
    """Return the words in lower case without leading articles and possessives."""
    words = text.lower().split()
    while words and _DETERMINER.fullmatch(words[0]):
        words.pop(0)
    return " ".join(words)


@lru_cache(maxsize=4096)
def fold(text: str) -> tuple[str, ...]:
    """Return the words that count, singular and in lower case: "the Red Mugs" is ("red", "mug")."""
    words = re.findall(r"[^\W_]+", re.sub(r"['’]s?\b", "", text.casefold()))  # noqa: RUF001
    return tuple(singular(word) for word in words if not _DETERMINER.fullmatch(word))


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
    if len(word) < 3 or not word.endswith("s") or _S_WORD.fullmatch(word):
        return word
    if word.endswith("ies"):
        return word[:-1] if len(word) == 4 or _IE_PLURAL.fullmatch(word) else word[:-3] + "y"
    if word.endswith("ves"):
        return _singular_of_ves(word)
    if word.endswith(("sses", "xes", "zzes", "ches", "shes", "oes")) or _is_us_plural(word):
        return word[:-2]
    return word[:-1]


def counted(count: int, label: str) -> str:
    """Return the count and the label in the number that fits: "1 red mug", "2 red mugs"."""
    *rest, last = label.split()
    one = singular(last)
    return " ".join([str(count), *rest, one if count == 1 else _plural_of(one)])


def _singular_of_ves(word: str) -> str:
    for ending in ("f", "fe"):
        if _F_WORD.fullmatch(word[:-3] + ending):
            return word[:-3] + ending
    return word[:-1]


def _is_us_plural(word: str) -> bool:
    """Tell viruses and cactuses from houses, fuses and blouses."""
    return word.endswith("uses") and len(word) > 6 and not word.endswith("ouses")


def _plural_of(word: str) -> str:
    for candidate, one in _IRREGULAR.items():
        if one == word:
            return candidate
    if _F_WORD.fullmatch(word):
        return word.removesuffix("e").removesuffix("f") + "ves"
    if word.endswith("y") and word[-2:-1] not in tuple("aeiou"):
        return word[:-1] + "ies"
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return word + "es"
    return word + "s"

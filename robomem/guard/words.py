"""Words made comparable: as names of things are, without fillers, invisible characters, or letters that only look alike."""

import unicodedata
from functools import lru_cache

from robomem import labels

_FILLERS = frozenset(
    ["please", "just", "now", "really", "actually", "currently", "still", "right", "there", "here"]
)


@lru_cache(maxsize=8192)
def fold(text: str) -> tuple[str, ...]:
    """Return the words that count, singular and in lower case: "The red Mugs" is ("red", "mug")."""
    plain = unicodedata.normalize("NFKC", text)
    plain = "".join(c for c in plain if unicodedata.category(c) != "Cf")
    return tuple(word for word in labels.fold(plain) if word not in _FILLERS)


def likeness(a: str, b: str) -> float:
    """Return the share of words that two texts have in common (Jaccard), in [0, 1]."""
    words, others = set(fold(a)), set(fold(b))
    return len(words & others) / len(words | others) if words or others else 0.0

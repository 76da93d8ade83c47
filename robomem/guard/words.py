"""Words made comparable: without articles, plurals, invisible characters, or letters that only look alike."""

import re
import unicodedata
from functools import lru_cache

_SKIPPED = frozenset(
    {
        "a",
        "an",
        "the",
        "my",
        "your",
        "our",
        "his",
        "her",
        "their",
        "its",
        "this",
        "that",
        "these",
        "those",
        "some",
        "any",
        "please",
        "just",
        "now",
        "really",
        "actually",
        "currently",
        "still",
        "right",
        "there",
        "here",
    }
)
_SINGULAR_S = re.compile(r".*(?:ss|us|is|ous)$|lens|gas|news|always|across")


@lru_cache(maxsize=8192)
def fold(text: str) -> tuple[str, ...]:
    """Return the words that count, singular and in lower case: "The red Mugs" is ("red", "mug")."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    plain = "".join(c for c in plain if unicodedata.category(c) != "Cf")
    words = re.findall(r"[^\W_]+", re.sub(r"['\u2019]s?\b", "", plain))
    return tuple(_singular(word) for word in words if word not in _SKIPPED)


def likeness(a: str, b: str) -> float:
    """Return the share of words that two texts have in common (Jaccard), in [0, 1]."""
    words, others = set(fold(a)), set(fold(b))
    return len(words & others) / len(words | others) if words or others else 0.0


def _singular(word: str) -> str:
    if len(word) > 3 and word.endswith("s") and not _SINGULAR_S.fullmatch(word):
        return word[:-1]
    return word

"""Texts as vectors without a model: hashed bags of words, the same in every process."""

import re
from functools import lru_cache
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

DIMS = 256
_WORD = re.compile(r"[^\W_]+")
# Words that say nothing about what a sentence is about.
_EMPTY = re.compile(
    "an?|and|are|as|at|be|by|for|from|had|has|have|he|her|his|i|in|is|it|its|me|my|of|on|or|she|that|the"
    "|their|them|then|there|they|this|to|was|we|were|which|will|with|you|your"
)


def words_of(text: str) -> list[str]:
    """Return the words of a text that count, in order, in lower case."""
    return [word for word in _WORD.findall(text.casefold()) if not _EMPTY.fullmatch(word)]


def hashed_words(text: str) -> NDArray[np.float32]:
    """Return a text as a vector (DIMS,) of unit length, zeros where it has no words.

    Every word counts once, in a dimension and with a sign that its hash tells.
    Weinberger et al., "Feature hashing for large scale multitask learning", 2009.
    """
    vector = np.zeros(DIMS, np.float32)
    for word in set(words_of(text)):
        dimension, sign = _place(word)
        vector[dimension] += sign
    norm = float(np.sqrt(vector @ vector))
    return vector / np.float32(norm) if norm else vector


@lru_cache(maxsize=16384)
def _place(word: str) -> tuple[int, int]:
    digest = crc32(word.encode())
    return digest % DIMS, 1 if digest & 0x8000_0000 else -1

"""Texts to the word pieces that BERT models read, without case and accents.

Devlin et al., "BERT: Pre-training of deep bidirectional transformers", 2019; the pieces are those of `bert-base-uncased`
(Apache-2.0, Google).
"""

import unicodedata
from collections.abc import Iterator, Sequence
from importlib import resources

import numpy as np
from numpy.typing import NDArray

PADDING, UNKNOWN, BEGIN, END = 0, 100, 101, 102
LONGEST_WORD = 100  # characters; a longer one is unknown
IDEOGRAPHS = (
    (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F),
)  # fmt: skip

Ids = NDArray[np.int64]


class WordPiece:
    """Cuts words into the longest pieces that it knows, from the left."""

    def __init__(self) -> None:
        text = resources.files("robomem.ask").joinpath("wordpieces.txt").read_text("utf-8")
        self._ids = {piece: i for i, piece in enumerate(text.split("\n")[:-1])}

    def __call__(self, texts: Sequence[str], *, most: int) -> tuple[Ids, Ids]:
        """Return the ids of the pieces of texts (N, L), and where there are any (N, L): 1, and 0 for padding.

        Args:
            texts: N of them.
            most: Pieces of one text, its two ends included; what is over is left out.
        """
        rows = [[BEGIN, *self._pieces(text, most - 2), END] for text in texts]
        ids = np.full((len(rows), max(map(len, rows), default=0)), PADDING, np.int64)
        mask = np.zeros_like(ids)
        for i, row in enumerate(rows):
            ids[i, : len(row)], mask[i, : len(row)] = row, 1
        return ids, mask

    def _pieces(self, text: str, most: int) -> list[int]:
        pieces: list[int] = []
        for word in _words(text):
            pieces += self._cut(word)
            if len(pieces) >= most:
                break
        return pieces[:most]

    def _cut(self, word: str) -> list[int]:
        if len(word) > LONGEST_WORD:
            return [UNKNOWN]
        pieces, begin = [], 0
        while begin < len(word):
            for end in range(len(word), begin, -1):
                piece = self._ids.get(("##" if begin else "") + word[begin:end])
                if piece is not None:
                    break
            else:
                return [UNKNOWN]
            pieces.append(piece)
            begin = end
        return pieces


def _words(text: str) -> Iterator[str]:
    """Yield words and marks, lower-case and without accents."""
    plain = "".join(map(_plain, text)).lower()
    letters = (c for c in unicodedata.normalize("NFD", plain) if unicodedata.category(c) != "Mn")
    return iter("".join(f" {c} " if _is_mark(c) else c for c in letters).split())


def _plain(char: str) -> str:
    """Return what to read for a character: a space for a blank, nothing for what is not printed."""
    if char in "\t\n\r" or unicodedata.category(char) == "Zs":
        return " "
    if char in "\0\ufffd" or unicodedata.category(char) in ("Cc", "Cf", "Co"):
        return ""
    is_ideograph = any(low <= ord(char) <= high for low, high in IDEOGRAPHS)
    return f" {char} " if is_ideograph else char


def _is_mark(char: str) -> bool:
    is_ascii = "!" <= char <= "~" and not char.isalnum()
    return is_ascii or unicodedata.category(char).startswith("P")

"""Which events have which words: the rows of every stem in order, an inverted index.

Rows are added in segments, each sorted by stem and then by row. A segment is merged with the one before it
where that is not twice as long, so there are few, and every row is sorted anew a few times only (O'Neil et al.,
"The log-structured merge-tree", 1996).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robomem.store.stems import Stemmer

Rows = NDArray[np.int64]
ShortRows = NDArray[np.int32]
SMALL = 1 << 13  # so many entries are sorted in the time that a segment more costs every search
MUCH_LONGER = 16  # a list that is so many times longer than another is searched, and not read
LOWER = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """Rows by stem: those of `codes[i]` are `rows[starts[i]:starts[i + 1]]`, rising; so do the codes.

    An entry is a code of a stem in the upper half of 64 bits, and a row in the lower.
    """

    codes: NDArray[np.int32]
    starts: Rows
    rows: ShortRows

    @classmethod
    def of(cls, entries: Rows) -> "Segment":
        """Return what is made of entries in any order."""
        entries = np.sort(entries)
        entries = entries[_is_another(entries)]
        every = (entries >> 32).astype(np.int32)
        starts = np.flatnonzero(_is_another(every))
        rows = (entries & LOWER).astype(np.int32)
        return cls(every[starts], np.append(starts, len(every)), rows)

    def __len__(self) -> int:
        return len(self.rows)

    def entries(self) -> Rows:
        """Return what this was made of."""
        return np.repeat(self.codes.astype(np.int64), np.diff(self.starts)) << 32 | self.rows

    def rows_with(self, code: int, span: slice) -> ShortRows:
        """Return the rows in a span that have a stem."""
        at = int(np.searchsorted(self.codes, np.int32(code)))
        if at == len(self.codes) or self.codes[at] != code:
            return self.rows[:0]
        rows = self.rows[self.starts[at] : self.starts[at + 1]]
        first, end = np.searchsorted(rows, np.array([span.start, span.stop], np.int32))
        return rows[first:end]

    def moved(self, row_of: ShortRows) -> "Segment":
        """Return it with every row where `row_of` says that it is now, in the same order; -1 is nowhere."""
        rows = row_of[self.rows]
        is_left = rows >= 0
        ends = np.append(0, np.cumsum(is_left))[self.starts]
        is_used = np.diff(ends) > 0
        starts = np.append(ends[:-1][is_used], ends[-1])
        return Segment(self.codes[is_used], starts, rows[is_left])


class EventWords:
    """The stems of the texts of events, by their rows in `EventColumns`."""

    def __init__(self, stemmer: Stemmer, stems: Sequence[str] = (), *segments: Segment) -> None:
        self._stemmer = stemmer
        self._code_of = {stem: code for code, stem in enumerate(stems)}
        self._segments = list(segments)
        self._reworded: dict[int, set[int]] = {}

    def append(self, first_row: int, texts: Sequence[str]) -> None:
        """Add the words of new rows."""
        self._segments.append(Segment.of(self._entries(first_row, texts)))
        while len(self._segments) > 1:
            before, last = self._segments[-2:]
            if len(before) >= max(SMALL, 2 * len(last)):
                break
            self._segments[-2:] = [_merged([before, last])]

    def reword(self, row: int, text: str) -> None:
        """Give a row other words."""
        self._reworded[row] = set((self._entries(row, [text]) >> 32).tolist())

    def rows_with(self, words: Sequence[str], span: slice) -> Rows:
        """Return the rows in a span that have every word, rising; no word is in none.

        What is one word to who asks and two to the index, by letters it has not heard of, is in none; what is
        none to the index is left out.
        """
        stems_of = self._stemmer.stems_of(words)
        stems = {stem for word in words for stem in stems_of[word]}
        codes = {self._code_of.get(stem, -1) for stem in stems}
        if not codes or -1 in codes or any(len(stems_of[word]) > 1 for word in words):
            return np.empty(0, np.int64)
        found = [
            _in_all([segment.rows_with(code, span) for code in codes]) for segment in self._segments
        ]
        rows = np.concatenate([np.empty(0, np.int64), *found])
        if not self._reworded:
            return rows
        rows = rows[~np.isin(rows, list(self._reworded))]
        now = [row for row, has in self._reworded.items() if codes <= has]
        now = [row for row in now if span.start <= row < span.stop]
        return np.union1d(rows, np.array(now, np.int64))

    def kept(self, kept_rows: Rows, *, count: int) -> tuple[list[str], Segment]:
        """Return the stems, and the rows that have each, where only some of `count` rows are left."""
        row_of = np.full(count, -1, np.int32)
        row_of[kept_rows] = np.arange(len(kept_rows))
        reworded = [
            code << 32 | int(row_of[row])
            for row, codes in self._reworded.items()
            for code in codes
            if row_of[row] >= 0
        ]
        row_of[list(self._reworded)] = -1
        segment = _merged(self._segments).moved(row_of)
        if reworded:
            segment = Segment.of(np.append(segment.entries(), reworded))
        every = list(self._code_of)
        stems = [every[code] for code in segment.codes]
        codes = np.arange(len(stems), dtype=np.int32)
        return stems, Segment(codes, segment.starts, segment.rows)

    def _entries(self, first_row: int, texts: Sequence[str]) -> Rows:
        """Return an entry for every stem of every text."""
        parts = [text.split() for text in texts]  # no word goes across a blank
        every = {part for row_parts in parts for part in row_parts}
        stems_of, code_of = self._stemmer.stems_of(every), self._code_of
        codes_of = {
            part: [code_of.setdefault(stem, len(code_of)) << 32 for stem in stems_of[part]]
            for part in every
        }
        entries = [
            code | row
            for row, row_parts in enumerate(parts, start=first_row)
            for part in row_parts
            for code in codes_of[part]
        ]
        return np.array(entries, np.int64)


def _is_another(rising: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Tell of each of some numbers in order whether it is another one than that before it."""
    is_another = np.ones(len(rising), bool)
    is_another[1:] = rising[1:] != rising[:-1]
    return is_another


def _merged(segments: Sequence[Segment]) -> Segment:
    """Return segments as one, each of which has higher rows than that before it."""
    if len(segments) < 2:
        return segments[0] if segments else Segment.of(np.empty(0, np.int64))
    codes = np.unique(np.concatenate([segment.codes for segment in segments]))
    sizes = np.zeros((len(codes), len(segments)), np.int64)
    for i, segment in enumerate(segments):
        sizes[np.searchsorted(codes, segment.codes), i] = np.diff(segment.starts)
    # Of every code those of the first segment, of the second, ...
    starts = np.append(0, np.cumsum(sizes))
    rows = np.empty(starts[-1], np.int32)
    for i, segment in enumerate(segments):
        first = starts[np.searchsorted(codes, segment.codes) * len(segments) + i]
        shift = np.repeat(first - segment.starts[:-1], np.diff(segment.starts))
        rows[np.arange(len(segment)) + shift] = segment.rows
    return Segment(codes, starts[:: len(segments)], rows)


def _in_all(lists: Sequence[ShortRows]) -> Rows:
    """Return the rows that are in all lists, each of rising rows."""
    found, *others = sorted(lists, key=len)
    for longer in others:
        if not len(found):
            break
        end = np.searchsorted(longer, found[-1], side="right")
        rows = longer[np.searchsorted(longer, found[0]) : end]
        if len(rows) > MUCH_LONGER * len(found):
            is_in = rows.take(np.searchsorted(rows, found), mode="clip") == found
        else:
            marks = np.zeros(found[-1] - found[0] + 1, bool)
            marks[rows - found[0]] = True
            is_in = marks[found - found[0]]
        found = found[is_in]
    return found.astype(np.int64)

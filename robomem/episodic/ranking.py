"""Which events fit best: their score by the cues that were asked for, and the best of them; see `episodic.search`."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robomem.config import EpisodicConfig
from robomem.episodic.matching import EventFilter, away_m
from robomem.store.event_columns import EventColumns
from robomem.store.event_words import Rows

DAY_NS = 86_400 * 1_000_000_000
K1, B, MEAN_CHARS = 1.2, 0.75, 60  # of BM25; how long a text is usually
ROUNDING, ROUNDING_M = 1e-6, 1e-4  # more than scores and distances are off by
Scores = NDArray[np.float64]


class Ranking:
    """The best rows of those that were added, best first: of equals the newest, then the one of the lowest id.

    `rows` (K,), their `scores` (K,), and how well they fit each cue, `parts` by its name.
    """

    def __init__(
        self,
        columns: EventColumns,
        wanted: EventFilter,
        config: EpisodicConfig,
        *,
        cues: Sequence[str],
        limit: int,
    ) -> None:
        has_span = wanted.since_ns is not None or wanted.until_ns is not None
        names = [*cues, *(["place"] if wanted.near_map is not None else [])]
        names += ["time"] if has_span or not names else []
        newest_ns = columns.newest_ns
        self._end_ns = newest_ns if wanted.until_ns is None else min(wanted.until_ns, newest_ns)
        weights = {name: float(getattr(config, f"weight_{name}")) for name in names}
        self._weights = {name: weight / sum(weights.values()) for name, weight in weights.items()}
        self._columns = columns
        self._wanted = wanted
        self._limit = limit
        self.rows = np.empty(0, np.int64)
        self.scores = np.empty(0)
        self.parts = {name: np.empty(0) for name in names}

    def narrowed(self) -> EventFilter:
        """Return a filter that all rows satisfy which may still be among the best, and fewer others than at first.

        What a cue must be worth at least, where all others are worth 1, is a distance or a time.
        """
        narrow = self._wanted
        if len(self.rows) < self._limit:
            return narrow
        missing = 1 - float(self.scores[-1]) + ROUNDING
        if missing < self._weights.get("place", 0):
            reach_m = narrow.radius_m * missing / self._weights["place"] + ROUNDING_M
            narrow = replace(narrow, radius_m=min(reach_m, narrow.radius_m))
        if missing < self._weights.get("time", 0):
            age_ns = int(DAY_NS / (1 - missing / self._weights["time"])) - DAY_NS
            since_ns = self._end_ns - age_ns
            if narrow.since_ns is None or narrow.since_ns < since_ns:
                narrow = replace(narrow, since_ns=since_ns)
        return narrow

    def add(self, rows: Rows, **known: Scores) -> None:
        """Add rows that match, with the parts of their scores that are known."""
        parts = {
            name: known[name] if name in known else self._part(name, rows) for name in self.parts
        }
        scores = np.zeros(len(rows))
        for name, part in parts.items():
            scores += self._weights[name] * part
        best = self._best(rows, scores)
        rows, scores = np.append(self.rows, rows[best]), np.append(self.scores, scores[best])
        stamps, ids = self._columns["stamp_ns"][rows], self._columns["event_id"][rows]
        order = np.lexsort((ids, -stamps, -scores))[: self._limit]
        self.rows, self.scores = rows[order], scores[order]
        self.parts = {n: np.append(self.parts[n], p[best])[order] for n, p in parts.items()}

    def _part(self, name: str, rows: Rows) -> Scores:
        if name == "text":
            chars = self._columns["chars"][rows]
            fit_of = text_fit(np.arange(chars.max(initial=0) + 1))
            return np.asarray(fit_of[chars])
        if name == "place":
            assert self._wanted.near_map is not None
            away = away_m(self._columns, rows, self._wanted.near_map).astype(np.float64)
            return np.asarray(1 - away / self._wanted.radius_m)
        assert name == "time"
        return time_fit(self._columns["until_ns"][rows], self._end_ns)

    def _best(self, rows: Rows, scores: Scores) -> NDArray[np.int64]:
        """Return which rows can be among the best, in no order: few that are not."""
        stamps_ns = self._columns["stamp_ns"]
        if len(self.rows) == self._limit:
            least, oldest_ns = self.scores[-1], stamps_ns[self.rows[-1]]
        elif self._limit < len(rows):
            least = _highest(scores, self._limit)
            spare = self._limit - int(np.count_nonzero(scores > least))
            oldest_ns = _highest(stamps_ns[rows[scores == least]], spare)
        else:
            return np.arange(len(rows))
        equal = np.flatnonzero(scores == least)
        equal = equal[stamps_ns[rows[equal]] >= oldest_ns]
        return np.append(np.flatnonzero(scores > least), equal)


def _highest(values: NDArray[Any], nth: int) -> Any:
    """Return the nth highest of values, the first one for 1."""
    return np.partition(values, len(values) - nth)[len(values) - nth]


def text_fit(chars: NDArray[np.integer[Any]]) -> Scores:
    """Return how well texts of so many characters fit, when every word is in each: BM25 over that of none."""
    return np.asarray((1 + K1 * (1 - B)) / (1 + K1 * (1 - B + B * chars / MEAN_CHARS)))


def time_fit(stamps_ns: NDArray[np.int64], end_ns: int) -> Scores:
    """Return how near to the end of a span what ended at these stamps is."""
    return np.asarray(1 / (1 + np.maximum(end_ns - stamps_ns, 0) / DAY_NS))

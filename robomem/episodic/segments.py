"""The stream of events, cut where it surprises.

EM-LLM's two steps (Fountas et al., "Human-inspired episodic memory for infinite context LLMs", 2024):

    boundary    before an event whose surprise is above mean + gamma * deviation of the last ones
    refinement  each boundary moves, between its neighbours, to where modularity is highest, and goes
                where that is next to nothing

A language model's surprise is -log p of a token. Here it is the error of predicting an event from the few
before it: a sum of terms in [0, 1] for what happens, where, when and of what kind, see `surprise`.
"""

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robomem.config import SegmentConfig

Array = NDArray[np.float64]
MIN_SURPRISES = 4  # fewer have no deviation to speak of
MIN_RISE = 1e-3  # above the threshold; what is always the same rises by rounding only
TIE = 1e-12  # of modularities: the boundary stays


@dataclass(frozen=True, slots=True, eq=False)
class Beat:
    """What segmentation sees of one event.

    Attributes:
        event_id: Of the event; beats come in this order, which is that of the log.
        stamp_ns: When it began.
        kind: Of the event.
        words: Its text as `words.hashed_words`.
        embedding: Of unit length, (D,) float32.
        p_map: Where it was, (3,) metres, as the map was when it was logged.
        room: The room that it was said to be in.
        label: The thing that it is about.
    """

    event_id: int
    stamp_ns: int
    kind: str
    words: NDArray[np.float32]
    embedding: NDArray[np.float32] | None = None
    p_map: Array | None = None
    room: str | None = None
    label: str | None = None


class Segmenter:
    """Cuts a stream of beats; what it holds is a function of the beats and of two cuts, see `resumed`.

    Attributes:
        settling: The segment before the open one: refinement may still move its end.
        open: The segment that goes on.
    """

    def __init__(self, config: SegmentConfig) -> None:
        self._config = config
        self._recent: deque[Beat] = deque(maxlen=config.context_events)
        self._surprises: deque[float] = deque(maxlen=config.window_events)
        self.settling: list[Beat] = []
        self.open: list[Beat] = []

    @classmethod
    def resumed(
        cls,
        beats: Sequence[Beat],
        *,
        settling_from: int | None,
        open_from: int,
        config: SegmentConfig,
    ) -> "Segmenter":
        """Return one that goes on as if it had never stopped.

        Args:
            beats: The last ones, at least `config.lookback_events` and all of both segments.
            settling_from: Id of the first event of the settling segment.
            open_from: Id of the first event of the open one.
            config: As before.
        """
        segmenter = cls(config)
        for beat in beats:
            segmenter._perceive(beat)
        segmenter.open = [beat for beat in beats if beat.event_id >= open_from]
        if settling_from is not None:
            segmenter.settling = [b for b in beats if settling_from <= b.event_id < open_from]
        return segmenter

    def feed(self, beat: Beat) -> list[Beat]:
        """Take the next beat in; returns a segment that is final now, most often none (empty)."""
        is_cut = self._is_cut(self._perceive(beat))
        final = self._close() if is_cut else []
        self.open.append(beat)
        return final

    def _perceive(self, beat: Beat) -> bool:
        """Tell whether a beat surprises, and remember it as what comes before the next one."""
        rise = surprise(beat, self._recent, self._config)
        is_surprise = is_surprising(rise, self._surprises, gamma=self._config.gamma)
        self._surprises.append(rise)
        self._recent.append(beat)
        return is_surprise

    def _is_cut(self, is_surprise: bool) -> bool:
        length = len(self.open)
        return length >= self._config.max_events or (
            is_surprise and length >= self._config.min_events
        )

    def _close(self) -> list[Beat]:
        """Refine the boundary before the open segment, and open another."""
        final, closed = refine(self.settling, self.open, self._config)
        self.settling, self.open = closed, []
        return final


def segment(beats: Iterable[Beat], config: SegmentConfig) -> list[list[Beat]]:
    """Cut a whole stream; each beat is in one segment, in order."""
    segmenter = Segmenter(config)
    final = [done for beat in beats if (done := segmenter.feed(beat))]
    return [*final, *(rest for rest in (segmenter.settling, segmenter.open) if rest)]


def surprise(beat: Beat, context: Sequence[Beat], config: SegmentConfig) -> float:
    """Return how badly an event is predicted by the few before it, 0 for the first.

        s =   (1 - cos(x, mean of the context))    what: embeddings, or words where one has none
            + w_place (1 - exp(-d / place_m))      where: from the last place; 1 and 0 where rooms are known
            + w_gap (1 - exp(-t / gap_s))          when: from the last event
            + w_kind [no event of the context is of its kind]

    Bounded terms, so that a night does not hide the surprises of the morning behind its deviation.
    """
    if not context:
        return 0.0
    s = _content_error(beat, context) + config.place_weight * _place_error(beat, context, config)
    s += config.gap_weight * _fading(abs(beat.stamp_ns - context[-1].stamp_ns) / 1e9 / config.gap_s)
    return s + config.kind_weight * all(beat.kind != other.kind for other in context)


def is_surprising(s: float, window: Sequence[float], *, gamma: float) -> bool:
    """Tell whether a surprise is above the threshold of those before it: mean + gamma * deviation."""
    n = len(window)
    if n < MIN_SURPRISES:
        return False
    mean = sum(window) / n
    deviation = math.dist(window, [mean] * n) / math.sqrt(n)
    return s > mean + gamma * deviation + MIN_RISE


def refine(
    left: Sequence[Beat], right: Sequence[Beat], config: SegmentConfig
) -> tuple[list[Beat], list[Beat]]:
    """Move the boundary between two segments to where modularity is highest, within the limits of length.

    Where even that is less than `config.min_modularity` of what it could be, there was no boundary: the left
    one is empty then, and the right one all. (EM-LLM keeps it; a stream of few words and much noise has many such.)
    """
    both, now = [*left, *right], len(left)
    n, longest = len(both), config.max_events
    low, high = max(config.min_events, n - longest), min(n - config.min_events, longest)
    if not left or not low <= now <= high:  # the second only where the limits were others once
        return list(left), list(right)
    modularity = split_modularities(affinities(both, config))
    cut = low + int(np.argmax(modularity[low : high + 1]))
    if modularity[cut] <= modularity[now] + TIE:
        cut = now
    if modularity[cut] < config.min_modularity * _most(cut, n) and n <= longest:
        return [], both
    return both[:cut], both[cut:]


def split_modularities(affinity: Array) -> Array:
    """Return the modularity of cutting a row of n nodes in two, before each node and after the last: (n + 1,).

        Q = sum over both sides of  inside / 2m - (degrees / 2m)^2

    Newman, "Analysis of weighted networks", 2004. O(n^2) for all cuts together.

    Args:
        affinity: Weights of a graph without loops, (n, n), symmetric, none negative.
    """
    n = len(affinity)
    total = affinity.sum()
    if total <= 0:
        return np.zeros(n + 1)
    sums = np.zeros((n + 1, n + 1))
    sums[1:, 1:] = affinity.cumsum(axis=0).cumsum(axis=1)
    inside_left = sums.diagonal()
    degrees_left = sums[:, n]
    inside_right = total - 2 * degrees_left + inside_left
    inside = inside_left + inside_right
    q = inside / total - (degrees_left / total) ** 2 - (1 - degrees_left / total) ** 2
    return np.asarray(q)


def _most(cut: int, n: int) -> float:
    """Return the modularity of two groups, of the first `cut` nodes and of the others, with no edge between them."""
    share = cut**2 / (cut**2 + (n - cut) ** 2)
    return 2 * share * (1 - share)


def affinities(beats: Sequence[Beat], config: SegmentConfig) -> Array:
    """Return how well beats go together, (n, n) in [0, 1]: one less their share of the terms of `surprise`."""
    stamps_s = np.array([beat.stamp_ns - beats[0].stamp_ns for beat in beats]) / 1e9
    apart = 1 - np.clip(_cosines(beats), 0, 1)
    apart += config.place_weight * _places_apart(beats, config)
    apart += config.gap_weight * _fadings(
        np.abs(np.subtract.outer(stamps_s, stamps_s)) / config.gap_s
    )
    apart += config.kind_weight * _differ([beat.kind for beat in beats])
    whole = 1 + config.gap_weight + config.place_weight + config.kind_weight
    affinity = 1 - apart / whole
    np.fill_diagonal(affinity, 0)
    return np.asarray(affinity)


def _places_apart(beats: Sequence[Beat], config: SegmentConfig) -> Array:
    rooms = [beat.room for beat in beats]
    differ = _differ(rooms)
    if None not in rooms:
        return differ
    places = np.array([np.full(3, np.nan) if b.p_map is None else b.p_map for b in beats])
    distance_m = np.linalg.norm(places[:, None] - places[None], axis=-1)
    apart = np.nan_to_num(_fadings(distance_m / config.place_m))
    has_room = np.array([room is not None for room in rooms])
    return np.asarray(np.where(np.logical_and.outer(has_room, has_room), differ, apart))


def _differ(names: Sequence[str | None]) -> Array:
    """Return 1 for each pair of names that differ, 0 for those that do not, (n, n)."""
    codes = {name: code for code, name in enumerate(dict.fromkeys(names))}
    coded = np.array([codes[name] for name in names])
    return np.asarray(np.not_equal.outer(coded, coded), np.float64)


def _content_error(beat: Beat, context: Sequence[Beat]) -> float:
    embedded = [b.embedding for b in context if b.embedding is not None]
    if beat.embedding is not None and embedded:
        return _error(beat.embedding, embedded)
    return _error(beat.words, [b.words for b in context])


def _place_error(beat: Beat, context: Sequence[Beat], config: SegmentConfig) -> float:
    for last in reversed(context):
        if beat.room is not None and last.room is not None:
            return float(beat.room != last.room)
        if beat.p_map is not None and last.p_map is not None:
            distance_m = math.dist(beat.p_map, last.p_map)
            return _fading(distance_m / config.place_m)
    return 0.0


def _error(x: NDArray[np.float32], context: Sequence[NDArray[np.float32]]) -> float:
    """Return 1 - cos of a vector and the mean of others, in [0, 1]; 1 where either is zero."""
    mean = np.add.reduce(context)
    norm = math.sqrt(float(mean @ mean) * float(x @ x))
    return min(1.0, max(0.0, 1 - float(x @ mean) / norm)) if norm > 0 else 1.0


def _cosines(beats: Sequence[Beat]) -> Array:
    """Return the cosines of all pairs: of embeddings, or of words where one of them has none."""
    embedded = np.array([beat.embedding for beat in beats if beat.embedding is not None])
    if len(embedded) == len(beats):
        return np.asarray(embedded @ embedded.T, np.float64)
    words = np.array([beat.words for beat in beats])
    cosines = np.asarray(words @ words.T, np.float64)
    has = np.array([beat.embedding is not None for beat in beats])
    if has.any():
        cosines[np.ix_(has, has)] = embedded @ embedded.T
    return cosines


def _fading(x: float) -> float:
    return 1 - math.exp(-x)


def _fadings(x: Array) -> Array:
    return 1 - np.exp(-x)

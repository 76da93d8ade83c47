"""Where episodes begin, against the truth and beside simpler rules."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import mean

import numpy as np
from numpy.typing import NDArray

from robomem.config import SegmentConfig
from robomem.episodic.segments import Beat, is_surprising, segment, surprise
from robomem_sim.bench_memory.streams import Stream, planted_stream, stream_of_life
from robomem_sim.lives import ConceptEncoder, live

TOLERANCE = 1  # events that a boundary may be off
CONFIG = SegmentConfig()
UNREFINED = "threshold only"
MOVED = "threshold, boundaries moved"
REFINED = "threshold, moved and taken back (robomem)"
EVERY_3_S = "every 3 s"
FIXED_COUNT = "so many events as is right on average"
FIXED_TIME = "so long as is right on average"
CHANGE_POINT = "unlike the mean so far: 1 - cos above 0.35"
BEST_CHANGE_POINT = "the same, above what is best with the truth at hand"
THRESHOLDS = (0.35, 0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True, slots=True)
class BoundaryScore:
    """How well one rule finds the boundaries of some streams, means over these; off by one event is right."""

    stream: str
    rule: str
    precision: float
    recall: float
    f1: float


def measure_boundaries(seeds: Sequence[int]) -> tuple[BoundaryScore, ...]:
    """Cut streams by every rule."""
    encoder = ConceptEncoder(0)
    lives = [stream_of_life(live(seed, days=1.0), encoder) for seed in seeds]
    planted = [planted_stream(np.random.default_rng([seed, 3]), noise=1.0) for seed in seeds]
    noisy = [planted_stream(np.random.default_rng([seed, 4]), noise=1.6) for seed in seeds]
    streams: Mapping[str, Sequence[Stream]] = {
        "lives of a day": lives,
        "the same, words only": [stream.with_words_only() for stream in lives],
        "planted days": planted,
        "planted days, more noise": noisy,
        "planted days, words only": [stream.with_words_only() for stream in planted],
    }
    return tuple(
        score
        for name, group in streams.items()
        for score in (
            *(_score(name, rule, group, cut) for rule, cut in RULES.items()),
            _best_change_point(name, group),
        )
    )


def matches(found: Sequence[int], true: Sequence[int], *, tolerance: int = TOLERANCE) -> int:
    """Return how many found boundaries are true ones, each true one once.

    From left to right, each found boundary takes the first true one in reach that is left: no assignment has more.
    """
    left, count = deque(sorted(true)), 0
    for boundary in sorted(found):
        while left and left[0] < boundary - tolerance:
            left.popleft()
        if left and left[0] <= boundary + tolerance:
            left.popleft()
            count += 1
    return count


def _matched(stream: Stream, found: Sequence[int]) -> tuple[float, float]:
    """Return precision and recall."""
    count = matches(found, stream.boundaries)
    return count / max(1, len(found)), count / len(stream.boundaries)


def _score(
    name: str, rule: str, group: Sequence[Stream], cut: Callable[[Stream], list[int]]
) -> BoundaryScore:
    matched = [_matched(stream, cut(stream)) for stream in group]
    f1 = mean(2 * p * r / (p + r) if p + r else 0.0 for p, r in matched)
    return BoundaryScore(name, rule, mean(p for p, _ in matched), mean(r for _, r in matched), f1)


def _best_change_point(name: str, group: Sequence[Stream]) -> BoundaryScore:
    """Return what a threshold reaches that is chosen with the truth at hand."""
    scores = [
        _score(name, BEST_CHANGE_POINT, group, partial(_change_point, threshold=threshold))
        for threshold in THRESHOLDS
    ]
    return max(scores, key=lambda score: score.f1)


def _refined(stream: Stream) -> list[int]:
    return _firsts(stream, CONFIG)


def _moved(stream: Stream) -> list[int]:
    return _firsts(stream, CONFIG.model_copy(update={"min_modularity": 0.0}))


def _firsts(stream: Stream, config: SegmentConfig) -> list[int]:
    return [beats[0].event_id for beats in segment(stream.beats, config)][1:]


def _unrefined(stream: Stream) -> list[int]:
    surprises: deque[float] = deque(maxlen=CONFIG.window_events)
    found, length = [], 0
    for row, beat in enumerate(stream.beats):
        s = surprise(beat, stream.beats[max(0, row - CONFIG.context_events) : row], CONFIG)
        is_surprise = is_surprising(s, surprises, gamma=CONFIG.gamma)
        surprises.append(s)
        if length >= CONFIG.max_events or (is_surprise and length >= CONFIG.min_events):
            found.append(row)
            length = 0
        length += 1
    return found


def _every_3_s(stream: Stream) -> list[int]:
    return _by_time(stream, 3.0)


def _fixed_time(stream: Stream) -> list[int]:
    lived_s = (stream.beats[-1].stamp_ns - stream.beats[0].stamp_ns) / 1e9
    return _by_time(stream, lived_s / (len(stream.boundaries) + 1))


def _by_time(stream: Stream, window_s: float) -> list[int]:
    stamps = np.array([beat.stamp_ns for beat in stream.beats])
    windows = (stamps - stamps[0]) // int(window_s * 1e9)
    return [int(row) + 1 for row in np.flatnonzero(np.diff(windows))]


def _fixed_count(stream: Stream) -> list[int]:
    count = round(len(stream.beats) / (len(stream.boundaries) + 1))
    return list(range(count, len(stream.beats), count))


def _change_point(stream: Stream, *, threshold: float = THRESHOLDS[0]) -> list[int]:
    """Cut where an event is unlike the mean of the segment so far, after at least so many events as ours."""
    found, first = [], 0
    total: NDArray[np.float64] = np.zeros(0)
    for row, beat in enumerate(stream.beats):
        vector = _vector(beat)
        norm = float(np.linalg.norm(total) * np.linalg.norm(vector))
        if row - first >= CONFIG.min_events and (
            norm == 0 or 1 - float(total @ vector) / norm > threshold
        ):
            found.append(row)
            first = row
        total = np.asarray(vector if row == first else total + vector, np.float64)
    return found


def _vector(beat: Beat) -> NDArray[np.float32]:
    return np.asarray(beat.words if beat.embedding is None else beat.embedding)


RULES: Mapping[str, Callable[[Stream], list[int]]] = {
    REFINED: _refined,
    MOVED: _moved,
    UNREFINED: _unrefined,
    FIXED_COUNT: _fixed_count,
    FIXED_TIME: _fixed_time,
    EVERY_3_S: _every_3_s,
    CHANGE_POINT: _change_point,
}

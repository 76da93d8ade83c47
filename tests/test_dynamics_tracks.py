"""Tracks: the same body keeps its number, and what passed is remembered for a while."""

import itertools

import numpy as np
import pytest

from robomem.errors import StampError
from robomem.spatial.dynamics import Cluster, NewsKind, Tracker, TrackSettings, TrackState
from tests.worlds import NS

STEP_S = 0.2


def _cluster(x_m, y_m, *, count=40):
    rng = np.random.default_rng(count)
    points = np.array([x_m, y_m, 0.9]) + rng.uniform(-0.2, 0.2, (count, 3))
    points -= points.mean(axis=0) - (x_m, y_m, 0.9)
    return Cluster(np.arange(count), points)


def _stamp(step):
    return 10 * NS + round(step * STEP_S * NS)


def _walk(tracker, *paths):
    """Show bodies along paths, (S, 2) each, NaN where one is out of sight; returns the motions."""
    motions = []
    for step, places in enumerate(zip(*paths, strict=True)):
        clusters = [_cluster(*place) for place in places if np.isfinite(place).all()]
        motions.append(tracker.update(clusters, stamp_ns=_stamp(step)))
    return motions


def test_two_that_cross_keep_their_numbers():
    x_m = np.arange(-2.0, 2.0, 0.2)
    right, left = np.column_stack([x_m, 0.4 + 0 * x_m]), np.column_stack([-x_m, -0.4 + 0 * x_m])

    motions = _walk(Tracker(), right, left)

    assert all([t.track_id for t in motion.tracks] == [1, 2] for motion in motions)
    assert np.allclose(motions[-1].tracks[0].velocity_map, (1.0, 0.0, 0.0), atol=0.1)
    assert np.allclose(motions[-1].tracks[1].velocity_map, (-1.0, 0.0, 0.0), atol=0.1)


def test_a_body_behind_something_for_a_moment_keeps_its_number():
    path = np.column_stack([np.arange(0.0, 4.0, 0.2), np.zeros(20)])
    path[10:13] = np.nan

    motions = _walk(Tracker(), path)

    assert [t.track_id for t in motions[-1].tracks] == [1]


def test_the_nearest_pairs_are_those_of_the_best_assignment_where_people_are_apart():
    rng = np.random.default_rng(3)
    for _ in range(50):
        places = rng.uniform(-4, 4, (4, 2))
        apart_m = np.linalg.norm(places[:, None] - places, axis=2) + 9 * np.eye(4)
        if apart_m.min() < 0.8:
            continue
        seen = places + rng.normal(0, 0.1, places.shape)
        order = rng.permutation(4)
        tracker = Tracker()
        tracker.update([_cluster(*p) for p in places], stamp_ns=_stamp(0))

        motion = tracker.update([_cluster(*p) for p in seen[order]], stamp_ns=_stamp(1))

        best = min(
            itertools.permutations(range(4)),
            key=lambda p: np.sum((places[list(p)] - seen[order]) ** 2),
        )
        assert [t.track_id - 1 for t in motion.tracks] == list(best)


def test_news_come_once_when_it_is_sure_that_something_moves_and_when_it_is_gone():
    tracker = Tracker()
    path = np.column_stack([np.arange(0.0, 2.0, 0.2), np.zeros(10)])
    hidden = np.full((10, 2), np.nan)

    motions = _walk(tracker, np.vstack([path, hidden]))

    news = [(step, n.kind) for step, motion in enumerate(motions) for n in motion.news]
    assert [kind for _, kind in news] == [NewsKind.APPEARED, NewsKind.PASSED]
    assert news[0][0] <= 4
    assert news[1][0] == 15  # a second and a look after the last, 9
    assert tracker.tracks()[0].state is TrackState.GONE


def test_what_never_moved_is_no_news_until_it_settles():
    tracker = Tracker(TrackSettings(settle_s=20.0, rest_s=2.0))

    motions = _walk(tracker, np.zeros((15, 2)))

    news = [(step, n.kind) for step, motion in enumerate(motions) for n in motion.news]
    assert news[0] == (10, NewsKind.SETTLED)


def test_what_stood_when_it_was_lost_goes_on_standing_when_it_is_found_again():
    path = np.zeros((40, 2))
    path[8:25] = np.nan
    tracker = Tracker(TrackSettings(settle_s=5.0))

    motions = _walk(tracker, path)

    assert [t.track_id for t in motions[25].tracks] == [1]
    assert [n.kind for n in motions[25].news] == [NewsKind.SETTLED]


def test_the_history_is_bounded_in_seconds_and_bytes():
    settings = TrackSettings(history_s=3.0, history_bytes=20_000)
    tracker = Tracker(settings)
    path = np.column_stack([np.arange(0.0, 20.0, 0.2), np.zeros(100)])

    _walk(tracker, path)

    glimpses = tracker.glimpses(1)
    assert 5 < len(glimpses) <= 16
    assert glimpses[0].track.last_seen_ns >= _stamp(99) - 3 * NS
    assert tracker.memory_bytes <= 20_000 + 2_000


def test_a_stamp_a_little_back_is_now_and_far_back_is_a_new_beginning():
    tracker = Tracker()
    _walk(tracker, np.zeros((5, 2)))

    late = tracker.update([_cluster(0.0, 0.0)], stamp_ns=_stamp(3))
    restarted = tracker.update([_cluster(0.0, 0.0)], stamp_ns=NS)

    assert [t.track_id for t in late.tracks] == [1]
    assert late.tracks[0].last_seen_ns == _stamp(4)
    assert [t.track_id for t in restarted.tracks] == [2]
    assert [t.track_id for t in tracker.tracks()] == [2]


def test_a_stamp_that_is_none_is_refused():
    tracker = Tracker()

    with pytest.raises(StampError):
        tracker.update([], stamp_ns=-5)
    assert tracker.tracks() == ()


def test_nothing_seen_is_nothing_tracked():
    motion = Tracker().update([], stamp_ns=NS)

    assert motion.tracks == motion.news == ()

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robomem.errors import ConfigError, DataError
from robomem.policy.runtime.chunks import ActionChunks, prefix_weights

PERIOD_S = 0.1


def chunk(start, length=8):
    """Return actions that are their own number, counted in periods since 0."""
    return np.arange(start, start + length, dtype=float)[:, None]


@given(st.lists(st.floats(0, 0.04), min_size=1, max_size=40))
def test_an_action_is_done_at_its_time_whatever_the_jitter(jitters):
    plan = ActionChunks(period_s=PERIOD_S, execute=4)

    for step, jitter in enumerate(jitters):
        stamp_s = step * PERIOD_S + jitter
        if plan.is_due(stamp_s):
            plan.add(chunk(step), step * PERIOD_S)
        assert plan.at(stamp_s)[0] == step


@given(st.sets(st.integers(0, 60), min_size=1))
def test_dropped_frames_shift_nothing(steps_seen):
    plan = ActionChunks(period_s=PERIOD_S, execute=4)

    for step in sorted(steps_seen):
        if plan.is_due(step * PERIOD_S):
            plan.add(chunk(step), step * PERIOD_S)
        assert plan.at(step * PERIOD_S)[0] == step


def test_a_robot_that_waits_too_long_is_told_nothing():
    plan = ActionChunks(period_s=PERIOD_S, execute=4)
    plan.add(chunk(0), 0.0)

    assert plan.at(0.7)[0] == 7
    assert plan.at(0.8) is None


def test_an_older_chunk_that_comes_late_is_refused():
    plan = ActionChunks(period_s=PERIOD_S, execute=4)
    plan.add(chunk(5), 0.5)

    assert not plan.add(chunk(2), 0.2)
    assert plan.at(0.5)[0] == 5


@pytest.mark.parametrize(
    ("blend", "old_share"),
    [("latest", 0.0), ("weighted", 0.3), ("average", 0.5), ("conservative", 0.7)],
)
def test_chunks_are_blended_where_they_overlap(blend, old_share):
    plan = ActionChunks(period_s=PERIOD_S, execute=4, blend=blend)
    plan.add(np.zeros((8, 2)), 0.0)

    plan.add(np.ones((8, 2)), 0.5)

    np.testing.assert_allclose(plan.at(0.5), 1 - old_share)
    np.testing.assert_allclose(plan.at(0.7), 1 - old_share)
    np.testing.assert_allclose(plan.at(0.8), 1)


def test_what_is_left_is_what_comes():
    plan = ActionChunks(period_s=PERIOD_S, execute=4)
    plan.add(chunk(0), 0.0)

    np.testing.assert_array_equal(plan.left(0.5), chunk(5, 3))
    assert not len(plan.left(5.0))


@pytest.mark.parametrize(
    ("wrong", "stamp_s"),
    [
        (np.zeros(3), 0.0),
        (np.zeros((0, 3)), 0.0),
        (np.full((2, 3), np.nan), 0.0),
        (np.zeros((2, 3)), np.nan),
        (np.zeros((2, 4)), 0.0),
    ],
)
def test_a_wrong_chunk_changes_nothing(wrong, stamp_s):
    plan = ActionChunks(period_s=PERIOD_S, execute=4)
    plan.add(np.ones((8, 3)), 0.0)

    with pytest.raises(DataError):
        plan.add(wrong, stamp_s)

    assert (plan.at(0.0) == 1).all()


@pytest.mark.parametrize(
    "settings",
    [
        {"period_s": 0.0, "execute": 4},
        {"period_s": np.nan, "execute": 4},
        {"period_s": 0.1, "execute": 0},
        {"period_s": 0.1, "execute": 4, "blend": "loudest"},
    ],
)
def test_settings_that_make_no_sense_are_refused(settings):
    with pytest.raises(ConfigError):
        ActionChunks(**settings)


@given(st.integers(1, 32), st.data())
def test_the_weights_of_a_prefix_fall_from_one_to_nothing(horizon, data):
    overlap = data.draw(st.integers(0, horizon))
    delay = data.draw(st.integers(0, overlap))

    weights = prefix_weights(horizon, delay=delay, overlap=overlap)

    assert (weights[:delay] == 1).all()
    assert (weights[overlap:] == 0).all()
    assert ((weights[delay:overlap] > 0) & (weights[delay:overlap] < 1)).all()
    assert (np.diff(weights) <= 0).all()


def test_the_weights_of_a_prefix_are_those_of_the_paper():
    """Figure 2 of Black et al.: c = (H - s - i) / (H - s - d + 1), and c (e^c - 1) / (e - 1)."""
    weights = prefix_weights(16, delay=4, overlap=11)  # H = 16, s = 5, d = 4

    c = (16 - 5 - 7) / (16 - 5 - 4 + 1)
    assert weights[7] == pytest.approx(c * (np.e**c - 1) / (np.e - 1))


def test_a_delay_longer_than_the_overlap_is_refused():
    with pytest.raises(ConfigError, match="overlap"):
        prefix_weights(16, delay=9, overlap=8)

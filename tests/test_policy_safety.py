"""Whatever a policy says, a robot is told what is finite, within limits and slew."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robomem.errors import ConfigError
from robomem.policy.runtime.safety import NS_PER_S, ActionGuard, ActionLimits, GuardTiming

MS = 1_000_000
LIMITS = ActionLimits(low=(-1.0, -2.0), high=(1.0, 0.5), slew_per_s=(4.0, 10.0), rest=(0.0, 0.0))
TIMING = GuardTiming(
    max_age_s=1.0, max_ahead_s=0.05, deadline_s=0.3, hold_s=0.2, ramp_s=0.5, max_step_s=0.1
)
FREE = ActionLimits(low=(-9.0,), high=(9.0,), slew_per_s=(1e6,), rest=(0.0,))

numbers = st.floats(allow_nan=True, allow_infinity=True)
actions = st.one_of(
    st.none(),
    st.lists(numbers, min_size=2, max_size=2),
    st.lists(numbers, max_size=4),
    st.just("forward"),
    st.just([[0.0], [0.0, 1.0]]),
    st.just([1j, 1j]),
    st.just([10**400, 0]),
)
moments = st.tuples(
    actions,
    st.integers(-NS_PER_S, 2 * NS_PER_S),  # since the last step; clocks may go backwards
    st.one_of(st.none(), st.integers(-2 * NS_PER_S, 2 * NS_PER_S)),  # age of the observation
    st.sampled_from(["asked", "answered", "neither"]),
)


@given(st.lists(moments, max_size=40))
def test_whatever_comes_in_what_goes_out_is_finite_and_within_limits_and_slew(moments):
    guard, now_ns, told = ActionGuard(LIMITS, TIMING), 5 * NS_PER_S, np.zeros(2)

    for index, (action, passed_ns, age_ns, event) in enumerate(moments):
        now_ns += passed_ns
        if event == "asked":
            guard.asked(now_ns)
        elif event == "answered":
            guard.answered()
        observed_ns = None if age_ns is None else now_ns - age_ns
        before, told = told, guard.step(action, now_ns=now_ns, observed_ns=observed_ns)

        allowed_s = TIMING.max_step_s if index == 0 else min(max(passed_ns, 0) / NS_PER_S, 0.1)
        assert np.isfinite(told).all()
        assert (np.asarray(LIMITS.low) <= told).all()
        assert (told <= np.asarray(LIMITS.high)).all()
        assert (abs(told - before) <= np.asarray(LIMITS.slew_per_s) * allowed_s + 1e-12).all()


@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(-2, 0.5)), min_size=1, max_size=20))
def test_what_is_within_all_bounds_is_left_as_it_is(wanted):
    limits = ActionLimits(low=LIMITS.low, high=LIMITS.high, slew_per_s=(1e6, 1e6))
    guard = ActionGuard(limits, TIMING)

    told = [
        guard.step(action, now_ns=i * 50 * MS, observed_ns=i * 50 * MS)
        for i, action in enumerate(wanted)
    ]

    np.testing.assert_array_equal(told, wanted)
    assert not guard.counts.total()


def test_silence_is_held_then_ramped_to_rest():
    guard = ActionGuard(FREE, TIMING)
    guard.step([8.0], now_ns=0, observed_ns=0)

    told = [guard.step(None, now_ns=i * 90 * MS)[0] for i in range(1, 9)]

    np.testing.assert_allclose(told, [8, 8, 6.88, 5.44, 4, 2.56, 1.12, 0], atol=1e-9)
    assert guard.report() | {"held": 2, "ramped": 5, "rested": 1} == guard.report()


def test_what_has_no_rest_is_held_for_ever():
    guard = ActionGuard(ActionLimits(low=(-9,), high=(9,), slew_per_s=(1e6,)), TIMING)
    guard.step([8.0], now_ns=0, observed_ns=0)

    told = [guard.step(None, now_ns=i * NS_PER_S)[0] for i in range(1, 4)]

    assert told == [8.0, 8.0, 8.0]
    assert guard.report()["held"] == 3


@pytest.mark.parametrize(
    ("action", "observed_ns", "name"),
    [
        ([np.nan], NS_PER_S, "not_finite"),
        ([np.inf], NS_PER_S, "not_finite"),
        ([1.0, 2.0], NS_PER_S, "shape"),
        (["left"], NS_PER_S, "shape"),
        ([1.0], -1, "stale"),
        ([1.0], None, "stale"),
        ([1.0], 2 * NS_PER_S, "from_future"),
    ],
)
def test_a_bad_action_is_refused_by_name_and_the_last_one_held(action, observed_ns, name):
    guard = ActionGuard(FREE, TIMING)
    guard.step([3.0], now_ns=NS_PER_S - 50 * MS, observed_ns=NS_PER_S - 50 * MS)

    told = guard.step(action, now_ns=NS_PER_S, observed_ns=observed_ns)

    assert told == [3.0]
    assert {each: n for each, n in guard.report().items() if n} == {name: 1, "held": 1}


def test_a_policy_past_its_deadline_is_not_followed_until_it_answers():
    guard = ActionGuard(FREE, TIMING)
    guard.step([3.0], now_ns=0, observed_ns=0)
    guard.asked(0)

    in_time, *late = (
        guard.step([5.0], now_ns=now_ns, observed_ns=0)[0]
        for now_ns in (300 * MS, 400 * MS, 450 * MS)
    )
    guard.answered()
    again = guard.step([5.0], now_ns=500 * MS, observed_ns=0)[0]

    assert (in_time, late, again) == (5.0, [5.0, 5.0], 5.0)
    assert guard.report()["deadline_missed"] == 1
    assert guard.report()["held"] == 2


def test_a_long_pause_lets_nothing_jump():
    limits = ActionLimits(low=(-9,), high=(9,), slew_per_s=(1.0,), rest=(0.0,))
    guard = ActionGuard(limits, TIMING)
    guard.step([0.0], now_ns=0, observed_ns=0)

    told = guard.step([9.0], now_ns=60 * NS_PER_S, observed_ns=60 * NS_PER_S)

    assert told == pytest.approx([0.1])
    assert guard.report()["late_step"] == guard.report()["slewed"] == 1


def test_a_clock_set_back_does_not_hold_an_action_for_the_time_it_was_set_back():
    guard = ActionGuard(FREE, TIMING)
    guard.step([8.0], now_ns=3600 * NS_PER_S, observed_ns=3600 * NS_PER_S)

    told = [guard.step(None, now_ns=i * NS_PER_S)[0] for i in range(3)]

    assert told[-1] == 0.0
    assert guard.report()["clock_backwards"] == 1


def test_it_moves_from_what_the_robot_does_now():
    limits = ActionLimits(low=(-9,), high=(9,), slew_per_s=(1.0,), rest=(0.0,))

    told = ActionGuard(limits, TIMING, last=[5.0]).step(None, now_ns=0)

    assert told == pytest.approx([4.9])


@pytest.mark.parametrize(
    "wrong",
    [
        {"low": (1.0,), "high": (0.0,)},
        {"low": (0.0, 0.0)},
        {"high": (np.inf,)},
        {"slew_per_s": (0.0,)},
        {"rest": (2.0,)},
        {"low": (), "high": (), "slew_per_s": ()},
    ],
)
def test_limits_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ConfigError):
        ActionLimits(**{"low": (0.0,), "high": (1.0,), "slew_per_s": (1.0,)} | wrong)


def test_times_that_make_no_sense_are_refused():
    with pytest.raises(ConfigError, match="hold_s"):
        GuardTiming(hold_s=0.0)
    with pytest.raises(ConfigError, match="last action"):
        ActionGuard(FREE, TIMING, last=[np.nan])

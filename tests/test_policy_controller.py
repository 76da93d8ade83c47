"""A controller lets a policy act on a robot, and keeps what the policy does wrong from it."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robomem.errors import ConfigError, FormatError
from robomem.policy.runtime.controller import Controller
from robomem.policy.runtime.manifest import Spec
from robomem.policy.runtime.safety import NS_PER_S, ActionGuard, ActionLimits, GuardTiming

MS = 1_000_000
LIMITS = ActionLimits(low=(-9.0,), high=(9.0,), slew_per_s=(1e6,), rest=(0.0,))
TIMING = GuardTiming(max_age_s=1.0, deadline_s=0.3, hold_s=0.2, ramp_s=0.5, max_step_s=0.2)


class Echo:
    """Acts by what it saw: its state now, one more each step of 100 ms; two of four actions are to be done."""

    manifest = SimpleNamespace(
        name="echo", action=Spec("float32", (1,)), period_s=0.1, execute=2, horizon=4
    )

    def __init__(self) -> None:
        self.seen: list[tuple[float, bool]] = []

    def reset(self):
        self.seen.clear()

    def observe(self, observation):
        self._see(observation, plans=False)

    def predict_action_chunk(self, observation):
        state = self._see(observation, plans=True)
        return (state + np.arange(4.0))[None, :, None]

    def _see(self, observation, *, plans):
        state = float(np.asarray(observation["observation.state"])[0])
        if state < 0:
            raise FormatError("a negative state")
        self.seen.append((round(float(observation["observation.stamp_s"][0]), 3), plans))
        return state


@pytest.fixture
def controller() -> Controller:
    return Controller(Echo(), ActionGuard(LIMITS, TIMING))


def show(controller, state, at_ms) -> None:
    now_ns = NS_PER_S + at_ms * MS
    controller.observe(lambda: {"observation.state": [state]}, stamp_ns=now_ns, now_ns=now_ns)


def act(controller, at_ms) -> float:
    return float(controller.act(NS_PER_S + at_ms * MS)[0])


def test_actions_are_done_at_their_time_and_a_chunk_is_planned_when_due(controller):
    told = []
    for at_ms in (0, 100, 200, 300):
        show(controller, 5 if at_ms else 1, at_ms)
        controller.think()
        told.append(act(controller, at_ms))

    assert told == [1, 2, 5, 6]
    assert controller._policy.seen == [(0.0, True), (0.1, False), (0.2, True), (0.3, False)]
    assert controller.report()["taken"] == 4


def test_only_the_newest_observation_is_thought_of(controller):
    for state in (1, 2, 3):
        show(controller, state, 0)

    assert [controller.think(), controller.think()] == [True, False]
    assert act(controller, 0) == 3
    assert controller.report()["superseded"] == 2


def test_a_policy_that_does_not_answer_is_followed_no_longer(controller):
    show(controller, 4, 0)
    controller.think()
    show(controller, 5, 50)

    told = [act(controller, at_ms) for at_ms in (100, 200, 300, 400, 650, 1500)]

    assert told[:3] == [5, 6, 7]
    assert told[3] == 7  # past the deadline: held
    assert 0 < told[4] < 7
    assert told[5] == 0
    assert controller.report()["deadline_missed"] == 1


def test_bad_observations_that_keep_coming_do_not_put_the_deadline_off(controller):
    for at_ms in range(0, 400, 100):
        show(controller, -1, at_ms)
        controller.think()

    act(controller, 400)

    assert controller.report()["deadline_missed"] == 1


def test_silence_ends_at_rest(controller):
    show(controller, 4, 0)
    controller.think()

    told = [act(controller, at_ms) for at_ms in range(0, 1500, 100)]

    assert told[:4] == [4, 5, 6, 7]
    assert told[-1] == 0
    assert controller.report()["held"] > 0
    assert controller.report()["deadline_missed"] == 0


def test_a_bad_observation_is_counted_and_no_answer(controller):
    show(controller, -1, 0)

    assert controller.think()
    assert act(controller, 0) == 0
    assert act(controller, 400) == 0
    assert controller.report()["value_invalid"] == 1
    assert controller.report()["deadline_missed"] == 1


def test_after_a_reset_nothing_is_planned_and_time_begins_anew(controller):
    show(controller, 4, 0)
    controller.think()
    act(controller, 0)

    controller.reset()

    assert act(controller, 1000) == 0
    show(controller, 2, 1100)
    controller.think()
    assert act(controller, 1100) == 2
    assert controller._policy.seen == [(0.0, True)]


def test_limits_of_another_size_or_a_policy_that_chooses_are_refused():
    two = ActionLimits(low=(0, 0), high=(1, 1), slew_per_s=(1, 1))
    with pytest.raises(ConfigError):
        Controller(Echo(), ActionGuard(two, TIMING))
    chooser = Echo()
    chooser.manifest = SimpleNamespace(**vars(Echo.manifest) | {"action": Spec("int64", (1,))})
    with pytest.raises(ConfigError):
        Controller(chooser, ActionGuard(LIMITS, TIMING))


events = st.tuples(st.sampled_from(["show", "think", "act"]), st.floats(), st.integers(-300, 900))


@given(st.lists(events, max_size=40))
def test_whatever_happens_what_is_told_is_finite_and_within_limits(events):
    controller = Controller(Echo(), ActionGuard(LIMITS, TIMING))
    now_ms = 0

    for what, state, passed_ms in events:
        now_ms += passed_ms
        if what == "show":
            show(controller, state, now_ms)
        elif what == "think":
            controller.think()
        else:
            told = act(controller, now_ms)
            assert abs(told) <= 9

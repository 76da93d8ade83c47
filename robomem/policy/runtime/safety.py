"""What reaches a robot, whatever a policy says: finite, within limits and slew, and not for long once nothing comes.

No clock is read here: every call is told the time, in nanoseconds of one clock that observations are stamped with too.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from robomem.errors import ConfigError

Action = NDArray[np.float64]  # (A,)
NS_PER_S = 1_000_000_000


class Intervention(StrEnum):
    """Why a robot was told something else than its policy said; counted by this name, a control step each."""

    CLOCK_BACKWARDS = "clock_backwards"
    DEADLINE_MISSED = "deadline_missed"  # once an answer, not once a step
    FROM_FUTURE = "from_future"
    HELD = "held"
    LATE_STEP = "late_step"
    LIMITED = "limited"
    NOT_FINITE = "not_finite"
    RAMPED = "ramped"
    RESTED = "rested"
    SHAPE = "shape"
    SLEWED = "slewed"
    STALE = "stale"


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionLimits:
    """What an actuator can be told; of A dimensions each.

    Attributes:
        low: The least, in the action's own units.
        high: The largest.
        slew_per_s: How far a dimension may move within a second.
        rest: What is told when there is nothing to do: 0 stops what is told velocities. None holds the last
            action for ever, as befits what is told positions.
    """

    low: Sequence[float]
    high: Sequence[float]
    slew_per_s: Sequence[float]
    rest: Sequence[float] | None = None

    def __post_init__(self) -> None:
        low, high, slew = (np.asarray(x, float) for x in (self.low, self.high, self.slew_per_s))
        if not (low.ndim == 1 and low.size > 0 and low.shape == high.shape == slew.shape):
            raise ConfigError("low, high and slew_per_s have one number for each action dimension")
        if not (np.isfinite([low, high, slew]).all() and (low <= high).all() and (slew > 0).all()):
            raise ConfigError("limits are finite, low <= high, and slew_per_s is above 0")
        if self.rest is not None:
            rest = np.asarray(self.rest, float)
            if rest.shape != low.shape or not ((low <= rest) & (rest <= high)).all():
                raise ConfigError(f"rest lies within the limits, got {rest.tolist()}")

    @property
    def size(self) -> int:
        """Return A, the dimensions of an action."""
        return len(self.low)


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardTiming:
    """How long what may take, in seconds.

    Attributes:
        max_age_s: How old the observation may be that an action answers: latency and the whole chunk.
        max_ahead_s: How far in the future that observation may be stamped, as clocks differ.
        deadline_s: How long a policy may take to answer; after it, what is left of older chunks is refused.
        hold_s: How long the last action is told again when nothing comes.
        ramp_s: How long it then takes to come to rest.
        max_step_s: A longer pause between two control steps counts as this long, so that nothing jumps after it.
    """

    max_age_s: float = 2.0
    max_ahead_s: float = 0.05
    deadline_s: float = 0.5
    hold_s: float = 0.2
    ramp_s: float = 0.5
    max_step_s: float = 0.1

    def __post_init__(self) -> None:
        for each in fields(self):
            if not 0 < getattr(self, each.name) < np.inf:
                raise ConfigError(f"{each.name} is a positive number of seconds")


@dataclass(slots=True)
class ActionGuard:
    """Stands between a policy and a robot.

    Attributes:
        limits: What the robot can be told.
        timing: How long what may take.
        last: What the robot was told last, or does now; (A,) within the limits. It rests where it is not given.
        counts: Interventions so far.
    """

    limits: ActionLimits
    timing: GuardTiming = field(default_factory=GuardTiming)
    last: ArrayLike | None = None
    counts: Counter[Intervention] = field(default_factory=Counter)
    _told: Action = field(init=False)
    _accepted: Action = field(init=False)  # the last action that was as it should be
    _accepted_ns: int | None = field(default=None, init=False)
    _now_ns: int | None = field(default=None, init=False)
    _asked_ns: int | None = field(default=None, init=False)
    _is_overdue: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        start = self.limits.rest if self.last is None else self.last
        told = np.zeros(self.limits.size) if start is None else np.array(start, float)
        if told.shape != (self.limits.size,) or not np.isfinite(told).all():
            raise ConfigError(f"the last action is {self.limits.size} finite numbers")
        self._told = np.clip(told, self.limits.low, self.limits.high)
        self._accepted = self._told

    def asked(self, now_ns: int) -> None:
        """Say that the policy was asked for actions; its deadline begins, but where it owes an answer already."""
        if self._asked_ns is None:
            self._asked_ns = now_ns

    def answered(self) -> None:
        """Say that the policy answered: from now on its actions are taken again."""
        self._asked_ns = None
        self._is_overdue = False

    def step(
        self, action: ArrayLike | None, *, now_ns: int, observed_ns: int | None = None
    ) -> Action:
        """Return what the robot may be told now.

        Args:
            action: (A,) what the policy says; None where it says nothing.
            now_ns: The time of this control step.
            observed_ns: Stamp of the observation that the action answers.

        Returns:
            (A,) finite, within the limits, and no further from the last one than the slew allows.
        """
        elapsed_s = self._elapsed_s(now_ns)
        wanted = self._refused_or(action, now_ns, observed_ns)
        if wanted is None:
            wanted = self._without_action(now_ns)
        else:
            self._accepted, self._accepted_ns = wanted, now_ns
        told = self._slewed(wanted, elapsed_s)
        self._told = told
        return told.copy()

    def report(self) -> dict[str, int]:
        """Return how often it intervened, by name; what never happened is 0."""
        return {each.value: self.counts[each] for each in Intervention}

    def _elapsed_s(self, now_ns: int) -> float:
        """Return the seconds since the last step, as far as they allow movement."""
        before_ns, self._now_ns = self._now_ns, now_ns
        if before_ns is None:
            return self.timing.max_step_s
        if now_ns < before_ns:  # what is remembered of the old time would else hold for long
            self.counts[Intervention.CLOCK_BACKWARDS] += 1
            self._accepted_ns = (
                None if self._accepted_ns is None else min(self._accepted_ns, now_ns)
            )
            self._asked_ns = None if self._asked_ns is None else min(self._asked_ns, now_ns)
            return 0.0
        elapsed_s = (now_ns - before_ns) / NS_PER_S
        if elapsed_s > self.timing.max_step_s:
            self.counts[Intervention.LATE_STEP] += 1
        return min(elapsed_s, self.timing.max_step_s)

    def _refused_or(
        self, action: ArrayLike | None, now_ns: int, observed_ns: int | None
    ) -> Action | None:
        """Return the action within the limits, or None where it may not be followed."""
        if self._is_late(now_ns) or action is None:
            return None
        refusal = self._refusal(action, now_ns, observed_ns)
        if refusal is not None:
            self.counts[refusal] += 1
            return None
        wanted = np.asarray(action, float)
        allowed: Action = np.clip(wanted, self.limits.low, self.limits.high)
        if (allowed != wanted).any():
            self.counts[Intervention.LIMITED] += 1
        return allowed

    def _refusal(
        self, action: ArrayLike, now_ns: int, observed_ns: int | None
    ) -> Intervention | None:
        try:
            numbers = np.asarray(action, float)
        except (OverflowError, TypeError, ValueError):  # text, ragged lists, complex numbers
            return Intervention.SHAPE
        if numbers.shape != (self.limits.size,):
            return Intervention.SHAPE
        if not np.isfinite(numbers).all():
            return Intervention.NOT_FINITE
        if observed_ns is None or now_ns - observed_ns > self.timing.max_age_s * NS_PER_S:
            return Intervention.STALE
        if observed_ns - now_ns > self.timing.max_ahead_s * NS_PER_S:
            return Intervention.FROM_FUTURE
        return None

    def _is_late(self, now_ns: int) -> bool:
        """Tell whether the policy owes an answer for too long."""
        if self._asked_ns is None:
            return False
        is_overdue = now_ns - self._asked_ns > self.timing.deadline_s * NS_PER_S
        if is_overdue and not self._is_overdue:
            self.counts[Intervention.DEADLINE_MISSED] += 1
        self._is_overdue = is_overdue
        return is_overdue

    def _without_action(self, now_ns: int) -> Action:
        """Return what is wanted where nothing came: the last action for a while, then a ramp to rest."""
        rest = self._accepted if self.limits.rest is None else np.asarray(self.limits.rest, float)
        if self._accepted_ns is None:
            self.counts[Intervention.RESTED] += 1
            return rest
        silent_s = (now_ns - self._accepted_ns) / NS_PER_S - self.timing.hold_s
        if silent_s <= 0 or self.limits.rest is None:
            self.counts[Intervention.HELD] += 1
            return self._accepted
        left = max(0.0, 1 - silent_s / self.timing.ramp_s)
        self.counts[Intervention.RAMPED if left else Intervention.RESTED] += 1
        return rest + left * (self._accepted - rest)

    def _slewed(self, wanted: Action, elapsed_s: float) -> Action:
        reach = np.asarray(self.limits.slew_per_s, float) * elapsed_s
        told = np.clip(wanted, self._told - reach, self._told + reach)
        if (told != wanted).any():
            self.counts[Intervention.SLEWED] += 1
        return np.clip(told, self.limits.low, self.limits.high)  # rounding may leave them

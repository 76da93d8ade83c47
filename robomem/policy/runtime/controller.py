"""A policy on a robot: observations in when they come, a guarded action out at every control step.

Two threads may share a controller: one that calls `think`, which takes as long as the policy does, and one that
calls `observe` and `act`, which never wait for it. No clock is read here.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from robomem.errors import ConfigError, DataError
from robomem.policy.runtime.chunks import ActionChunks
from robomem.policy.runtime.manifest import Manifest
from robomem.policy.runtime.safety import NS_PER_S, Action, ActionGuard
from robomem.policy.runtime.senses import STAMP

SUPERSEDED = "superseded"
Observation = Mapping[str, ArrayLike]


class ThinkingPolicy(Protocol):
    """What a controller needs of a policy; `RuntimePolicy` is one."""

    manifest: Manifest

    def reset(self) -> None:
        """Forget what was observed."""

    def observe(self, observation: Mapping[str, ArrayLike]) -> None:
        """Take an observation in; raises DataError."""

    def predict_action_chunk(self, observation: Mapping[str, ArrayLike]) -> NDArray[np.floating]:
        """Take an observation in; return actions (1, H, A); raises DataError."""


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    load: Callable[[], Observation]
    stamp_ns: int
    heard_ns: int


class Controller:
    """Lets a policy act on one robot.

    Attributes:
        guard: What stands between the policy and the robot.
        counts: Observations that were taken in, superseded, or refused, by name.
    """

    def __init__(self, policy: ThinkingPolicy, guard: ActionGuard) -> None:
        manifest = policy.manifest
        if manifest.action.dtype != "float32" or manifest.action.shape != (guard.limits.size,):
            raise ConfigError(
                f"{manifest.name} acts by {manifest.action}, the limits are of {guard.limits.size} numbers"
            )
        self.guard = guard
        self.counts: Counter[str] = Counter()
        self._policy = policy
        self._chunks = ActionChunks(period_s=manifest.period_s, execute=manifest.execute)
        self._lock = Lock()  # held for moments only, never while the policy thinks
        self._waiting: _Waiting | None = None
        self._begin_ns: int | None = None  # of the episode: the first observation that was taken in
        self._observed_ns: int | None = None  # that the plan answers

    def reset(self) -> None:
        """Begin an episode: nothing is remembered, no action is planned. Not while `think` is under way."""
        with self._lock:
            self._policy.reset()
            self._chunks.clear()
            self._waiting = self._begin_ns = self._observed_ns = None
            self.guard.answered()

    def observe(self, load: Callable[[], Observation], *, stamp_ns: int, now_ns: int) -> None:
        """Take an observation of one robot; an older one that still waits is dropped, and counted.

        Args:
            load: Makes it when it is thought of, for decoding takes time; may raise DataError.
            stamp_ns: When it was observed.
            now_ns: When it was heard.
        """
        with self._lock:
            if self._waiting is None:
                self.guard.asked(now_ns)
            else:
                self.counts[SUPERSEDED] += 1
            self._waiting = _Waiting(load, stamp_ns, now_ns)

    def think(self) -> bool:
        """Let the policy take in the newest observation, and plan where that is due; returns whether there was one."""
        with self._lock:
            waiting, self._waiting = self._waiting, None
            if waiting is None:
                return False
            begin_ns = waiting.stamp_ns if self._begin_ns is None else self._begin_ns
            stamp_s = (waiting.stamp_ns - begin_ns) / NS_PER_S
            is_due = self._chunks.is_due(stamp_s)
        try:
            shown = {**waiting.load(), STAMP: np.array([stamp_s], np.float32)}
            chunk = self._policy.predict_action_chunk(shown)[0] if is_due else None
            if chunk is None:
                self._policy.observe(shown)
            with self._lock:
                self._begin_ns = begin_ns
                self._take(chunk, stamp_s, waiting.stamp_ns)
        except DataError as err:
            with self._lock:
                self.counts[str(err.reason)] += 1
        return True

    def act(self, now_ns: int) -> Action:
        """Return what the robot may be told now, (A,)."""
        with self._lock:
            action = None
            if self._begin_ns is not None:
                action = self._chunks.at((now_ns - self._begin_ns) / NS_PER_S)
            return self.guard.step(action, now_ns=now_ns, observed_ns=self._observed_ns)

    def report(self) -> dict[str, int]:
        """Return how many observations were taken in and refused, and how often the guard intervened."""
        with self._lock:
            return {**dict(sorted(self.counts.items())), **self.guard.report()}

    def _take(self, chunk: NDArray[np.floating] | None, stamp_s: float, stamp_ns: int) -> None:
        """Plan a chunk; the policy has answered, unless it already owes the next answer."""
        if chunk is not None:
            self._chunks.add(chunk, stamp_s)
            self._observed_ns = stamp_ns
        self.counts["taken"] += 1
        self.guard.answered()
        if self._waiting is not None:
            self.guard.asked(self._waiting.heard_ns)

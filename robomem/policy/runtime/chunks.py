"""Actions that were predicted, by the time that they are for: a late frame does not shift them.

A policy predicts a chunk of actions, the robot does some of it, and the next chunk is predicted meanwhile: receding
horizon (Chi et al., "Diffusion policy", 2023). Where chunks overlap, the newer one wins, or both are blended.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from robomem.errors import ConfigError, DataError

Floats = NDArray[np.floating]
Blend = Literal["latest", "weighted", "average", "conservative"]
OLD_SHARE = {"latest": 0.0, "weighted": 0.3, "average": 0.5, "conservative": 0.7}


class ActionChunks:
    """The actions to come, one every `period_s`; all it knows of time are the stamps that it is told.

    Attributes:
        period_s: From one action to the next.
        execute: So many actions of a chunk are done before another one is due.
        blend: What becomes of an action that two chunks tell of: the newer one, or a mean in which the older one
            counts 0.3 ("weighted"), 0.5 ("average") or 0.7 ("conservative").
    """

    def __init__(self, *, period_s: float, execute: int, blend: Blend = "latest") -> None:
        if not 0 < period_s < np.inf or execute < 1:
            raise ConfigError(f"actions have a period and a number, got {period_s} s, {execute}")
        if blend not in OLD_SHARE:
            raise ConfigError(f"chunks blend {', '.join(OLD_SHARE)}, got {blend!r}")
        self.period_s, self.execute, self.blend = period_s, execute, blend
        self.clear()

    def clear(self) -> None:
        """Forget every action."""
        self._actions: Floats = np.zeros((0, 0))
        self._stamp_s = 0.0

    def add(self, chunk: Floats, stamp_s: float) -> bool:
        """Take a chunk (H, A) in, whose first action is for `stamp_s`; False where a newer one is there already.

        Raises:
            DataError: It is no chunk of finite numbers, or not as wide as the last one.
        """
        chunk = np.asarray(chunk)
        if chunk.ndim != 2 or not len(chunk) or not np.isfinite(chunk).all():
            raise DataError(f"a chunk is (H, A) finite numbers, got shape {chunk.shape}")
        if not np.isfinite(stamp_s):
            raise DataError(f"a chunk has a finite stamp, got {stamp_s}")
        if len(self._actions):
            if chunk.shape[1] != self._actions.shape[1]:
                raise DataError(f"an action is {self._actions.shape[1]} numbers here")
            if stamp_s < self._stamp_s:
                return False
            chunk = self._blended(chunk, stamp_s)
        self._actions, self._stamp_s = chunk.copy(), float(stamp_s)
        return True

    def at(self, stamp_s: float) -> Floats | None:
        """Return the action (A,) for a time, None where no chunk reaches that far."""
        index = max(self._index(stamp_s), 0)
        return self._actions[index] if index < len(self._actions) else None

    def is_due(self, stamp_s: float) -> bool:
        """Tell whether another chunk should be predicted."""
        return self._index(stamp_s) >= min(self.execute, len(self._actions))

    def left(self, stamp_s: float) -> Floats:
        """Return the actions (N, A) from a time on: what a new chunk should go on from."""
        return self._actions[max(self._index(stamp_s), 0) :]

    def _index(self, stamp_s: float) -> int:
        """Return which action is the nearest in time, -1 or less where that is before the chunk."""
        return round((stamp_s - self._stamp_s) / self.period_s)

    def _blended(self, chunk: Floats, stamp_s: float) -> Floats:
        share = OLD_SHARE[self.blend]
        old = self.left(stamp_s)[: len(chunk)]
        if not share or not len(old):
            return chunk
        return np.concatenate([share * old + (1 - share) * chunk[: len(old)], chunk[len(old) :]])


def prefix_weights(horizon: int, *, delay: int, overlap: int) -> NDArray[np.float64]:
    """Return how much a new chunk is to go on as the old one would have, action by action, (horizon,).

    Black et al., "Real-time execution of action chunking flow policies", 2025, Equation (5).

    Args:
        horizon: H, actions in a chunk.
        delay: d, so many will have been done before the new chunk is there: all of them count 1.
        overlap: H - s, so many the old chunk still has; from the delay to there the weight falls to 0.

    Raises:
        ConfigError: Not 0 <= delay <= overlap <= horizon.
    """
    if not 0 <= delay <= overlap <= horizon:
        raise ConfigError(
            f"the delay is within the overlap, and that within the {horizon} actions of a chunk: "
            f"got {delay} and {overlap}"
        )
    index = np.arange(horizon)
    left = (overlap - index) / (overlap - delay + 1)
    fading = left * np.expm1(left) / np.expm1(1.0)
    return np.where(index < delay, 1.0, np.where(index < overlap, fading, 0.0))

"""The T-maze with a corridor of any length. Bakker, "Reinforcement learning with long short-term memory", NIPS 2001."""

from enum import IntEnum

import numpy as np
from numpy.random import Generator

from robomem_sim.tasks.task import Array, Choice, ChoiceTask, check_whole

LONGEST_CORRIDOR = 1000  # cells
CELL_M = 0.5
FARTHEST_START = 3  # cells from the sign
SPARE_STEPS = 16


class Go(IntEnum):
    """Where to go by one cell."""

    WEST = 0
    EAST = 1
    NORTH = 2
    SOUTH = 3


class TMaze(ChoiceTask):
    """A sign at the west end says on which side of the junction, at the east end, the goal is.

    The robot begins 1 to 3 cells east of the sign and cannot see it from there: the expert goes west first. Into a
    wall it does not move. The score is 1 where it goes the right way at the junction, and 0 after the wrong one or
    when it has wandered for longer than twice the corridor and 16 moments. Every action counts.
    State: the sign (north, south; zero away from it), whether this is the west end, whether it is the junction.

    Attributes:
        length: cells from the sign to the junction.
    """

    def __init__(self, *, length: int = 16) -> None:
        check_whole("length", length, least=FARTHEST_START + 1, greatest=LONGEST_CORRIDOR)
        super().__init__(state_size=4, choices=len(Go))
        self.length = length

    @property
    def oracle_score(self) -> float:
        """Return 1."""
        return 1.0

    @property
    def chance_score(self) -> float:
        """Return 1/2: one side of two."""
        return 0.5

    def expert_action(self) -> Choice:
        """Go west until the sign was seen, then east, and where it pointed."""
        return self._go(self._goal)

    def guess_action(self) -> Choice:
        """Go to any side."""
        return self._go(self._guess)

    def _go(self, side: Go) -> Choice:
        if self._seen_at is None:
            return np.int64(Go.WEST)
        return np.int64(Go.EAST if self._cell < self.length else side)

    def _begin(self, rng: Generator) -> None:
        self._goal, self._guess = (Go(Go.NORTH + side) for side in rng.integers(2, size=2))
        self._cell = int(rng.integers(1, FARTHEST_START + 1))
        self._seen_at: int | None = None  # moment at which the sign was seen

    def _state(self) -> Array:
        state = np.zeros(self.state_size, dtype=np.float32)
        if self._cell == 0:
            state[[self._goal - Go.NORTH, 2]] = 1.0
        state[3] = self._cell == self.length
        return state

    def _position(self) -> Array:
        return np.array([self._cell * CELL_M, 0.0, 0.0], dtype=np.float32)

    def _depends_on(self) -> tuple[int, ...]:
        return () if self._seen_at is None else (self._seen_at,)

    def _act(self, action: Choice) -> tuple[float, bool]:
        if action in (Go.NORTH, Go.SOUTH) and self._cell == self.length:
            return float(action == self._goal), True
        if action in (Go.WEST, Go.EAST):
            self._cell = min(max(self._cell + (1 if action == Go.EAST else -1), 0), self.length)
        if self._cell == 0 and self._seen_at is None:
            self._seen_at = self.moment + 1
        return 0.0, self.moment + 1 >= 2 * self.length + SPARE_STEPS

"""The corridor of MiniGrid's MemoryEnv. Chevalier-Boisvert et al., "Minigrid & Miniworld", NeurIPS 2023."""

from enum import IntEnum

import numpy as np
from numpy.random import Generator

from robomem.errors import ConfigError
from robomem_sim.tasks.task import Array, Choice, ChoiceTask, check_whole
from robomem_sim.tasks.third_party import third_party

SMALLEST, LARGEST = 7, 63
VIEW = 7  # cells that are seen, along each side
SEEN = 1, 2, 5, 6  # MiniGrid's codes of what there is to see: floor, wall, key, ball
THINGS = SEEN[2:]
EAST, SOUTH, WEST, NORTH = range(4)
SEEDS = 2**31


class Turn(IntEnum):
    """The actions of MiniGrid that do something here."""

    LEFT = 0
    RIGHT = 1
    FORWARD = 2


class MiniGridMemory(ChoiceTask):
    """In a room at the west end lies a key or a ball; at the east end one has to go to the same, not to the other.

    The robot begins anywhere in the corridor, and looks east: the expert goes west first, until it sees the thing.
    The score is 1 for the right one. Every action counts.
    State: what is in each of the 7 × 7 cells before the robot (one-hot of floor, wall, key, ball; zero where it cannot
    see), where it looks (east, south, west, north). A cell is 1 m wide.

    Attributes:
        size: cells along a side, an odd number.
        is_random: whether the corridor is of a random length.
    """

    def __init__(self, *, size: int = 13, is_random: bool = True) -> None:
        check_whole("size", size, least=SMALLEST, greatest=LARGEST)
        if size % 2 == 0:
            raise ConfigError(f"size is an odd number, got {size}")
        super().__init__(state_size=VIEW * VIEW * len(SEEN) + 4, choices=len(Turn))
        module = third_party("minigrid.envs.memory", install="minigrid")
        self._maze = module.MemoryEnv(size=size, random_length=bool(is_random))
        self.size = size

    @property
    def oracle_score(self) -> float:
        """Return 1."""
        return 1.0

    @property
    def chance_score(self) -> float:
        """Return 1/2: one thing of two."""
        return 0.5

    def expert_action(self) -> Choice:
        """Go west until the thing is seen, then east, then to its like."""
        return self._go(NORTH if self._maze.success_pos[1] < self.size // 2 else SOUTH)

    def guess_action(self) -> Choice:
        """Go to any of the two."""
        return self._go(self._guess)

    def _go(self, side: int) -> Choice:
        is_at_end = self._maze.agent_pos[0] == self._maze.success_pos[0]
        back = side if is_at_end else EAST
        heading = WEST if self._seen_at is None else back
        turn = (heading - self._maze.agent_dir) % 4
        return np.int64((Turn.FORWARD, Turn.RIGHT, Turn.RIGHT, Turn.LEFT)[turn])

    def _begin(self, rng: Generator) -> None:
        seen, _ = self._maze.reset(seed=int(rng.integers(SEEDS)))
        self._guess = (NORTH, SOUTH)[int(rng.integers(2))]
        self._seen_at: int | None = None
        self._look(seen["image"], 0)

    def _look(self, image: Array, moment: int) -> None:
        """Take in what is seen, and whether it is the thing in the room."""
        self._cells = image[..., 0]
        at = self._maze.relative_coords(1, self.size // 2 - 1)
        if self._seen_at is None and at is not None and self._cells[at] in THINGS:
            self._seen_at = moment

    def _state(self) -> Array:
        cells = self._cells[..., None] == SEEN
        heading = np.arange(4) == self._maze.agent_dir
        return np.concatenate([cells.ravel(), heading]).astype(np.float32)

    def _position(self) -> Array:
        return np.array([*self._maze.agent_pos, 0.0], dtype=np.float32)

    def _depends_on(self) -> tuple[int, ...]:
        return () if self._seen_at is None else (self._seen_at,)

    def _act(self, action: Choice) -> tuple[float, bool]:
        seen, reward, is_over, is_late, _ = self._maze.step(int(action))
        self._look(seen["image"], self.moment + 1)
        return float(reward > 0), bool(is_over or is_late)

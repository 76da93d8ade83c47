"""What the tasks of the gripper share: what is shown before it may move, what it feels, a picture where one is wanted."""

from abc import abstractmethod

import numpy as np
from gymnasium import spaces
from numpy.random import Generator

from robomem_sim.tasks.gripper import HOME, HOME_SPREAD_M, Gripper
from robomem_sim.tasks.raster import IMAGE_PX, Image
from robomem_sim.tasks.script import blank
from robomem_sim.tasks.task import Array, Observation, Task, checked_motion

IMAGE = "observation.images.front"
FELT = 6  # of the state: tip (3), opening, whether the view is covered, whether the arm may move


class TableTask(Task[Array]):
    """Something is shown, the view is covered for a while, then the gripper may move.

    An action is a velocity of the tip (3) and of the fingers (1), all in [-1, 1]; what is beyond is clipped. What is
    shown is not influenced by it, and does not count.
    State: the tip (3, metres in map), the opening (metres), whether the view is covered, whether the arm may move,
    what is seen (seen_size). With pictures the state ends before what is seen, which then shows in
    `observation.images.front` (48, 48, 3) only.

    Attributes:
        has_images: whether there are pictures.
        delay_steps: moments for which the view is covered.
        seen_size: numbers that tell what is seen.
    """

    def __init__(self, *, seen_size: int, delay_steps: int, images: bool) -> None:
        box = spaces.Box(-1.0, 1.0, (4,), dtype=np.float32)
        super().__init__(state_size=FELT + (0 if images else seen_size), action_space=box)
        if images:
            shape = (IMAGE_PX, IMAGE_PX, 3)
            self.observation_space[IMAGE] = spaces.Box(0, 255, shape, dtype=np.uint8)
        self.has_images, self.delay_steps, self.seen_size = images, delay_steps, seen_size

    @property
    def oracle_score(self) -> float:
        """Return 1."""
        return 1.0

    def _begin(self, rng: Generator) -> None:
        self.gripper = Gripper(HOME + rng.uniform(-HOME_SPREAD_M, HOME_SPREAD_M, 3))
        self._shown = np.concatenate([self._show(rng), blank(self.delay_steps, self.seen_size)])

    def _is_scored(self) -> bool:
        return self.moment >= len(self._shown)

    def _is_covered(self) -> bool:
        return len(self._shown) - self.delay_steps <= self.moment < len(self._shown)

    def _observation(self) -> Observation:
        observation = super()._observation()
        if self.has_images:
            observation[IMAGE] = self._picture(self._seen_now(), is_covered=self._is_covered())
        return observation

    def _state(self) -> Array:
        flags = self._is_covered(), self._is_scored()
        felt = np.array([*self.gripper.tip, self.gripper.opening_m, *flags], dtype=np.float32)
        return felt if self.has_images else np.concatenate([felt, self._seen_now()])

    def _seen_now(self) -> Array:
        was_drawn = self.moment < len(self._shown)
        return self._shown[self.moment] if was_drawn else self._seen()

    def _position(self) -> Array:
        return self.gripper.tip.astype(np.float32)

    def _checked(self, action: Array) -> Array:
        return checked_motion(action, 4)

    def _act(self, action: Array) -> tuple[float, bool]:
        if self._is_scored():
            return self._handle(action)
        self._wait()
        return 0.0, False

    @abstractmethod
    def _show(self, rng: Generator) -> Array:
        """Draw the things of an episode; return what is seen of them before the arm may move, (N, seen_size)."""

    @abstractmethod
    def _seen(self) -> Array:
        """Return what is seen now, (seen_size,)."""

    @abstractmethod
    def _handle(self, action: Array) -> tuple[float, bool]:
        """Move the arm; return the reward and whether the episode is over."""

    def _wait(self) -> None:
        """Let happen what happens while the arm may not move."""

    @abstractmethod
    def _picture(self, seen: Array, *, is_covered: bool) -> Image:
        """Draw what is seen, and the gripper."""

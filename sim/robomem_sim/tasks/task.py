"""What all tasks share: the observation of a robot's moment, the score, and what `info` tells a trainer."""

import operator
from abc import abstractmethod
from typing import Any, ClassVar, Generic, TypeVar

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.random import Generator
from numpy.typing import NDArray

from robomem.errors import ConfigError, DataError

Array = NDArray[np.float32]
Observation = dict[str, NDArray[Any]]
Action = TypeVar("Action")
Choice = np.int64
Info = dict[str, Any]

STATE, POSITION, STAMP = "observation.state", "observation.position", "observation.stamp_s"
FARTHEST_M, LATEST_S = 100.0, 1e5  # bounds of the spaces, not of the tasks
NOWHERE: Array = np.zeros(3, dtype=np.float32)
NOWHERE.setflags(write=False)


class Task(gymnasium.Env[Observation, Action], Generic[Action]):
    """One moment after the other is perceived, and an action answers each.

    What is perceived: `observation.state` (D,) in [-1, 1], `observation.position` (3,) metres in map, zeros where
    the task has no place, and `observation.stamp_s` (1,) seconds since the episode began. What `info` tells, of
    reset and of step: `is_scored`, whether the next action counts, and `depends_on`, the earlier moments (counted
    from 0, the moment of reset) that it depends on. An episode's score is the sum of its rewards, in [0, 1].

    A task says how an episode begins, what is seen, what an action does and what the expert would do.

    Attributes:
        step_s: seconds between two moments.
        state_size: D.
        moment: how many actions were taken.
        oracle_score: what the expert reaches, on the mean.
        chance_score: what a guess reaches, on the mean.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 - as gymnasium declares it
    step_s: ClassVar[float] = 0.1

    def __init__(self, *, state_size: int, action_space: spaces.Space[Action]) -> None:
        unit, stamp = (-1.0, 1.0, (state_size,)), (0.0, LATEST_S, (1,))
        self.observation_space: spaces.Dict[Any] = spaces.Dict(  # type: ignore[assignment]
            {
                STATE: spaces.Box(*unit, dtype=np.float32),
                POSITION: spaces.Box(-FARTHEST_M, FARTHEST_M, (3,), dtype=np.float32),
                STAMP: spaces.Box(*stamp, dtype=np.float32),
            }
        )
        self.action_space = action_space
        self.state_size = state_size
        self.moment = 0
        self._is_over = True

    @property
    @abstractmethod
    def oracle_score(self) -> float:
        """Return what the expert reaches, on the mean over episodes."""

    @property
    @abstractmethod
    def chance_score(self) -> float:
        """Return what `guess_action` reaches, on the mean over episodes."""

    @abstractmethod
    def expert_action(self) -> Action:
        """Return what one would do now who remembers all that was seen until now."""

    def guess_action(self) -> Action:
        """Return what one would do now who remembers nothing, and guesses: any action, where the task says no other."""
        return self.action_space.sample()

    def reset(
        self, *, seed: int | None = None, options: Info | None = None
    ) -> tuple[Observation, Info]:
        """Begin an episode; the same seed begins the same one.

        Args:
            seed: of all that is random from here on; None goes on with the randomness of before.
            options: there are none.
        """
        super().reset(seed=seed)
        self.moment = 0
        self._begin(self.np_random)
        self._is_over = False
        return self._observation(), self._info()

    def step(self, action: Action) -> tuple[Observation, float, bool, bool, Info]:
        """Take an action, and perceive the moment after it.

        Raises:
            DataError: it is no action of the action space.
            gymnasium.error.ResetNeeded: no episode has begun, or it is over.
        """
        if self._is_over:
            raise gymnasium.error.ResetNeeded("no episode is going on: call reset first")
        reward, self._is_over = self._act(self._checked(action))
        self.moment += 1
        return self._observation(), reward, self._is_over, False, self._info()

    def _observation(self) -> Observation:
        stamp_s = np.array([self.moment * self.step_s], dtype=np.float32)
        return {STATE: self._state(), POSITION: self._position(), STAMP: stamp_s}

    def _info(self) -> Info:
        if self._is_over or not self._is_scored():
            return {"is_scored": False, "depends_on": ()}
        return {"is_scored": True, "depends_on": self._depends_on()}

    def _position(self) -> Array:
        """Return where the robot is, (3,) metres in map."""
        return NOWHERE.copy()

    def _is_scored(self) -> bool:
        """Return whether the next action counts."""
        return True

    def _depends_on(self) -> tuple[int, ...]:
        """Return the earlier moments that the next action depends on."""
        return ()

    @abstractmethod
    def _begin(self, rng: Generator) -> None:
        """Draw an episode."""

    @abstractmethod
    def _state(self) -> Array:
        """Return what is seen now, (D,); the caller may keep it."""

    @abstractmethod
    def _act(self, action: Action) -> tuple[float, bool]:
        """Do it; return its reward and whether the episode is over."""

    @abstractmethod
    def _checked(self, action: Action) -> Action:
        """Return an action of the action space; raises DataError where it is none."""


class ChoiceTask(Task[Choice]):
    """A task whose action is one of n choices.

    Attributes:
        choices: n.
    """

    def __init__(self, *, state_size: int, choices: int) -> None:
        super().__init__(state_size=state_size, action_space=spaces.Discrete(choices))
        self.choices = choices

    def _checked(self, action: Choice) -> Choice:
        try:
            choice = operator.index(action)
        except TypeError:
            choice = -1
        if not 0 <= choice < self.choices:
            raise DataError(f"an action is a whole number in [0, {self.choices}), got {action!r}")
        return np.int64(choice)


def checked_motion(action: Array, size: int) -> Array:
    """Return an action (size,) clipped to [-1, 1]; raises DataError where it is no such vector of finite numbers."""
    try:
        motion = np.asarray(action, dtype=np.float32)
    except (TypeError, ValueError) as err:
        raise DataError(f"an action is {size} finite numbers, got {action!r}") from err
    if motion.shape != (size,) or not np.isfinite(motion).all():
        raise DataError(f"an action is {size} finite numbers, got {action!r}")
    return np.clip(motion, -1.0, 1.0)


def one_hot(index: int, size: int) -> Array:
    """Return (size,) zeros with a one."""
    vector = np.zeros(size, dtype=np.float32)
    vector[index] = 1.0
    return vector


def check_whole(name: str, value: Any, *, least: int, greatest: int) -> None:
    """Raise ConfigError where a setting is no whole number within its bounds."""
    is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not (is_whole and least <= value <= greatest):
        raise ConfigError(f"{name} is a whole number in [{least}, {greatest}], got {value!r}")


def check_fraction(name: str, value: Any) -> None:
    """Raise ConfigError where a setting is no number in [0, 1]."""
    if not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ConfigError(f"{name} is a number in [0, 1], got {value!r}")

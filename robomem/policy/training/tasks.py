"""Environments by their gymnasium ids, and the shapes of what they tell and take."""

import functools
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveFloat, PositiveInt

from robomem.errors import ConfigError, MissingExtraError, RobomemError
from robomem.policy.training.settings import Setting

if TYPE_CHECKING:
    import gymnasium

logger = logging.getLogger(__name__)
PLUGINS = "gymnasium.envs"  # entry points that gymnasium itself read until its version 1.0
STATE, POSITION, STAMP_S = "observation.state", "observation.position", "observation.stamp_s"
INSTALL = "pip install 'robomem[train,sim]'"
PERIOD_S = 0.1  # between two moments of a task that does not say


@dataclass(frozen=True, slots=True)
class TaskShape:
    """What a policy is told, and what it may do.

    Attributes:
        state_size: Floats of one observation.
        choices: How many actions there are to choose from, or None:
        motion_size: then an action has so many axes, each in [-1, 1].
        period_s: From one moment to the next.
    """

    state_size: PositiveInt
    choices: PositiveInt | None = None
    motion_size: PositiveInt | None = None
    period_s: PositiveFloat = PERIOD_S

    def __post_init__(self) -> None:
        """Raise ConfigError where it is neither a choice nor a motion, or both."""
        if (self.choices is None) == (self.motion_size is None):
            raise ConfigError(f"a task takes one of n actions or one vector, got {self}")


@dataclass(frozen=True, slots=True)
class Bounds:
    """Scores of a task: of one who knows all, of one who guesses."""

    oracle: float
    chance: float


def make_task(task: str, settings: Mapping[str, Setting]) -> "gymnasium.Env[Any, Any]":
    """Return a new environment.

    Raises:
        MissingExtraError: Something that it needs is not installed.
        ConfigError: There is no such task, or it does not take these settings.
    """
    try:
        import gymnasium
    except ImportError as err:
        raise MissingExtraError(f"tasks need gymnasium: {INSTALL}") from err
    if task not in gymnasium.registry:
        _register_plugins()
    try:
        return gymnasium.make(task, disable_env_checker=True, **cast(dict[str, Any], settings))
    except RobomemError:
        raise
    except (gymnasium.error.Error, TypeError) as err:
        raise ConfigError(f"no task {task} with {dict(settings)}: {err}") from err


def shape_of(env: "gymnasium.Env[Any, Any]") -> TaskShape:
    """Return the shapes of a task.

    Raises:
        ConfigError: It observes or takes what policies of this kind cannot.
    """
    from gymnasium.spaces import Box, Dict, Discrete

    observed, taken = env.observation_space, env.action_space
    if not (isinstance(observed, Dict) and {STATE, POSITION, STAMP_S} <= observed.spaces.keys()):
        raise ConfigError(f"a task observes {STATE}, {POSITION} and {STAMP_S}, got {observed}")
    state_size = int(np.prod(cast(tuple[int, ...], observed[STATE].shape)))
    period_s = float(getattr(env.unwrapped, "step_s", PERIOD_S))
    match taken:
        case Discrete():
            return TaskShape(state_size, choices=int(taken.n), period_s=period_s)
        case Box() if len(taken.shape) == 1:
            return TaskShape(state_size, motion_size=taken.shape[0], period_s=period_s)
        case _:
            raise ConfigError(f"a task takes one of n actions or one vector, got {taken}")


def bounds_of(env: "gymnasium.Env[Any, Any]") -> Bounds:
    """Return what the best and a guesser score in a task."""
    task = cast(Any, env.unwrapped)
    return Bounds(oracle=float(task.oracle_score), chance=float(task.chance_score))


def expert_action(env: "gymnasium.Env[Any, Any]") -> NDArray[np.float32] | int:
    """Return what the expert of a task does now."""
    return cast("NDArray[np.float32] | int", cast(Any, env.unwrapped).expert_action())


@functools.cache
def _register_plugins() -> None:
    """Let the packages that are installed tell gymnasium of their tasks."""
    for point in metadata.entry_points(group=PLUGINS):
        try:
            point.load()()
        except ImportError as err:
            logger.warning("no tasks of %s: %s", point.value, err)

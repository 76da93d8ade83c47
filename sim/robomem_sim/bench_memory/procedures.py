"""Acting on procedures, in a family of tasks whose plans work sometimes, and whose world changes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from statistics import mean
from typing import Protocol

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from robomem.config import Config, StoreConfig
from robomem.episodic.experience import Experience
from robomem.eval.trial import new_memory
from robomem.memory import Memory

PLANS, TRIALS, WORLDS = 6, 240, 4
TURNS = 3  # of every seed
EXPLORE = 0.05  # of all trials go to a plan at random, for those that explore
TASK = "bring the tea"
STEPS = ("go to the kitchen", "find the cup", "boil water", "pour", "carry", "hand over")
ASIDES = ("look around", "wait", "greet somebody")


@dataclass(frozen=True, slots=True)
class ActingScore:
    """The part of the trials that succeeded, by what was acted on; `worst` is that of the worst turn."""

    acts_on: str
    rate: float
    worst: float


class Actor(Protocol):
    """Chooses plans, and learns how they went."""

    def choose(self) -> int:
        """Return which plan to try."""

    def learn(self, plan: int, is_success: bool) -> None:
        """Take in how it went."""


def measure_procedures(seeds: Sequence[int]) -> tuple[ActingScore, ...]:
    """Let each actor try the same tasks in the same worlds."""
    rates: dict[str, list[float]] = {}
    for seed, turn in product(seeds, range(TURNS)):
        chances = _worlds(np.random.default_rng([seed, turn, 5]))
        luck = np.random.default_rng([seed, turn, 6]).random(len(chances))
        with new_memory(Config(store=StoreConfig(sync="normal"))) as memory:
            for name, make in _ACTORS.items():
                actor = make(np.random.default_rng([seed, turn, 7]), memory)
                rates.setdefault(name, []).append(_acted(actor, chances, luck))
        best = float(chances.max(axis=1).mean())
        rates.setdefault("the best plan, if it were known", []).append(best)
    return tuple(ActingScore(name, mean(found), min(found)) for name, found in rates.items())


def _worlds(rng: Generator) -> NDArray[np.float64]:
    """Return the chance of each plan in each trial, (TRIALS, PLANS): one plan is good, until the world changes."""
    worlds = []
    for _ in range(WORLDS):
        chance = rng.uniform(0.05, 0.4, PLANS)
        chance[rng.integers(PLANS)] = rng.uniform(0.75, 0.95)
        worlds.append(chance)
    return np.repeat(worlds, TRIALS // WORLDS, axis=0)


def _acted(actor: Actor, chances: NDArray[np.float64], luck: NDArray[np.float64]) -> float:
    succeeded = 0
    for chance, draw in zip(chances, luck, strict=True):
        plan = actor.choose()
        is_success = bool(draw < chance[plan])
        actor.learn(plan, is_success)
        succeeded += is_success
    return succeeded / len(luck)


class _Random:
    """Tries anything."""

    def __init__(self, rng: Generator) -> None:
        self._rng = rng

    def choose(self) -> int:
        return int(self._rng.integers(PLANS))

    def learn(self, plan: int, is_success: bool) -> None:
        """Learn nothing."""


class _LastPlan(_Random):
    """Does what it did last, as long as that works."""

    def __init__(self, rng: Generator) -> None:
        super().__init__(rng)
        self._plan: int | None = None

    def choose(self) -> int:
        return super().choose() if self._plan is None else self._plan

    def learn(self, plan: int, is_success: bool) -> None:
        self._plan = plan if is_success else None


class _BestOnAverage(_Random):
    """Does what worked best of all that it ever tried, and explores."""

    def __init__(self, rng: Generator) -> None:
        super().__init__(rng)
        self._tried, self._worked = np.full(PLANS, 2.0), np.ones(PLANS)

    def choose(self) -> int:
        if self._rng.random() < EXPLORE:
            return super().choose()
        return int(np.argmax(self._worked / self._tried))

    def learn(self, plan: int, is_success: bool) -> None:
        self._tried[plan] += 1
        self._worked[plan] += is_success


class _Experienced(_Random):
    """Does what the most trusted procedure says, and explores; something of no account comes between its steps."""

    def __init__(self, rng: Generator, memory: Memory) -> None:
        super().__init__(rng)
        self._memory = memory
        self._trial = 0
        self._steps: Sequence[str] = ()

    def choose(self) -> int:
        procedures = self._memory.experience.procedures(TASK)
        if not procedures or self._rng.random() < EXPLORE:
            plan = super().choose()
            self._steps = _steps(plan)
            return plan
        self._steps = procedures[0].steps
        return next(i for i in range(PLANS) if set(_steps(i)[1:-1]) & set(self._steps))

    def learn(self, plan: int, is_success: bool) -> None:
        self._trial += 1
        at = int(self._rng.integers(len(self._steps)))
        steps = (*self._steps[:at], str(self._rng.choice(ASIDES)), *self._steps[at:])
        self._memory.experience.record(
            Experience(stamp_ns=self._trial, task=TASK, plan=steps, is_success=is_success)
        )


def _steps(plan: int) -> list[str]:
    """Return the steps of a plan: all plans begin and end alike."""
    return [STEPS[0], *(f"{step} by way {plan}" for step in STEPS[1:-1]), STEPS[-1]]


_ACTORS: Mapping[str, Callable[[Generator, Memory], Actor]] = {
    "procedures (robomem)": _Experienced,
    "the last plan while it works": lambda rng, _: _LastPlan(rng),
    "the best plan on average": lambda rng, _: _BestOnAverage(rng),
    "anything": lambda rng, _: _Random(rng),
}

"""Tasks in which everything is shown, then asked: an episode is written down before it begins."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from robomem_sim.tasks.task import Array, Choice, ChoiceTask

LEAD_IN = 8  # what is to be remembered comes after fewer empty moments than these: no moment is always the cue's


@dataclass(frozen=True, slots=True)
class Script:
    """What is shown at every moment, and what is asked at some.

    Attributes:
        states: (T, D) what is seen.
        answers: by the moment that asks, what is right.
        sources: by the moment that asks, the earlier moments that tell the answer.
    """

    states: Array
    answers: Mapping[int, int]
    sources: Mapping[int, tuple[int, ...]]


class ScriptedTask(ChoiceTask):
    """A task in which no action changes what is seen; each right answer has the same share in the score.

    The expert answers right; while nothing is asked it takes choice 0, as good as any.
    """

    _script: Script

    @property
    def oracle_score(self) -> float:
        """Return 1: what is asked was shown."""
        return 1.0

    @property
    def chance_score(self) -> float:
        """Return 1 of the choices; an answer is as likely to be any, and nothing at its moment tells it."""
        return 1.0 / self.choices

    def expert_action(self) -> Choice:
        """Return the answer."""
        return np.int64(self._script.answers.get(self.moment, 0))

    @abstractmethod
    def _write(self, rng: Generator) -> Script:
        """Draw an episode."""

    def _begin(self, rng: Generator) -> None:
        self._script = self._write(rng)

    def _state(self) -> Array:
        states = self._script.states
        is_over = self.moment >= len(states)
        return blank(1, self.state_size)[0] if is_over else np.array(states[self.moment])

    def _is_scored(self) -> bool:
        return self.moment in self._script.answers

    def _depends_on(self) -> tuple[int, ...]:
        return self._script.sources.get(self.moment, ())

    def _act(self, action: Choice) -> tuple[float, bool]:
        script = self._script
        is_right = script.answers.get(self.moment) == action
        return is_right / len(script.answers), self.moment + 1 >= len(script.states)


def blank(moments: int, width: int) -> Array:
    """Return moments in which nothing is seen, (T, D)."""
    return np.zeros((moments, width), dtype=np.float32)

"""The shell game: a ball goes under a cup, cups change places, where is the ball?"""

import numpy as np
from numpy.random import Generator

from robomem_sim.tasks.script import LEAD_IN, Script, ScriptedTask, blank
from robomem_sim.tasks.task import check_whole

MOST_CUPS, MOST_SWAPS, LONGEST_PAUSE = 8, 1000, 1000


class ShellGame(ScriptedTask):
    """The ball is seen under one of the cups, then pairs of cups swap; then: choose the place where it is now.

    State: where the ball is seen (one-hot, cups), which two places swap (cups), whether it is asked for. The ball
    is seen after 0 to 7 empty moments.

    Attributes:
        cups: how many there are, 3 to 5 at a fair.
        swaps: how many there are.
        pause_steps: empty moments before each swap and before the question.
    """

    def __init__(self, *, cups: int = 3, swaps: int = 4, pause_steps: int = 2) -> None:
        check_whole("cups", cups, least=2, greatest=MOST_CUPS)
        check_whole("swaps", swaps, least=0, greatest=MOST_SWAPS)
        check_whole("pause_steps", pause_steps, least=0, greatest=LONGEST_PAUSE)
        super().__init__(state_size=2 * cups + 1, choices=cups)
        self.cups, self.swaps, self.pause_steps = cups, swaps, pause_steps

    def _write(self, rng: Generator) -> Script:
        begin, turn_steps = int(rng.integers(LEAD_IN)), self.pause_steps + 1
        turns = self.swaps + 2  # the ball, the swaps, the question
        moments = begin + turn_steps * np.arange(turns)
        states = blank(moments[-1] + 1, self.state_size)
        ball = int(rng.integers(self.cups))
        states[begin, ball] = 1.0
        for moment in moments[1:-1]:
            pair = rng.permutation(self.cups)[:2]
            states[moment, self.cups + pair] = 1.0
            ball = int(pair.sum()) - ball if ball in pair else ball
        states[-1, -1] = 1.0
        *sources, end = moments.tolist()
        return Script(states, answers={end: ball}, sources={end: tuple(sources)})

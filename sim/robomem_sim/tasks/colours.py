"""Remember the colour: a cue, a long time, and the question which colour it was."""

import numpy as np
from numpy.random import Generator

from robomem_sim.tasks.script import Script, ScriptedTask, blank
from robomem_sim.tasks.task import check_fraction, check_whole

MOST_COLOURS, LONGEST_DELAY, LONGEST_CUE = 32, 10_000, 100
LEAD_IN = 8  # the cue comes after fewer moments than these


class RememberColour(ScriptedTask):
    """A colour is shown as the cue, then for a long time others or none; then: choose the cue's.

    State: the colour (one-hot, colours), whether it is the cue, whether it is asked for. The cue comes after
    0 to 7 empty moments.

    Attributes:
        colours: how many there are to choose among.
        delay_steps: moments between the cue and the question.
        cue_steps: moments for which the cue is shown.
        distractors: the share of the delay's moments at which some colour is shown that is not the cue.
    """

    def __init__(
        self,
        *,
        colours: int = 5,
        delay_steps: int = 32,
        cue_steps: int = 1,
        distractors: float = 0.3,
    ) -> None:
        check_whole("colours", colours, least=2, greatest=MOST_COLOURS)
        check_whole("delay_steps", delay_steps, least=0, greatest=LONGEST_DELAY)
        check_whole("cue_steps", cue_steps, least=1, greatest=LONGEST_CUE)
        check_fraction("distractors", distractors)
        super().__init__(state_size=colours + 2, choices=colours)
        self.colours, self.delay_steps = colours, delay_steps
        self.cue_steps, self.distractors = cue_steps, distractors

    def _write(self, rng: Generator) -> Script:
        begin = int(rng.integers(LEAD_IN))
        end = begin + self.cue_steps + self.delay_steps
        states = blank(end + 1, self.state_size)
        cue = int(rng.integers(self.colours))
        states[begin : begin + self.cue_steps, [cue, self.colours]] = 1.0
        shown = np.flatnonzero(rng.random(self.delay_steps) < self.distractors)
        states[begin + self.cue_steps + shown, rng.integers(self.colours, size=len(shown))] = 1.0
        states[end, self.colours + 1] = 1.0
        source = tuple(range(begin, begin + self.cue_steps))
        return Script(states, answers={end: cue}, sources={end: source})

"""Colours to remember: one through a long time, or a chain of them in its order."""

import numpy as np
from numpy.random import Generator

from robomem_sim.tasks.script import LEAD_IN, Script, ScriptedTask, blank
from robomem_sim.tasks.task import check_fraction, check_whole

MOST_COLOURS, LONGEST_DELAY, LONGEST_CUE, LONGEST_CHAIN = 32, 10_000, 100, 100


class RememberColour(ScriptedTask):
    """A colour is shown as the cue, then for a long time others or none; then: choose the cue's.

    State: the colour (one-hot, colours), whether it is the cue, whether it is asked for. The cue comes after
    0 to 7 empty moments.

    Attributes:
        colours: how many there are to choose among.
        delay_steps: moments between the cue and the question.
        cue_steps: moments for which the cue is shown.
        distractors: the share of the delay's moments at which some colour is shown, any, but not as the cue.
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


class ChainOfColours(ScriptedTask):
    """Colours are shown one after the other; after a while each is asked for, in the same order.

    State: the colour (one-hot, colours), whether one is asked for: nothing says the how-manieth. The first is shown
    after 0 to 7 empty moments. Each has the same share in the score.

    Attributes:
        length: colours of the chain; one may come twice, but not twice in a row.
        colours: how many there are to choose among.
        delay_steps: empty moments between the last colour and the first question.
    """

    def __init__(self, *, length: int = 4, colours: int = 5, delay_steps: int = 8) -> None:
        check_whole("length", length, least=1, greatest=LONGEST_CHAIN)
        check_whole("colours", colours, least=2, greatest=MOST_COLOURS)
        check_whole("delay_steps", delay_steps, least=0, greatest=LONGEST_DELAY)
        super().__init__(state_size=colours + 1, choices=colours)
        self.length, self.colours, self.delay_steps = length, colours, delay_steps

    def _write(self, rng: Generator) -> Script:
        begin = int(rng.integers(LEAD_IN))
        asking = begin + self.length + self.delay_steps
        states = blank(asking + self.length, self.state_size)
        steps = rng.integers(1, self.colours, size=self.length)  # from one colour to the next
        chain = (rng.integers(self.colours) + steps.cumsum()) % self.colours
        states[begin + np.arange(self.length), chain] = 1.0
        states[asking:, -1] = 1.0
        answers = dict(enumerate(chain.tolist(), start=asking))
        sources = {asking + place: (begin + place,) for place in range(self.length)}
        return Script(states, answers=answers, sources=sources)

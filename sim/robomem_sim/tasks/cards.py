"""Repeat-k-back: every moment shows a card and asks for the one k moments ago.

The task RepeatPrevious of Morad et al., "POPGym: benchmarking partially observable reinforcement learning", ICLR 2023.
"""

import numpy as np
from numpy.random import Generator

from robomem_sim.tasks.script import Script, ScriptedTask, blank
from robomem_sim.tasks.task import check_whole

MOST_CARDS, LONGEST = 52, 100_000


class RepeatBack(ScriptedTask):
    """Cards come one after the other; from moment k on each asks for the card of k moments ago.

    State: the card (one-hot, cards), whether one is asked for.

    Attributes:
        back_steps: k.
        steps: moments of an episode.
        cards: kinds of cards.
    """

    def __init__(self, *, back_steps: int = 4, steps: int = 48, cards: int = 4) -> None:
        check_whole("back_steps", back_steps, least=1, greatest=LONGEST - 1)
        check_whole("steps", steps, least=back_steps + 1, greatest=LONGEST)
        check_whole("cards", cards, least=2, greatest=MOST_CARDS)
        super().__init__(state_size=cards + 1, choices=cards)
        self.back_steps, self.steps, self.cards = back_steps, steps, cards

    def _write(self, rng: Generator) -> Script:
        states = blank(self.steps, self.state_size)
        cards = rng.integers(self.cards, size=self.steps)
        states[np.arange(self.steps), cards] = 1.0
        states[self.back_steps :, -1] = 1.0
        asking = range(self.back_steps, self.steps)
        shown = cards[: -self.back_steps].tolist()
        sources = {moment: (moment - self.back_steps,) for moment in asking}
        return Script(states, answers=dict(zip(asking, shown, strict=True)), sources=sources)

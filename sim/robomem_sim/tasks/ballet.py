"""Ballet: who danced that dance? Lampinen et al., "Towards mental time travel", NeurIPS 2021, section 4.1.

Clean-room, and symbolic: of the dance is told in which of 3 × 3 cells the dancer stands and which way it came.
"""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from robomem_sim.tasks.script import Script, ScriptedTask, blank
from robomem_sim.tasks.task import Array, check_whole

# A dance is a closed way through the cells of a keypad (5 is the middle, 8 is up), danced until 16 steps are full.
DANCES = {
    "circle": "89632147",
    "circle back": "87412369",
    "up and down": "8525",
    "side to side": "4565",
    "falling diagonal": "7535",
    "rising diagonal": "1595",
    "plus": "85652545",
    "plus back": "85452565",
    "times": "95351575",
    "times back": "95751535",
    "zed": "78951235",
    "ess": "98753215",
    "diamond": "8624",
    "diamond back": "8426",
    "vee": "74269624",
    "tent": "14863684",
}
DANCE_STEPS = 16
CELLS = 9
MOST_DANCERS, LONGEST_DELAY = 8, 10_000


class Ballet(ScriptedTask):
    """Dancers dance one after the other, with pauses; then a dance is named: choose who danced it.

    A random lead-in of 0 to 15 moments keeps dances and chunks of a fixed length from coinciding.
    State: who dances (one-hot, dancers), in which cell (9), from which direction it came (9), which dance is asked
    for (dances); the whole is zero in a pause.

    Attributes:
        dancers: how many, 2 to 8; no two dance the same.
        delay_steps: moments of pause after each dance (16 and 48 in the paper).
        dances: how many kinds there are, of the 16.
    """

    def __init__(self, *, dancers: int = 8, delay_steps: int = 16, dances: int = 16) -> None:
        check_whole("dancers", dancers, least=2, greatest=MOST_DANCERS)
        check_whole("delay_steps", delay_steps, least=0, greatest=LONGEST_DELAY)
        check_whole("dances", dances, least=dancers, greatest=len(DANCES))
        super().__init__(state_size=dancers + 2 * CELLS + dances, choices=dancers)
        self.dancers, self.delay_steps, self.dances = dancers, delay_steps, dances

    def _write(self, rng: Generator) -> Script:
        lead_in, turn_steps = int(rng.integers(DANCE_STEPS)), DANCE_STEPS + self.delay_steps
        states = blank(lead_in + self.dancers * turn_steps + 1, self.state_size)
        dancers = rng.permutation(self.dancers)
        dances = rng.permutation(self.dances)[: self.dancers]
        begins = lead_in + turn_steps * np.arange(self.dancers)
        for begin, dancer, dance in zip(begins, dancers, dances, strict=True):
            self._show(states[begin : begin + DANCE_STEPS], dancer, dance)
        asked, end = int(rng.integers(self.dancers)), len(states) - 1
        states[end, self.dancers + 2 * CELLS + dances[asked]] = 1.0
        source = range(begins[asked], begins[asked] + DANCE_STEPS)
        return Script(states, answers={end: int(dancers[asked])}, sources={end: tuple(source)})

    def _show(self, states: Array, dancer: int, dance: int) -> None:
        """Write a dance (16, D)."""
        cells, moves = CELLS_OF[dance], MOVES_OF[dance]
        moments = np.arange(DANCE_STEPS)
        states[:, dancer] = 1.0
        states[moments, self.dancers + cells] = 1.0
        states[moments, self.dancers + CELLS + moves] = 1.0


def _moves(cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the direction, as a cell about the middle one, of each move to a cell from the one before."""
    rows, columns = np.divmod(cells, 3)
    before = np.roll(rows, 1), np.roll(columns, 1)  # a dance is closed
    return 3 * (rows - before[0] + 1) + columns - before[1] + 1


_ways = [(way * DANCE_STEPS)[:DANCE_STEPS] for way in DANCES.values()]
CELLS_OF = np.array([[int(key) - 1 for key in way] for way in _ways])  # (dances, 16)
MOVES_OF = np.array([_moves(cells) for cells in CELLS_OF])

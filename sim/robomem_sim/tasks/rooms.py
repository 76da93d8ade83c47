"""A thing hidden among rooms: it was seen on a tour of them, or it is in a cupboard not yet looked into."""

import numpy as np
from numpy.random import Generator

from robomem_sim.tasks.task import Array, Choice, ChoiceTask, check_whole

MOST_ROOMS, LONGEST_DELAY = 32, 10_000
ROOM_M, COLUMNS = 4.0, 4  # rooms stand in rows of four


class HiddenObject(ChoiceTask):
    """The robot is led through all rooms; in half of them a thing lies in plain sight, in half is a closed cupboard.

    After a while it is asked for a thing: every second time for one that it saw, else for one in a cupboard. An
    action goes to a room and looks. To look where the thing is known not to be ends the search: the score is 1
    where it is found before. The expert goes where it saw the thing, else to the cupboards not yet looked into, in
    the order of the rooms. What is seen tells no room apart from others: only the position does.
    State: the kind in plain sight (one-hot, kinds) or that there is a closed cupboard, the kind asked for (kinds).

    Attributes:
        rooms: how many there are.
        delay_steps: empty moments between the tour and the question, spent in the last room.
        kinds: kinds of things, more than there are rooms with one in plain sight.
    """

    def __init__(self, *, rooms: int = 8, delay_steps: int = 8, kinds: int = 8) -> None:
        check_whole("rooms", rooms, least=2, greatest=MOST_ROOMS)
        check_whole("delay_steps", delay_steps, least=0, greatest=LONGEST_DELAY)
        check_whole("kinds", kinds, least=rooms // 2 + 1, greatest=4 * MOST_ROOMS)
        super().__init__(state_size=2 * kinds + 1, choices=rooms)
        self.rooms, self.delay_steps, self.kinds = rooms, delay_steps, kinds

    @property
    def oracle_score(self) -> float:
        """Return 1."""
        return 1.0

    @property
    def chance_score(self) -> float:
        """Return the mean over both cases: 1 of the rooms, and a lucky search."""
        seen = 1.0 / self.rooms
        return (seen + lucky_search(self.rooms, closed=self.rooms - self.rooms // 2)) / 2

    def expert_action(self) -> Choice:
        """Go where the thing was seen, else to the first cupboard not yet looked into."""
        if not self._is_scored():
            return np.int64(0)
        if self._is_in_sight:
            return np.int64(self._place)
        return np.int64(min(self._closed - self._searched.keys()))

    def _begin(self, rng: Generator) -> None:
        in_sight, kinds = self.rooms // 2, rng.permutation(self.kinds)
        rooms = rng.permutation(self.rooms)
        self._is_in_sight = bool(rng.random() < 0.5)
        self._place = int(rng.choice(rooms[:in_sight] if self._is_in_sight else rooms[in_sight:]))
        self._kinds = dict(zip(rooms[:in_sight].tolist(), kinds.tolist(), strict=False))
        self._closed = set(rooms[in_sight:].tolist())
        hidden = int(kinds[in_sight])  # lies nowhere in sight
        self._asked = self._kinds.get(self._place, hidden)
        self._tour: list[int] = rng.permutation(self.rooms).tolist()
        self._room = self._tour[0]
        self._searched: dict[int, int] = {}  # moment at which one looked into the cupboard, by room

    def _state(self) -> Array:
        state = np.zeros(self.state_size, dtype=np.float32)
        if self.moment < self.rooms:
            state[self._kinds.get(self._room, self.kinds)] = 1.0
        elif self._is_scored():
            state[self.kinds + 1 + self._asked] = 1.0
        return state

    def _position(self) -> Array:
        row, column = divmod(self._room, COLUMNS)
        return np.array([column * ROOM_M, row * ROOM_M, 0.0], dtype=np.float32)

    def _is_scored(self) -> bool:
        return self.moment >= self.rooms + self.delay_steps

    def _depends_on(self) -> tuple[int, ...]:
        if self._is_in_sight:
            return (self._tour.index(self._place),)
        return (*range(self.rooms), *self._searched.values())

    def _act(self, action: Choice) -> tuple[float, bool]:
        if not self._is_scored():
            self._room = self._tour[min(self.moment + 1, self.rooms - 1)]
            return 0.0, False
        self._room = int(action)
        if self._room == self._place:
            return 1.0, True
        is_needless = self._is_in_sight or self._room not in self._closed - self._searched.keys()
        self._searched[self._room] = self.moment + 1
        return 0.0, is_needless


def lucky_search(places: int, *, closed: int) -> float:
    """Return the chance to find what is in one of the closed places before a needless look, looking anywhere.

    The first look finds it in 1 of all places; in (closed - 1) of all it rules one out, and one goes on.
    """
    found = 0.0
    for left in range(1, closed + 1):
        found = (1.0 + (left - 1) * found) / places
    return found

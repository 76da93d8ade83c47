"""Two games of cards of POPGym. Morad et al., "POPGym: benchmarking partially observable reinforcement learning", 2023."""

from functools import cache

import numpy as np
from numpy.random import Generator

from robomem.errors import ConfigError
from robomem_sim.tasks.task import Array, Choice, ChoiceTask, check_whole, one_hot
from robomem_sim.tasks.third_party import third_party

DECK, SUITS, MOST_DECKS = 52, 4, 100
VALUES = {"colors": 2, "ranks": 13}  # of the cards that match each other
LEVELS = {"easy": (1, "colors"), "medium": (2, "colors"), "hard": (1, "ranks")}
"""Decks, and what has to match."""
SEEDS = 2**31


class PopgymRepeatPrevious(ChoiceTask):
    """RepeatPrevious: say the suit of the card before k - 1 others; a right answer has its share, a wrong one none.

    State: the suit of the card (one-hot, 4).

    Attributes:
        decks: of 52 cards, dealt one by one.
        k: how many cards back, the present one counted.
    """

    def __init__(self, *, decks: int = 1, k: int = 4) -> None:
        check_whole("decks", decks, least=1, greatest=MOST_DECKS)
        check_whole("k", k, least=1, greatest=DECK * decks - 1)
        super().__init__(state_size=SUITS, choices=SUITS)
        module = third_party("popgym.envs.repeat_previous", install="popgym")
        self.k, self._game = k, module.RepeatPrevious(num_decks=decks, k=k)

    @property
    def oracle_score(self) -> float:
        """Return 1."""
        return 1.0

    @property
    def chance_score(self) -> float:
        """Return 1 of 4 suits."""
        return 1.0 / SUITS

    def expert_action(self) -> Choice:
        """Return the suit that was seen."""
        return np.int64(self._suits[-self.k] if self._is_scored() else 0)

    def _begin(self, rng: Generator) -> None:
        suit, _ = self._game.reset(seed=int(rng.integers(SEEDS)))
        self._suits: list[int] = [suit]

    def _state(self) -> Array:
        return one_hot(self._suits[-1], SUITS)

    def _is_scored(self) -> bool:
        return len(self._suits) >= self.k

    def _depends_on(self) -> tuple[int, ...]:
        return (self.moment - self.k + 1,)

    def _act(self, action: Choice) -> tuple[float, bool]:
        suit, reward, is_over, _, _ = self._game.step(action)
        self._suits.append(suit)
        return max(float(reward), 0.0), bool(is_over)


class PopgymConcentration(ChoiceTask):
    """Concentration: flip two cards of a face-down deck; those that match stay open.

    The score is the share of pairs found within the moments that the game gives. The expert flips what it
    knows to match, else the first card that it has not seen. Levels are POPGym's: the colours of one deck (easy) or
    of two (medium), or the ranks of one (hard).
    State: of each card its value while it is open (one-hot, cards × values).

    Attributes:
        cards: how many there are.
        values: how many of them differ.
    """

    def __init__(self, *, level: str = "easy") -> None:
        if level not in LEVELS:
            raise ConfigError(f"level is one of {', '.join(LEVELS)}, got {level!r}")
        decks, deck_type = LEVELS[level]
        cards, values = DECK * decks, VALUES[deck_type]
        super().__init__(state_size=cards * values, choices=cards)
        module = third_party("popgym.envs.concentration", install="popgym")
        self._game = module.Concentration(num_decks=decks, deck_type=deck_type)
        self.cards, self.values = cards, values

    @property
    def oracle_score(self) -> float:
        """Return 1: there is time enough for who forgets no card."""
        return 1.0

    @property
    def chance_score(self) -> float:
        """Return the share of pairs that are found by flipping any cards."""
        counts = (self.cards // self.values,) * self.values
        return _lucky_pairs(counts, self._game.episode_length, self.cards) / (self.cards // 2)

    def expert_action(self) -> Choice:
        """Flip a card that is known to match, else one that was never seen."""
        pair = self._known_pair()
        if pair is not None:
            return np.int64(pair)
        return np.int64(min(set(range(self.cards)) - self._seen_at.keys(), default=0))

    def _known_pair(self) -> int | None:
        """Return the card to flip for a pair of which both were seen, and None where none is known."""
        in_play = self._game.deck["in_play_idx"]
        by_value: dict[int, int] = {self._values[card]: card for card in in_play}
        for card in sorted(self._seen_at.keys() - self._found() - set(in_play)):
            if (value := self._values[card]) in by_value:
                return card
            if not in_play:
                by_value[value] = card
        return None

    def _found(self) -> set[int]:
        return set(self._game.deck["face_up_idx"])

    def _begin(self, rng: Generator) -> None:
        self._open, _ = self._game.reset(seed=int(rng.integers(SEEDS)))
        self._values: dict[int, int] = {}  # by card, once it was seen
        self._seen_at: dict[int, int] = {}  # the last moment, by card

    def _state(self) -> Array:
        values = self.values + 1  # the last one is face-down
        state = np.zeros((self.cards, values), dtype=np.float32)
        state[np.arange(self.cards), self._open] = 1.0
        return state[:, :-1].ravel()

    def _depends_on(self) -> tuple[int, ...]:
        pair = self._known_pair()
        return () if pair is None else (self._seen_at[pair],)

    def _act(self, action: Choice) -> tuple[float, bool]:
        self._open, reward, is_complete, is_late, _ = self._game.step(int(action))
        for card in np.flatnonzero(self._open < self.values).tolist():
            self._values[card], self._seen_at[card] = int(self._open[card]), self.moment + 1
        return max(float(reward), 0.0), bool(is_complete or is_late)


@cache
def _lucky_pairs(counts: tuple[int, ...], flips: int, cards: int) -> float:
    """Return how many pairs one finds who flips any cards.

    Args:
        counts: how many cards of each value are face-down, ascending.
        flips: how many are left.
        cards: how many there are, open or not.
    """
    if flips < 2 or not any(counts):
        return 0.0
    is_open = 1 - sum(counts) / cards
    none_found = 1.0 - is_open
    pairs = is_open * _lucky_pairs(counts, flips - 1, cards)  # an open one ends the turn
    for place, count in enumerate(counts):
        chance = count * (count - 1) / cards**2
        rest = tuple(sorted((*counts[:place], count - 2, *counts[place + 1 :])))
        if chance > 0:
            pairs += chance * (1 + _lucky_pairs(rest, flips - 2, cards))
            none_found -= chance
    return pairs + none_found * _lucky_pairs(counts, flips - 2, cards)

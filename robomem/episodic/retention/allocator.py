"""Who decides what goes: one strategy, or the one that the questions so far speak for."""

from collections.abc import Mapping, Sequence

import numpy as np

from robomem.config import RetentionConfig
from robomem.episodic.retention.allocation import Need, Shares, victims
from robomem.episodic.retention.learner import FixedShare
from robomem.episodic.retention.policies import POLICIES
from robomem.episodic.retention.shadows import Shadows, Want
from robomem.episodic.retention.shelf import NOWHERE, Bools, Floats, Ints, Shelf

EVENT_BYTES = 1024  # of a usual event with an embedding: what a budget of bytes alone holds
NAMES = tuple(POLICIES)


class Allocator:
    """Learns from what is logged and asked for, and chooses what goes.

    Attributes:
        visits: By place, how often the robot came there.
        visited: The places whose visits changed, since it was last cleared.
        current_place: Where it is.
        learner: The weights of the strategies, in the order of `NAMES`.
        shadows: What each of them would have kept; None where no choice is to be learnt.
    """

    def __init__(
        self,
        config: RetentionConfig,
        *,
        visits: Mapping[int, int] | None = None,
        current_place: int = NOWHERE,
        weights: Floats | None = None,
        shadow: tuple[Shelf, Bools] | None = None,
    ) -> None:
        self._config = config
        self._shares = Shares(places=config.place_share, recent=config.recent_share)
        self.visits = dict(visits or {})
        self.visited: set[int] = set()
        self.current_place = current_place
        self.learner = FixedShare(
            np.full(len(NAMES), 1 / len(NAMES)) if weights is None else weights,
            rate=config.learning_rate,
            share=config.learning_share,
        )
        shelf, held = shadow or (None, None)
        self.shadows = (
            Shadows(
                tuple(POLICIES.values()),
                capacity=self.capacity,
                slack=config.slack,
                shares=self._shares,
                shelf=shelf,
                held=held,
            )
            if config.strategy == "learned"
            else None
        )

    @property
    def capacity(self) -> int:
        """How many events there is room for, about."""
        return max(1, min(self._config.max_events, self._config.max_bytes // EVENT_BYTES))

    def log(self, newer: Shelf) -> None:
        """Take note of new events, in their order: where the robot was, and what every strategy would keep."""
        for place in newer.places.tolist():
            if place != self.current_place:
                self.visits[place] = self.visits.get(place, 0) + 1
                self.visited.add(place)
                self.current_place = place
        if self.shadows is not None:
            self.shadows.extend(newer, visits_of=self.visits_of)

    def visits_of(self, places: Ints) -> Ints:
        """Return how often the robot came to places, (N,)."""
        distinct, which = np.unique(places, return_inverse=True)
        counts = [self.visits.get(place, 0) for place in distinct.tolist()]
        return np.array(counts, dtype=np.int64)[which]

    def recalled(self, want: Want | None, ids: Sequence[int], *, stamp_ns: int) -> None:
        """Learn from a question what should have been kept, and from its hits what is needed."""
        if self.shadows is None:
            return
        if want is not None and (losses := self.shadows.losses(want)) is not None:
            self.learner = self.learner.after(losses)
        self.shadows.rehearse(ids, stamp_ns=stamp_ns, gain=self._config.rehearsal_gain)

    def choose(self, shelf: Shelf, need: Need) -> Ints:
        """Return the indices of what goes to make room, the first first."""
        capacity = max(0, len(shelf) - need.events)
        if need.bytes > 0:
            total = max(1, int(shelf.sizes.sum()))
            capacity = min(capacity, len(shelf) * max(0, total - need.bytes) // total)
        return victims(shelf, self._order(shelf), need=need, capacity=capacity, shares=self._shares)

    def _order(self, shelf: Shelf) -> Ints:
        now_ns = int(shelf.stamps_ns.max(initial=0))
        if self.shadows is None:
            return POLICIES[self._config.strategy](shelf, now_ns=now_ns)
        return self.learner.vote([policy(shelf, now_ns=now_ns) for policy in POLICIES.values()])

"""What every strategy would have kept had it been in charge: the same life in small, played to all of them.

Whether a strategy is good shows in what it threw away, which the memory no longer knows. So a sample of the topics, with
all their events, also goes to one small shelf per strategy, as much smaller as the sample is: a miniature simulation
(Waldspurger et al., "Cache Modeling and Optimization using Miniature Simulations", 2017). It holds numbers only.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from robomem.episodic.retention.allocation import Need, Shares, victims
from robomem.episodic.retention.policies import Policy
from robomem.episodic.retention.shelf import Bools, Floats, Ints, Shelf
from robomem.episodic.retention.strength import rehearsed

SHADOW_EVENTS = 2048  # on each shelf
BUCKETS = 1 << 20  # topics are keys without a pattern: their last bits draw the sample


@dataclass(frozen=True, slots=True)
class Want:
    """What somebody asked for: an event of this topic, at this place, in this span; None is any."""

    topic: int | None = None
    place: int | None = None
    since_ns: int | None = None
    until_ns: int | None = None

    def matches(self, shelf: Shelf) -> Bools:
        """Tell which events it may mean."""
        mask = np.ones(len(shelf), dtype=bool)
        if self.topic is not None:
            mask &= shelf.topics == self.topic
        if self.place is not None:
            mask &= shelf.places == self.place
        if self.since_ns is not None:
            mask &= shelf.stamps_ns >= self.since_ns
        if self.until_ns is not None:
            mask &= shelf.stamps_ns <= self.until_ns
        return mask


class Shadows:
    """The shelves of all strategies over one sample of a life.

    Attributes:
        shelf: Every event that at least one strategy holds.
        held: Which strategy holds which, (P, N).
        changed: Ids of the events that changed, or went, since `changed` was last cleared.
    """

    def __init__(
        self,
        policies: Sequence[Policy],
        *,
        capacity: int,
        slack: float,
        shares: Shares,
        shelf: Shelf | None = None,
        held: Bools | None = None,
    ) -> None:
        self._policies = policies
        self._capacity = min(capacity, SHADOW_EVENTS)
        self._rate = self._capacity / capacity
        self._slack, self._shares = slack, shares
        self.shelf = Shelf.empty() if shelf is None else shelf
        self.held = np.zeros((len(policies), 0), dtype=bool) if held is None else held
        self.changed: set[int] = set()

    def extend(self, newer: Shelf, *, visits_of: Callable[[Ints], Ints]) -> None:
        """Put the sampled ones of newer events on every shelf, and let every strategy make room."""
        newer = newer.take(newer.topics % BUCKETS < self._rate * BUCKETS)
        if not len(newer):
            return
        self.changed.update(newer.ids.tolist())
        self.shelf = self.shelf.joined(newer)
        self.held = np.pad(self.held, ((0, 0), (0, len(newer))), constant_values=True)
        if (self.held.sum(axis=1) > self._capacity).any():
            self.shelf = replace(self.shelf, visits=visits_of(self.shelf.places))
            for policy, held in zip(self._policies, self.held, strict=True):
                self._make_room(policy, held)
            self.keep(np.any(self.held, axis=0))

    def losses(self, want: Want) -> Floats | None:
        """Return 1 for every strategy that would no longer have the newest event that is wanted, else 0, (P,).

        None where there is none in the sample, or no strategy has it.
        """
        matches = np.flatnonzero(want.matches(self.shelf))
        if not len(matches):
            return None
        newest = matches[np.lexsort((self.shelf.ids[matches], self.shelf.stamps_ns[matches]))[-1]]
        return 1.0 - self.held[:, newest].astype(np.float64)

    def rehearse(self, ids: Sequence[int], *, stamp_ns: int, gain: float) -> None:
        """Strengthen what was recalled."""
        which = np.isin(self.shelf.ids, ids)
        if not which.any():
            return
        last_ns, stability_s = self.shelf.last_ns.copy(), self.shelf.stability_s.copy()
        last_ns[which], stability_s[which] = rehearsed(
            last_ns[which], stability_s[which], stamp_ns=stamp_ns, gain=gain
        )
        self.shelf = replace(self.shelf, last_ns=last_ns, stability_s=stability_s)
        self.changed.update(self.shelf.ids[which].tolist())

    def keep(self, which: Bools) -> None:
        """Let the other events go from all shelves."""
        self.changed.update(self.shelf.ids[~which].tolist())
        self.shelf, self.held = self.shelf.take(which), self.held[:, which]

    def _make_room(self, policy: Policy, held: Bools) -> None:
        kept = np.flatnonzero(held)
        if len(kept) <= self._capacity:
            return
        target = self._capacity - int(self._slack * self._capacity)
        shelf = self.shelf.take(kept)
        gone = victims(
            shelf,
            policy(shelf, now_ns=int(shelf.stamps_ns.max())),
            need=Need(events=len(kept) - target),
            capacity=target,
            shares=self._shares,
        )
        held[kept[gone]] = False
        self.changed.update(shelf.ids[gone].tolist())

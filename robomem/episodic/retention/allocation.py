"""Who goes when a budget is exceeded: an order of eviction, tempered by what every place is owed.

pinned       never go
protected    the newest of all, and of every place what a policy values most there, up to its share: last
the rest     in the order of the policy
"""

from dataclasses import dataclass

import numpy as np

from robomem.episodic.retention.shelf import Bools, Ints, Shelf


@dataclass(frozen=True, slots=True)
class Need:
    """How much is too much."""

    events: int = 0
    bytes: int = 0

    def __bool__(self) -> bool:
        return self.events > 0 or self.bytes > 0


@dataclass(frozen=True, slots=True)
class Shares:
    """What no policy takes before everything else is gone, as parts of the budget.

    Attributes:
        places: Shared out evenly among all places.
        recent: Kept for the newest events, like RTAB-Map's recent share of its working memory.
    """

    places: float
    recent: float


def victims(shelf: Shelf, order: Ints, *, need: Need, capacity: int, shares: Shares) -> Ints:
    """Return the indices of the fewest events, in the order of eviction, that make room.

    Args:
        shelf: What is kept.
        order: The indices of all of it, what a policy lets go first first.
        need: What is to be freed; all that is not pinned where that is not enough.
        capacity: How many events there is room for, of which the shares are parts.
        shares: What goes last.
    """
    order = order[~shelf.is_pinned[order]]
    last = protected(shelf, order, capacity=capacity, shares=shares)[order]
    order = np.concatenate([order[~last], order[last]])
    freed = np.cumsum(shelf.sizes[order])
    count = max(need.events, int(np.searchsorted(freed, need.bytes)) + 1 if need.bytes > 0 else 0)
    return order[:count]


def protected(shelf: Shelf, order: Ints, *, capacity: int, shares: Shares) -> Bools:
    """Tell which events go last: what the order puts last of every place, and the newest of all."""
    mask = np.zeros(len(shelf), dtype=bool)
    recent = int(shares.recent * capacity)
    mask[np.lexsort((shelf.ids, shelf.stamps_ns))[len(shelf) - min(recent, len(shelf)) :]] = True
    _, place_of, counts = np.unique(shelf.places[order], return_inverse=True, return_counts=True)
    level = fair_level(counts, int(shares.places * capacity))
    mask[order[_rank_from_last(place_of, counts) < level]] = True
    return mask


def fair_level(counts: Ints, capacity: int) -> int:
    """Return the greatest L with sum(min(count, L)) <= capacity: max-min fairness, in whole events.

    Bertsekas and Gallager, "Data Networks", 1992, section 6.5.2.
    """
    rising = np.sort(counts)
    smaller = np.concatenate([[0], np.cumsum(rising)[:-1]])  # what those with fewer take
    levels = (capacity - smaller) // np.arange(len(rising), 0, -1)  # if the rest share evenly
    is_short = levels < rising
    if not is_short.any():  # there is room for all
        return int(rising[-1]) if len(rising) else 0
    return max(int(levels[is_short][0]), 0)


def _rank_from_last(groups: Ints, counts: Ints) -> Ints:
    """Return for every entry how many of its group come after it; `counts` is the size of each."""
    by_group = np.argsort(groups, kind="stable")
    ends = np.cumsum(counts)[groups[by_group]]
    rank = np.empty(len(groups), dtype=np.int64)
    rank[by_group] = ends - 1 - np.arange(len(groups))
    return rank

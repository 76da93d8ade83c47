"""In which order events go: the strategies that an allocator chooses from.

FIFO, LIFO, least- and most-visited-first are those of SAT's adaptive memory allocator (Jeon et al., "Spatially-Aware
Transformers for Embodied Agents", 2024). WEAKEST is the forgetting curve.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

import numpy as np

from robomem.episodic.retention.shelf import Ints, Shelf
from robomem.episodic.retention.strength import NS, newer_of_topic

INTERFERENCE = 0.25  # 0, 0.5 and 1 recalled less, on lives 0 to 2


class Policy(Protocol):
    """An order of eviction."""

    def __call__(self, shelf: Shelf, *, now_ns: int) -> Ints:
        """Return the indices of all events, what goes first first; equal shelves give equal orders."""


def fifo(shelf: Shelf, *, now_ns: int) -> Ints:
    """Let the oldest go first."""
    return np.lexsort((shelf.ids, shelf.stamps_ns))


def lifo(shelf: Shelf, *, now_ns: int) -> Ints:
    """Let the newest go first."""
    return fifo(shelf, now_ns=now_ns)[::-1]


def least_visited(shelf: Shelf, *, now_ns: int) -> Ints:
    """Let what happened at the places that the robot seldom comes to go first, the oldest of it first."""
    return np.lexsort((shelf.ids, shelf.stamps_ns, shelf.visits))


def most_visited(shelf: Shelf, *, now_ns: int) -> Ints:
    """Let what happened at the places that the robot often comes to go first, the oldest of it first."""
    return np.lexsort((shelf.ids, shelf.stamps_ns, -shelf.visits))


def weakest(shelf: Shelf, *, now_ns: int) -> Ints:
    """Let the faintest memories go first: those with the lowest retention exp(-t / S).

    Newer memories of the same topic interfere with older ones (retroactive interference): n of them divide S
    by (1 + n) ** INTERFERENCE.
    """
    age_s = np.maximum(now_ns - shelf.last_ns, 1) / NS
    fading = age_s * (1.0 + newer_of_topic(shelf)) ** INTERFERENCE / shelf.stability_s
    return np.lexsort((shelf.ids, shelf.stamps_ns, -fading))


POLICIES: Mapping[str, Policy] = MappingProxyType(
    {
        "fifo": fifo,
        "lifo": lifo,
        "least_visited": least_visited,
        "most_visited": most_visited,
        "weakest": weakest,
    }
)

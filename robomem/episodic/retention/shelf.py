"""The events that are kept, as a policy sees them: arrays, one entry an event."""

import hashlib
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
NOWHERE = -1  # the place of an event that has none


@dataclass(frozen=True, slots=True, eq=False)
class Shelf:
    """Events in the order in which they were logged; all arrays are (N,).

    Attributes:
        ids: Event ids, rising.
        stamps_ns: When they began.
        last_ns: When they ended, or were last recalled.
        stability_s: How slowly they fade; see `strength`.
        places: Keys of the places where the robot was, `NOWHERE` where that is not known.
        topics: Keys of what they are about.
        visits: How often the robot came to that place.
        sizes: Bytes.
        is_pinned: Whether they stay whatever happens.
    """

    ids: Ints
    stamps_ns: Ints
    last_ns: Ints
    stability_s: Floats
    places: Ints
    topics: Ints
    visits: Ints
    sizes: Ints
    is_pinned: Bools

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def empty(cls) -> Self:
        """Return a shelf with nothing on it."""
        none = np.zeros(0, dtype=np.int64)
        return cls(none, none, none, none.astype(float), none, none, none, none, none.astype(bool))

    def take(self, which: Ints | Bools) -> "Shelf":
        """Return some of the events, by index or mask."""
        return Shelf(*(getattr(self, f.name)[which] for f in fields(self)))

    def joined(self, newer: "Shelf") -> "Shelf":
        """Return these events and newer ones."""
        pairs = ((getattr(self, f.name), getattr(newer, f.name)) for f in fields(self))
        return Shelf(*(np.concatenate(pair) for pair in pairs))


def key_of(words: str) -> int:
    """Return a number for a name, the same in every process and without a pattern; never negative."""
    digest = hashlib.blake2b(words.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1

"""How strong a memory is: it fades with time, slower after every recall.

Retention after t seconds is R = exp(-t / S) (Ebbinghaus, "Memory", 1885, in the form that MemoryBank uses:
Zhong et al., 2024). The stability S, in seconds, starts from what the event is and grows with every
recall, the more the fainter the memory had become: the spacing effect (Cepeda et al., 2006).
"""

import numpy as np

from robomem.episodic.retention.shelf import Floats, Ints, Shelf

NS = 1e9
SALIENCE = {  # against a mere sighting, by kind
    "told": 4.0,  # somebody took the trouble to say it
    "outcome": 3.0,
    "moved": 2.0,
    "missing": 2.0,
    "appeared": 2.0,
    "acted": 1.5,
}
SURPRISE = 2.0  # times, where a thing is not where it was last seen, or was never seen before


def initial_stability_s(kind: str, *, is_surprising: bool, base_s: float) -> float:
    """Return the stability of a new memory in seconds."""
    return base_s * SALIENCE.get(kind, 1.0) * (SURPRISE if is_surprising else 1.0)


def retention(age_s: Floats, stability_s: Floats) -> Floats:
    """Return R in (0, 1], 1 where the age is negative."""
    faded: Floats = np.exp(-np.maximum(age_s, 0.0) / stability_s)
    return faded


def rehearsed(
    last_ns: Ints, stability_s: Floats, *, stamp_ns: int, gain: float
) -> tuple[Ints, Floats]:
    """Return when memories were last recalled, and their stability, after a recall at `stamp_ns`.

    S grows to S (1 + gain (1 - R)), so neither value ever falls, and no memory is weaker at any later time.
    """
    faded = retention((stamp_ns - last_ns) / NS, stability_s)
    return np.maximum(last_ns, stamp_ns), stability_s * (1.0 + gain * (1.0 - faded))


def newer_of_topic(shelf: Shelf) -> Ints:
    """Return for every event how many newer ones on the shelf are about the same topic."""
    order = np.lexsort((shelf.ids, shelf.stamps_ns, shelf.topics))
    topics = shelf.topics[order]
    ends = np.searchsorted(topics, topics, side="right")
    newer = np.empty(len(shelf), dtype=np.int64)
    newer[order] = ends - 1 - np.arange(len(shelf))
    return newer

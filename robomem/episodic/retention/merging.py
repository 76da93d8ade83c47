"""Neighbours that say the same become one, and its weight tells how many it was: RTAB-Map's rehearsal.

Labbé and Michaud, "RTAB-Map as an open-source lidar and visual SLAM library", 2019, section 3.1. There a place that looks
like the one before it is merged into it; here it is an event that says what one shortly before it said, of the
same thing, at the same place, by the same source.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from robomem.types import EventKind

MERGED = (EventKind.SEEN, EventKind.OBSERVED)  # every other kind counts each time


@dataclass(frozen=True, slots=True, eq=False)
class Saying:
    """What an event says, as far as merging cares; `about` is what must be equal.

    What `is_separate` is merged into no other one: it is pinned, or somebody's word that the guard judges.
    """

    event_id: int
    kind: EventKind
    stamp_ns: int
    until_ns: int
    about: tuple[object, ...]
    text: str
    embedding: NDArray[np.float32] | None
    is_separate: bool


@dataclass(frozen=True, slots=True)
class Merge:
    """An event goes into another, whose span is from now on this one."""

    into_id: int
    event_id: int
    stamp_ns: int
    until_ns: int


def merges(
    sayings: Iterable[Saying], *, after_id: int, gap_ns: int, min_similarity: float
) -> list[Merge]:
    """Return which events go into which, in order.

    Args:
        sayings: By id. Those of the gap before the first one that is looked at are among them.
        after_id: Later ones are looked at, the others were before.
        gap_ns: They follow each other within this time.
        min_similarity: Captions say the same when the cosine of their embeddings is this.
    """
    found: list[Merge] = []
    kept: defaultdict[tuple[object, ...], list[Saying]] = defaultdict(list)
    for saying in sayings:
        if saying.kind not in MERGED:
            continue
        group = kept[(saying.kind, *saying.about)]
        is_new = saying.event_id > after_id and not saying.is_separate
        index = _same(group, saying, gap_ns, min_similarity) if is_new else None
        if index is None:
            group.append(saying)
            continue
        group[index] = _joined(group[index], saying)
        into = group[index]
        found.append(Merge(into.event_id, saying.event_id, into.stamp_ns, into.until_ns))
    return found


def _same(group: list[Saying], saying: Saying, gap_ns: int, min_similarity: float) -> int | None:
    """Return which of the events before says the same: the one that ended last."""
    near = (
        (before.until_ns, index)
        for index, before in enumerate(group)
        if saying.stamp_ns - before.until_ns <= gap_ns
        and before.stamp_ns - saying.until_ns <= gap_ns
        if _is_alike(before, saying, min_similarity)
    )
    return max(near, default=(0, None))[1]


def _is_alike(before: Saying, saying: Saying, min_similarity: float) -> bool:
    if before.text == saying.text:
        return True
    if (
        saying.kind is not EventKind.OBSERVED
        or before.embedding is None
        or saying.embedding is None
    ):
        return False
    return float(before.embedding @ saying.embedding) >= min_similarity


def _joined(before: Saying, saying: Saying) -> Saying:
    return replace(
        before,
        stamp_ns=min(before.stamp_ns, saying.stamp_ns),
        until_ns=max(before.until_ns, saying.until_ns),
    )

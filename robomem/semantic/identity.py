"""Whether a thing found is one that was missed elsewhere: by its looks, or else by its name, its size, and when.

By looks the most alike decides. Where they are not known, name and size must single out one: two mugs are missing and
a mug is found, so it may be either, unless one of them was already missing when there was still nothing where the
other mug is now: it would have been somewhere else between. What is gone comes back by its looks only.
"""

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from robomem.config import SemanticConfig
from robomem.semantic.association import similarity
from robomem.semantic.gazes import Gazes
from robomem.semantic.lifting import is_alike
from robomem.semantic.roster import Roster
from robomem.store.records import Records
from robomem.store.rows import EntityRow
from robomem.types import EntityState

VAIN_LOOKS = 2  # keyframes that had a place in view: so many would have seen what stood there


class Recogniser:
    """Tells which thing one is that was found, or missed, among the others of a roster."""

    def __init__(self, records: Records, roster: Roster, config: SemanticConfig) -> None:
        self._roster, self._config = roster, config
        self._gazes = Gazes(records)

    def missed_as(self, row: EntityRow) -> EntityRow | None:
        """Return which thing that is missing one is that was found."""
        missed = (r for r in self._others(row) if r.state is not EntityState.PRESENT)
        return self._single_out(row, missed, may_be=lambda r: self._may_have_gone_straight(r, row))

    def found_as(self, row: EntityRow) -> EntityRow | None:
        """Return which thing one is that is missing, of those found elsewhere since it was last seen."""
        last_ns = row.last_seen_ns
        found = (
            r
            for r in self._others(row)
            if r.state is EntityState.PRESENT and r.first_seen_ns > last_ns
            if r.is_novel
            or self._roster.looks(r.entity_id)
            or (r.label == row.label and self._was_empty(r, row, until_ns=last_ns))
        )
        return self._single_out(row, found, may_be=lambda r: self._may_have_gone_straight(row, r))

    def known_as(self, row: EntityRow) -> EntityRow | None:
        """Return which thing that is believed in one looks like so much that a single sighting tells."""
        if not self._roster.looks(row.entity_id):
            return None
        surely = (1 + self._config.similarity) / 2
        named = (other for other in self._others(row) if other.label == row.label)
        return self._alike(row, named, min_similarity=surely)[0]

    def has_come(self, row: EntityRow, known: EntityRow) -> bool:
        """Tell whether nothing stood where a thing was found that looks like a known one: it was seen free, or in vain.

        Where the known one was seen before, that has to be since: two that look alike would change places for ever.
        """
        p_map, gate_m = self._roster.place(row.entity_id), self._config.gate_m
        left_ns = max(
            (
                stamp_ns
                for stamp_ns, place in self._roster.left_places(known.entity_id)
                if math.dist(place, p_map) <= gate_m
            ),
            default=-1,
        )
        if left_ns < 0 and row.is_novel:
            return True
        return self._was_empty(row, known, after_ns=left_ns, until_ns=row.first_seen_ns - 1)

    def was_missed_between(self, row: EntityRow, stamp_ns: int) -> bool:
        """Tell whether a thing was looked for in vain since it was last sighted."""
        return self._was_empty(row, row, after_ns=row.last_seen_ns, until_ns=stamp_ns - 1)

    def _was_empty(
        self, row: EntityRow, other: EntityRow, *, until_ns: int, after_ns: int = -1
    ) -> bool:
        """Tell whether the place of a thing was looked at in vain then, as near as one like it is seen from."""
        return len(self._looks_at(row, other, after_ns=after_ns, until_ns=until_ns)) >= VAIN_LOOKS

    def _may_have_gone_straight(self, old: EntityRow, new: EntityRow) -> bool:
        """Tell whether a thing may have gone from one place to another: it was not missed before that was still empty."""
        if old.missed_ns is None:
            return True
        until_ns = new.first_seen_ns - 1
        return not len(self._looks_at(new, old, after_ns=old.missed_ns, until_ns=until_ns))

    def _looks_at(
        self, row: EntityRow, other: EntityRow, *, after_ns: int, until_ns: int
    ) -> NDArray[np.int64]:
        reach_m = max(row.seen_range_m, other.seen_range_m)
        p_map = self._roster.place(row.entity_id)
        return self._gazes.stamps(p_map, within_m=reach_m, after_ns=after_ns, until_ns=until_ns)

    def _others(self, row: EntityRow) -> Iterable[EntityRow]:
        """Return the other things that are believed in."""
        return (r for r in self._roster if r.is_confirmed and r.entity_id != row.entity_id)

    def _single_out(
        self,
        row: EntityRow,
        others: Iterable[EntityRow],
        *,
        may_be: Callable[[EntityRow], bool],
    ) -> EntityRow | None:
        """Return which of others a thing is: by its looks, or else the only one of its name, or the only one that may be."""
        alike, named = self._alike(row, others)
        if alike is not None:
            return alike
        return _single(named) or _single([other for other in named if may_be(other)])

    def _alike(
        self, row: EntityRow, others: Iterable[EntityRow], *, min_similarity: float | None = None
    ) -> tuple[EntityRow | None, list[EntityRow]]:
        """Return the one that looks like a thing the most, and those of its name whose looks are not known."""
        least = self._config.similarity if min_similarity is None else min_similarity
        looked_alike: list[tuple[float, int, EntityRow]] = []
        named_alike: list[EntityRow] = []
        for other in others:
            if not _has_size_of(row, other):
                continue
            cosine = similarity(*map(self._roster.embedding, (row.entity_id, other.entity_id)))
            if cosine is None and row.label == other.label and other.state is not EntityState.GONE:
                named_alike.append(other)
            elif cosine is not None and cosine >= least and self._share_name(row, other):
                looked_alike.append((cosine, -other.entity_id, other))
        return (max(looked_alike)[2] if looked_alike else None), named_alike

    def _share_name(self, row: EntityRow, other: EntityRow) -> bool:
        votes = self._roster.votes
        return not votes(row.entity_id).keys().isdisjoint(votes(other.entity_id))


def _has_size_of(row: EntityRow, other: EntityRow) -> bool:
    return row.size_m is None or other.size_m is None or is_alike(row.size_m, other.size_m)


def _single(rows: Sequence[EntityRow]) -> EntityRow | None:
    return rows[0] if len(rows) == 1 else None

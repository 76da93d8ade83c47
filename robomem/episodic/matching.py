"""Which events satisfy a filter: column by column, the cheapest and most selective first."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robomem.geometry import Points
from robomem.store.event_columns import CODE_OF_KIND, NAMED, EventColumns, Rows
from robomem.types import EventKind


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which events: every given field narrows.

    Attributes:
        since_ns: Nothing that ended before.
        until_ns: Nothing that began after.
        near_map: (x, y) or (x, y, z) metres in map: nothing farther than `radius_m`.
        radius_m: How near is near.
        is_inside: Tells of points (N, 3) in map whether each is in the room that is meant, (N,) bool.
        kinds: Nothing of other kinds.
        labels: Nothing but of these; "mug" is not "red mug", see `EventSearch.labels`.
        rooms: Nothing but what was said to be in these.
        sources: Nothing but from these.
        excluded_ids: None of these.
        with_held: Also what is in quarantine.
    """

    since_ns: int | None = None
    until_ns: int | None = None
    near_map: tuple[float, ...] | None = None
    radius_m: float = 2.0
    is_inside: Callable[[Points], NDArray[np.bool_]] | None = None
    kinds: tuple[EventKind, ...] | None = None
    labels: tuple[str, ...] | None = None
    rooms: tuple[str, ...] | None = None
    sources: tuple[str, ...] | None = None
    excluded_ids: frozenset[int] = frozenset()
    with_held: bool = False


def matching(columns: EventColumns, wanted: EventFilter) -> Rows:
    """Return the rows that satisfy a filter, in order."""
    rows = _in_time(columns, wanted)
    for name, codes in _wanted_codes(columns, wanted):
        is_wanted = np.zeros(max(len(columns.names(name)) if name in NAMED else 127, 1) + 1, bool)
        is_wanted[codes] = True  # of none, -1, the last one, False
        rows = rows[is_wanted[columns[name][rows]]]
    if wanted.near_map is not None:
        rows = rows[away_m(columns, rows, wanted.near_map) <= wanted.radius_m]  # NaN has no place
    if wanted.is_inside is not None:
        rows = rows[np.isfinite(columns["p_map"][rows, 0])]
        rows = rows[wanted.is_inside(columns["p_map"][rows].astype(np.float64))]
    return rows


def away_m(columns: EventColumns, rows: Rows, near_map: tuple[float, ...]) -> NDArray[np.float32]:
    """Return how far rows are from a place of two or three coordinates, NaN without a place."""
    size = len(near_map)
    offset = columns["p_map"][rows, :size] - np.array(near_map, np.float32)
    return np.asarray(np.sqrt(np.einsum("nk,nk->n", offset, offset)), np.float32)


def _in_time(columns: EventColumns, wanted: EventFilter) -> Rows:
    """Return the rows in the span of time that are neither gone nor excluded."""
    is_match = ~columns["is_gone"]
    is_match[columns.rows_of(np.array(sorted(wanted.excluded_ids), np.int64))] = False
    if wanted.since_ns is not None:
        is_match &= columns["until_ns"] >= wanted.since_ns
    if wanted.until_ns is not None:
        is_match &= columns["stamp_ns"] <= wanted.until_ns
    return np.flatnonzero(is_match)


def _wanted_codes(columns: EventColumns, wanted: EventFilter) -> list[tuple[str, list[int]]]:
    found = []
    if wanted.kinds is not None:
        found.append(("kind", [CODE_OF_KIND[kind] for kind in wanted.kinds]))
    for name, values in (
        ("label", wanted.labels),
        ("room", wanted.rooms),
        ("source", wanted.sources),
    ):
        if values is not None:
            codes = (columns.code_of(name, value) for value in values)
            found.append((name, [code for code in codes if code is not None]))
    return found

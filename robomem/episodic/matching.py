"""Which events satisfy a filter: parts of columns are compared, of a size that the processor's cache holds."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robomem.errors import QueryError
from robomem.geometry import Points
from robomem.store.event_columns import AXES, CODE_OF_KIND, EventColumns
from robomem.store.event_words import Rows
from robomem.types import EventKind

Among = Rows | slice


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

    Raises:
        QueryError: A number or a kind is none.
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

    def __post_init__(self) -> None:
        if self.near_map is not None and not (
            len(self.near_map) in (2, 3) and np.isfinite(self.near_map).all()
        ):
            raise QueryError(f"near_map is 2 or 3 finite coordinates, got {self.near_map}")
        if not 0 < self.radius_m < np.inf:
            raise QueryError(f"the radius is a positive number of metres, got {self.radius_m}")
        unknown = [kind for kind in self.kinds or () if kind not in CODE_OF_KIND]
        if unknown:
            raise QueryError(f"there are no events of kind {unknown[0]!r}")


def excluded_rows(columns: EventColumns, wanted: EventFilter) -> Rows:
    """Return the rows that a filter names to be left out, rising."""
    return columns.rows_of(np.array(sorted(wanted.excluded_ids), np.int64))


def matching(
    columns: EventColumns,
    wanted: EventFilter,
    *,
    among: Among,
    excluded: Rows,
    has_embedding: bool = False,
) -> Rows:
    """Return which rows satisfy a filter, rising.

    Args:
        columns: Those of all events.
        wanted: The filter.
        among: Rows that rise, or a span of them.
        excluded: The `excluded_rows` of the filter.
        has_embedding: Leave out those without one.
    """
    since_ns = wanted.since_ns
    if isinstance(among, slice) and since_ns is not None and columns.newest_in(among) < since_ns:
        return np.empty(0, np.int64)
    is_match = _is_match(columns, among, wanted)
    if has_embedding:
        is_match &= columns["inverse_norm"][among] > 0
    if isinstance(among, slice):
        rows = np.flatnonzero(is_match)
        rows += among.start
    else:
        rows = among[is_match]
    if len(excluded):
        rows = rows[~np.isin(rows, excluded, assume_unique=True)]
    if wanted.near_map is not None:
        rows = rows[away_m(columns, rows, wanted.near_map) <= wanted.radius_m]
    if wanted.is_inside is not None:
        rows = rows[np.isfinite(columns["x_map"][rows])]
        rows = rows[wanted.is_inside(columns.p_map(rows).astype(np.float64))]
    return rows


def away_m(columns: EventColumns, rows: Rows, near_map: tuple[float, ...]) -> NDArray[np.float32]:
    """Return how far rows are from a place of two or three coordinates, NaN without a place."""
    squares = np.zeros(len(rows), np.float32)
    for axis, near in zip(AXES, near_map, strict=False):
        squares += (columns[axis][rows] - np.float32(near)) ** 2
    return np.sqrt(squares)


def _is_match(columns: EventColumns, among: Among, wanted: EventFilter) -> NDArray[np.bool_]:
    """Tell of rows whether they satisfy what is compared, with a box for the ball."""
    is_match = ~columns["is_gone"][among]
    if wanted.since_ns is not None:
        is_match &= columns["until_ns"][among] >= wanted.since_ns
    if wanted.until_ns is not None:
        is_match &= columns["stamp_ns"][among] <= wanted.until_ns
    for name, codes in _wanted_codes(columns, wanted):
        is_wanted = np.zeros(columns.count_codes(name) + 1, bool)
        is_wanted[codes] = True  # the last one, False, is of none: -1
        is_match &= is_wanted[columns[name][among]]
    for axis, near in zip(AXES, wanted.near_map or (), strict=False):
        radius_m, near_m = np.float32(wanted.radius_m), np.float32(near)
        is_match &= columns[axis][among] >= near_m - radius_m  # NaN, no place, is outside
        is_match &= columns[axis][among] <= near_m + radius_m
    return is_match


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

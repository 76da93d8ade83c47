"""Which events satisfy a filter: whole columns are compared, which for a million takes a millisecond each."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robomem.errors import QueryError
from robomem.geometry import Points
from robomem.store.event_columns import AXES, CODE_OF_KIND, EventColumns, Rows
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


def matching(columns: EventColumns, wanted: EventFilter) -> NDArray[np.bool_]:
    """Tell of each row whether it satisfies a filter, (N,)."""
    is_match = np.zeros(len(columns), bool)
    span = columns.span(wanted.since_ns, wanted.until_ns)
    is_match[span] = _matching_in(columns, span, wanted)
    is_match[columns.rows_of(np.array(sorted(wanted.excluded_ids), np.int64))] = False
    if wanted.near_map is not None:
        rows = np.flatnonzero(is_match)
        is_match[rows[away_m(columns, rows, wanted.near_map) > wanted.radius_m]] = False
    if wanted.is_inside is not None:
        rows = np.flatnonzero(is_match & np.isfinite(columns["x_map"]))
        is_match[:] = False
        is_match[rows[wanted.is_inside(columns.p_map(rows).astype(np.float64))]] = True
    return is_match


def away_m(columns: EventColumns, rows: Rows, near_map: tuple[float, ...]) -> NDArray[np.float32]:
    """Return how far rows are from a place of two or three coordinates, NaN without a place."""
    squares = np.zeros(len(rows), np.float32)
    for axis, near in zip(AXES, near_map, strict=False):
        squares += (columns[axis][rows] - np.float32(near)) ** 2
    return np.sqrt(squares)


def _matching_in(columns: EventColumns, span: slice, wanted: EventFilter) -> NDArray[np.bool_]:
    """Tell of the rows of a span whether they satisfy what is compared, with a box for the ball."""
    is_match = ~columns["is_gone"][span]
    if wanted.since_ns is not None:
        is_match &= columns["until_ns"][span] >= wanted.since_ns
    if wanted.until_ns is not None:
        is_match &= columns["stamp_ns"][span] <= wanted.until_ns
    for name, codes in _wanted_codes(columns, wanted):
        is_wanted = np.zeros(columns.count_codes(name) + 1, bool)
        is_wanted[codes] = True  # the last one, False, is of none: -1
        is_match &= is_wanted[columns[name][span]]
    for axis, near in zip(AXES, wanted.near_map or (), strict=False):
        radius_m, near_m = np.float32(wanted.radius_m), np.float32(near)
        is_match &= columns[axis][span] >= near_m - radius_m  # NaN, no place, is outside
        is_match &= columns[axis][span] <= near_m + radius_m
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

"""What stands on, in and near what: read off the boxes of things.

The one place where "on" and "in" are decided: for the things that are there, and for a question of what is, or was seen, there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robomem.geometry import Points
from robomem.query import Relation
from robomem.types import Entity

IN_VOLUME_RATIO = 0.5  # of a thing to what it is in, at most
SURFACE_M = 1.2  # the width of a table, a shelf, a drawer of unknown size

Floats = NDArray[np.float64]
Pairs = NDArray[np.bool_]  # (N, N), of a row to a column


@dataclass(frozen=True, slots=True)
class Standing:
    """How one thing stands to another, and how much is between their boxes."""

    entity_id: int
    relation: Relation
    other_id: int
    gap_m: float


def standings(things: Sequence[Entity], *, touch_m: float, beside_m: float) -> list[Standing]:
    """Return how things stand to each other, by their ids; of those whose size is not known nothing.

    What is on or in another thing is not near it besides.

    Args:
        things: Believed to be there.
        touch_m: A thing is on what its underside is this near to the top of, and its middle over.
        beside_m: Near is no more than this between two boxes.
    """
    things = [thing for thing in things if thing.size_m is not None]
    if not things:
        return []
    places = np.array([thing.p_map for thing in things])
    sizes_m = np.array([thing.size_m for thing in things])
    away_m = np.abs(places[:, None] - places)
    gaps_m = np.linalg.norm(np.maximum(away_m - (sizes_m[:, None] + sizes_m) / 2, 0.0), axis=2)
    is_other = ~np.eye(len(things), dtype=bool)
    pairs = places[:, None], sizes_m[:, None], places, sizes_m
    is_in = is_other & _are_in(*pairs)
    is_on = is_other & _are_on(*pairs, touch_m=touch_m)
    is_near = is_other & ~(is_in | is_in.T | is_on | is_on.T) & (gaps_m <= beside_m)
    return [
        Standing(things[i].entity_id, relation, things[j].entity_id, float(gaps_m[i, j]))
        for i in range(len(things))
        for relation, related in (
            (Relation.ON, is_on),
            (Relation.IN, is_in),
            (Relation.NEAR, is_near),
        )
        for j in np.flatnonzero(related[i])
    ]


def are_standing(
    p_map: Points, sizes_m: Points, *, relation: Relation, other: Entity, touch_m: float
) -> NDArray[np.bool_]:
    """Tell which things, or places where one was seen, stand on a thing, or in it: (N,).

    Args:
        p_map: Their middles in map, (N, 3) metres.
        sizes_m: Their extents, (N, 3) metres; NaN where only the place is known.
        relation: ON or IN.
        other: What they stand on or in.
        touch_m: How near an underside is to the top that it stands on.
    """
    if other.size_m is None:  # about there: nothing finer is known
        others_m, sizes_m = np.full(3, SURFACE_M), np.full_like(p_map, np.nan)
        top_map = other.p_map - [0.0, 0.0, SURFACE_M / 2]
    else:
        others_m, top_map = other.size_m, other.p_map
    if relation is Relation.IN:
        return _are_in(p_map, sizes_m, other.p_map, others_m)
    return _are_on(p_map, sizes_m, top_map, others_m, touch_m=touch_m)


def _are_in(p_map: Floats, sizes_m: Floats, other_map: Floats, others_m: Floats) -> Pairs:
    """Tell whose middle is in the box of what, that is much larger; what has no size is small."""
    is_larger = sizes_m.prod(axis=-1) > IN_VOLUME_RATIO * others_m.prod(axis=-1)
    is_within = (np.abs(p_map - other_map) <= others_m / 2).all(axis=-1)
    return np.asarray(~is_larger & is_within)


def _are_on(
    p_map: Floats, sizes_m: Floats, other_map: Floats, others_m: Floats, *, touch_m: float
) -> Pairs:
    """Tell whose middle is over what, with its underside at the top of that, and is not in it.

    Of a place alone the underside is not known, and one look is less sure than the mean of many: it is on what it is
    about over, and higher than the middle of.
    """
    is_measured = np.isfinite(sizes_m).all(axis=-1)
    slack_m = np.where(is_measured, 0.0, touch_m)[..., None]
    is_over = (np.abs(p_map - other_map)[..., :2] <= others_m[..., :2] / 2 + slack_m).all(axis=-1)
    feet_m = p_map[..., 2] - sizes_m[..., 2] / 2
    tops_m = other_map[..., 2] + others_m[..., 2] / 2
    is_touching = np.abs(feet_m - tops_m) <= touch_m
    is_touching &= ~_are_in(p_map, sizes_m, other_map, others_m)
    is_above = p_map[..., 2] >= other_map[..., 2]
    return np.asarray(is_over & np.where(is_measured, is_touching, is_above))

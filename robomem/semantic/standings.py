"""What stands on, in and near what: read off the boxes of things."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robomem.query import Relation
from robomem.types import Entity

IN_VOLUME_RATIO = 0.5  # of a thing to what it is in, at most

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
    is_in = is_other & _are_in(away_m, sizes_m)
    is_on = is_other & ~is_in & _are_on(places, away_m, sizes_m, touch_m)
    is_near = is_other & ~(is_in | is_in.T | is_on | is_on.T) & (gaps_m <= beside_m)
    return [
        Standing(things[i].entity_id, relation, things[j].entity_id, float(gaps_m[i, j]))
        for i in range(len(things))
        for relation, pairs in (
            (Relation.ON, is_on),
            (Relation.IN, is_in),
            (Relation.NEAR, is_near),
        )
        for j in np.flatnonzero(pairs[i])
    ]


def _are_in(away_m: NDArray[np.float64], sizes_m: NDArray[np.float64]) -> Pairs:
    """Tell whose middle is in the box of what, that is much larger."""
    volumes = sizes_m.prod(axis=1)
    is_smaller = volumes[:, None] <= IN_VOLUME_RATIO * volumes
    return np.asarray(is_smaller & (away_m <= sizes_m / 2).all(axis=2))


def _are_on(
    places: NDArray[np.float64],
    away_m: NDArray[np.float64],
    sizes_m: NDArray[np.float64],
    touch_m: float,
) -> Pairs:
    """Tell whose middle is over what, with its underside at the top of that."""
    feet_m, tops_m = places[:, 2] - sizes_m[:, 2] / 2, places[:, 2] + sizes_m[:, 2] / 2
    is_over = (away_m[:, :, :2] <= sizes_m[:, :2] / 2).all(axis=2)
    return np.asarray(is_over & (np.abs(feet_m[:, None] - tops_m) <= touch_m))

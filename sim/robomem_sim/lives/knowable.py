"""What a robot that was there could know of its things: what it saw, and what it looked for in vain.

A thing is known to be gone, and one that came to have come, by `SURE_LOOKS` looks at the place without it. Fewer
are a doubt, which is told as None: nobody is asked for that, and nothing that is said of it is wrong.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from robomem_sim.lives.home import Thing
from robomem_sim.lives.truth import Glimpse, Life, last_before

MOVED_M = 0.5  # two glimpses farther apart are of two places
SURE_LOOKS = 3  # one misses a thing that is there in a tenth, all three in a thousandth


def has_changed(life: Life, thing: Thing, *, since_ns: int, room: str | None) -> bool | None:
    """Tell whether a thing was noticed to have moved, come or gone since a moment, in one room or anywhere.

    A place that was not looked at before a thing was seen there may have held it all the time: that is no change.
    """
    glimpses = life.glimpses_of([thing.thing_id])
    before = last_before(glimpses, since_ns)
    since = [g for g in glimpses if g.stamp_ns > since_ns]
    moves = [pair for pair in pairwise([before, *since] if before else since) if not is_at(*pair)]
    if any(room is None or room in (a.room, b.room) for a, b in moves):
        return True
    told = []
    if before is None and since and room in (None, since[0].room):
        told.append(_is_new(life, since[0]))
    if glimpses and room in (None, glimpses[-1].room):
        told.append(_was_missed(life, glimpses[-1], since_ns=since_ns))
    return True if True in told else None if None in told else False


def is_known_here(life: Life, thing: Thing) -> bool | None:
    """Tell whether a thing was seen in the house, and not missed since."""
    last = life.last_glimpse(thing.thing_id)
    if last is None or is_missed(life, last):
        return False
    return None if len(_looks_in_vain(life, last)) else True


def is_missed(life: Life, last: Glimpse) -> bool:
    """Tell whether a thing is known not to be any more where it was seen last."""
    return len(_looks_in_vain(life, last)) >= SURE_LOOKS


def is_at(one: Glimpse, other: Glimpse) -> bool:
    """Tell whether two glimpses are of one place."""
    return float(np.linalg.norm(one.p_map - other.p_map)) <= MOVED_M


def _is_new(life: Life, first: Glimpse) -> bool | None:
    """Tell whether a place was known not to hold a thing before that came there."""
    came_ns = life.world.stay(first.thing_id, first.stamp_ns).since_ns
    looks = len(life.gazes.stamps(first.p_map, first.room, until_ns=came_ns))
    return True if looks >= SURE_LOOKS else None if looks else False


def _was_missed(life: Life, last: Glimpse, *, since_ns: int) -> bool | None:
    """Tell whether it became known after a moment that a thing is not any more where it was seen last."""
    is_after = _looks_in_vain(life, last)[:SURE_LOOKS] > since_ns
    if len(is_after) == SURE_LOOKS and is_after.all():
        return True
    return None if is_after.any() else False


def _looks_in_vain(life: Life, last: Glimpse) -> NDArray[np.int64]:
    """Return the stamps of the looks at the place where a thing was seen last, after it left."""
    left_ns = life.world.stay(last.thing_id, last.stamp_ns).until_ns
    return life.gazes.stamps(last.p_map, last.room, since_ns=left_ns, until_ns=life.end_ns + 1)

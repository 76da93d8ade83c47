"""What the robot perceived of what is said: does it agree, disagree, or is it silent?"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from robomem.claims import Statement
from robomem.config import GuardConfig
from robomem.geometry import transform
from robomem.guard.words import fold
from robomem.sentences.words import ROOMS
from robomem.store.records import Records
from robomem.store.rows import Array, EntityRow, EventRow
from robomem.types import SIGHTINGS, EntityState, Vector

RoomOf = Callable[[Vector], str | None]
LONG_AGO_NS = -(2**62)


class Stand(IntEnum):
    """How one thing that is known stands to another one that is said."""

    DISAGREES = -1
    SILENT = 0
    AGREES = 1


@dataclass(frozen=True, slots=True)
class Testimony:
    """What was perceived: how it stands to a statement, when that was, and the memories that tell."""

    stand: Stand
    stamp_ns: int = LONG_AGO_NS
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Sight:
    """Where an entity was seen last, by a certain time."""

    entity_id: int
    p_map: Vector
    stamp_ns: int
    is_present: bool


NOTHING = Testimony(Stand.SILENT)


class Witness:
    """Holds statements about places against the things of one memory; `room_of` names the room of a point."""

    def __init__(self, records: Records, config: GuardConfig, *, room_of: RoomOf) -> None:
        self._records = records
        self._near_m = config.near_m
        self._patience_ns = int(config.refute_s * 1e9)
        self._room_of = room_of

    def testify(
        self, statement: Statement, *, about_ns: int, since_ns: int = LONG_AGO_NS
    ) -> Testimony:
        """Return what was perceived of a statement.

        Args:
            statement: What is said.
            about_ns: For when: what was seen first after that says nothing of it.
            since_ns: Only what was seen since counts.
        """
        if statement.relation != "at":
            return NOTHING
        found = (self._sight(row, about_ns) for row in self.things(fold(statement.subject)))
        sights = [sight for sight in found if sight is not None]
        if all(sight.stamp_ns < since_ns for sight in sights):
            return NOTHING
        stands = [
            self._stand(statement, sight, about_ns) if sight.stamp_ns >= since_ns else Stand.SILENT
            for sight in sights
        ]
        stand = _joint(stands, is_negated=statement.is_negated)
        return Testimony(
            stand,
            max(sight.stamp_ns for sight in sights),
            tuple(f"entity:{sight.entity_id}" for sight in sights),
        )

    def noticed(self, *, since_ns: int) -> set[str]:
        """Return the words of the things that were seen, or missed, since a time."""
        rows = self._records.entities.select(
            "is_confirmed AND (last_seen_ns >= ? OR absent_ns >= ?)", since_ns, since_ns
        )
        return {word for row in rows for word in fold(row.label)}

    def things(self, words: tuple[str, ...]) -> list[EntityRow]:
        """Return the things believed in whose name has all the words."""
        if not words:
            return []
        pattern = "%" + max(words, key=len).replace("%", "").replace("_", "") + "%"
        rows = self._records.entities.select("is_confirmed AND label LIKE ?", pattern)
        return [row for row in rows if set(words) <= set(fold(row.label))]

    def _stand(self, statement: Statement, sight: _Sight, about_ns: int) -> Stand:
        """Return whether a thing is where it is said to be; a missing one may be anywhere but where it was.

        That it is gone shows after a while: it may have been put elsewhere, and not be found yet.
        """
        words = fold(statement.value)
        if not words and not sight.is_present:
            is_gone = about_ns - sight.stamp_ns >= self._patience_ns
            return Stand.DISAGREES if is_gone else Stand.SILENT
        is_there = self._is_at(words, sight, apart=fold(statement.subject)) if words else True
        if not sight.is_present:
            return Stand.DISAGREES if is_there else Stand.SILENT
        if is_there is None:
            return Stand.SILENT
        return Stand.AGREES if is_there else Stand.DISAGREES

    def _is_at(
        self, words: tuple[str, ...], sight: _Sight, *, apart: tuple[str, ...]
    ) -> bool | None:
        """Tell whether a point is at a place of this name: a room, a thing, or both; None: not known."""
        is_in_room = None
        if names_room(words):
            room = self._room_of(sight.p_map)
            if room is None:
                return None
            is_in_room = set(room_words(room)) <= set(words)
            if not is_in_room:
                return False
        anchors = [row for row in self._anchors(words) if not set(apart) <= set(fold(row.label))]
        if not anchors:
            return is_in_room
        away_m = min(float(np.linalg.norm((self._p_map(row) - sight.p_map)[:2])) for row in anchors)
        if away_m <= self._near_m:
            return True
        return False if away_m > 2 * self._near_m else None

    def _anchors(self, words: tuple[str, ...]) -> list[EntityRow]:
        """Return the present things that a place is named by: "kitchen table" is at every table."""
        found = {row.entity_id: row for word in words for row in self.things((word,))}
        return [
            row
            for row in found.values()
            if row.state is EntityState.PRESENT and set(fold(row.label)) <= set(words)
        ]

    def _sight(self, row: EntityRow, about_ns: int) -> _Sight | None:
        """Return where a thing was seen last by a time; None where it was not seen by then."""
        if row.first_seen_ns > about_ns:
            return None
        if row.last_seen_ns <= about_ns:
            return self._latest(row, about_ns)
        event = self._last_sighting(row, about_ns)
        if event is None or event.keyframe_id is None or event.p_kf is None:
            return None
        if event.until_ns >= row.last_seen_ns:  # the sighting went on, and still does
            return self._latest(row, about_ns)
        p_map = self._place(event.keyframe_id, event.p_kf)
        return _Sight(row.entity_id, p_map, min(event.until_ns, about_ns), is_present=True)

    def _latest(self, row: EntityRow, about_ns: int) -> _Sight:
        """Return where a thing was believed to be; the look that missed it counts as one at it."""
        is_present = row.missed_ns is None or row.missed_ns > about_ns
        stamp_ns = row.last_seen_ns if is_present else row.missed_ns
        assert stamp_ns is not None, "what is not present was missed at some time"
        return _Sight(row.entity_id, self._p_map(row), stamp_ns, is_present)

    def _last_sighting(self, row: EntityRow, about_ns: int) -> EventRow | None:
        marks = ", ".join("?" * len(SIGHTINGS))
        events = self._records.events.first(
            f"entity_id = ? AND stamp_ns <= ? AND kind IN ({marks})",
            row.entity_id,
            about_ns,
            *SIGHTINGS,
            order="until_ns DESC, event_id DESC",
            limit=1,
        )
        return next(iter(events), None)

    def _p_map(self, row: EntityRow) -> Vector:
        return self._place(row.keyframe_id, row.p_kf)

    def _place(self, keyframe_id: int, p_kf: Array) -> Vector:
        keyframe = self._records.keyframes.get(keyframe_id)
        assert keyframe is not None, "what is remembered hangs on a keyframe"
        return transform(keyframe.T_map_kf.reshape(4, 4), p_kf)


def names_room(words: tuple[str, ...]) -> bool:
    """Tell whether words name a room."""
    return not ROOMS.isdisjoint(words)


def room_words(name: str) -> tuple[str, ...]:
    """Return the words of a room without its number: people rarely say "bedroom 2"."""
    return tuple(word for word in fold(name) if not word.isdigit())


def _joint(stands: list[Stand], *, is_negated: bool) -> Stand:
    """Return what all things of a name say together: one that is there will do, all others must not be."""
    if Stand.AGREES in stands:
        return Stand.DISAGREES if is_negated else Stand.AGREES
    if Stand.SILENT in stands:
        return Stand.SILENT
    return Stand.AGREES if is_negated else Stand.DISAGREES

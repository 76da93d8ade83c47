"""Things believed in: born from sightings, confirmed, moved, missed, gone; two that are one, one that is two.

Whether a thing is there is a log-odds, as a voxel of the map has one: a sighting adds `log_odds_sighting`, a look
at its place without it subtracts as much of `log_odds_absent` as it is evidence (`semantic.absence`), and it stays
within `log_odds_max`. At 0 it is missing; an occluded thing is not looked at, and keeps what it has.

Everything is decided inside the caller's transaction; after a rollback, make a new tracker.
"""

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np

from robomem.config import SemanticConfig
from robomem.geometry import Pose, inverse, transform
from robomem.semantic.absence import (
    SEEN_THROUGH,
    Look,
    absence_evidence,
    is_in_view,
)
from robomem.semantic.association import NAME_SHARE, Candidate, associate, name_share
from robomem.semantic.identity import Recogniser
from robomem.semantic.joining import Joiner, called
from robomem.semantic.lifting import Sighting, distinct
from robomem.semantic.roster import Roster
from robomem.store.records import Records
from robomem.store.rows import EntityRow, SightingRow
from robomem.types import EntityState, Keyframe, Vector

# Embeddings taken of an entity at once; later ones once a keyframe, for they are much alike.
FIRST_LOOKS = 5


class NewsKind(StrEnum):
    """What became of an entity."""

    FOUND = "found"
    SIGHTED = "sighted"
    MOVED = "moved"
    MISSING = "missing"
    UNITED = "united"


@dataclass(frozen=True, slots=True, eq=False)
class News:
    """What one observation changed about one entity.

    `before` is the row of where it stood until it MOVED; `absorbed_id` the entity that turned out to
    be the same thing, found at the new place before the old one was seen to be empty, or made by drift.
    """

    kind: NewsKind
    row: EntityRow
    before: EntityRow | None = None
    absorbed_id: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Glance:
    """One observation as the tracker sees it; `look` is None without depth. `T_kf_map` is of the keyframe, (4, 4)."""

    stamp_ns: int
    keyframe: Keyframe
    sightings: list[Sighting]
    look: Look | None
    T_kf_map: Pose = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "T_kf_map", inverse(self.keyframe.T_map_kf))

    def hang(self, p_map: Vector) -> Vector:
        """Return a point (3,) of map in the keyframe."""
        return transform(self.T_kf_map, p_map)


class EntityTracker:
    """Keeps the entities of one memory.

    `keyframe_of` returns a keyframe by id; `is_known_free` tells whether the map, as it was before this
    observation, holds free space at a point.
    """

    def __init__(
        self,
        records: Records,
        config: SemanticConfig,
        *,
        keyframe_of: Callable[[int], Keyframe],
        is_known_free: Callable[[Vector], bool],
    ) -> None:
        self._records = records
        self._config = config
        self._keyframe_of = keyframe_of
        self._is_known_free = is_known_free
        self._roster = Roster(records, config, keyframe_of=keyframe_of)
        self._joiner = Joiner(records, self._roster, config, keyframe_of=keyframe_of)
        self._recogniser = Recogniser(records, self._roster, config)

    @property
    def embedding_dim(self) -> int | None:
        """How many numbers an embedding of a thing has, None before the first."""
        return self._roster.embedding_dim

    def update(self, glance: Glance) -> list[News]:
        """Take in one observation; returns what it changed, in a fixed order."""
        sightings = distinct(glance.sightings)
        near = self._roster.near([sighting.p_map for sighting in sightings])
        candidates = {i: self._roster.candidate(i) for i in near}
        matches = associate(sightings, list(candidates.values()), self._config)
        news: list[News] = []
        for index, sighting in enumerate(sightings):
            if index not in matches:
                self._give_birth(sighting, glance)
            elif self._is_in_reach(sighting, candidates[matches[index]]):
                news += self._sight(self._roster[matches[index]], sighting, glance)
        for entity_id in sorted(self._roster.tentative_ids):
            if self._roster[entity_id].last_seen_ns == glance.stamp_ns:
                news += self._confirm(self._roster[entity_id], glance)
        news += self._look_for_missing(glance, seen=set(matches.values()))
        self._drop_stale(glance.stamp_ns)
        return news

    def unite(self) -> list[News]:
        """Make one of things that stand together after a correction: drift had made them two.

        Two that one keyframe saw both stay two. Returns the older ones, as they are now.
        """
        news: list[News] = []
        for _, a_id, b_id in sorted(self._near_pairs()):
            if a_id not in self._roster or b_id not in self._roster:
                continue
            if self._seen_by(a_id).isdisjoint(self._seen_by(b_id)):
                news.append(self._unite(self._roster[a_id], self._roster[b_id]))
        return news

    def _near_pairs(self) -> Iterator[tuple[float, int, int]]:
        """Yield how far apart two things of one name are that are there, where that may be one place, and their ids."""
        for row in self._roster:
            if not row.is_confirmed or row.state is not EntityState.PRESENT:
                continue
            p_map = self._roster.place(row.entity_id)
            for other in map(self._roster.__getitem__, self._roster.near([p_map])):
                if other.entity_id >= row.entity_id or other.label != row.label:
                    continue
                away_m = math.dist(p_map, self._roster.place(other.entity_id))
                is_there = other.is_confirmed and other.state is EntityState.PRESENT
                if is_there and away_m <= self._config.gate_m:
                    yield away_m, row.entity_id, other.entity_id

    def stay(self, entity_id: int) -> None:
        """Take back that a thing moved: what was seen of it near where it is counts again."""
        if entity_id in self._roster:
            self._joiner.stay(entity_id)

    def _seen_by(self, entity_id: int) -> set[int]:
        sightings = self._records.sightings.select("entity_id = ?", entity_id)
        return {sighting.keyframe_id for sighting in sightings}

    def _is_in_reach(self, sighting: Sighting, candidate: Candidate) -> bool:
        """Tell whether a sighting may still be of a candidate, which may have become one with another one by now."""
        if candidate.entity_id not in self._roster:
            return False
        p_map = self._roster.place(candidate.entity_id)
        return math.dist(p_map, sighting.p_map) <= candidate.reach_m

    def _sight(self, row: EntityRow, sighting: Sighting, glance: Glance) -> list[News]:
        """Fuse a sighting into its entity: position and size are means over the last sightings."""
        config, entity_id = self._config, row.entity_id
        if not row.is_confirmed and self._recogniser.was_missed_between(row, glance.stamp_ns):
            row = _begun_anew(row, glance.stamp_ns)
        p_map = self._roster.place(entity_id)
        astray, averaged = row.astray + 1, row.averaged
        if math.dist(p_map, sighting.p_map) <= _slack(row, config.shift_m):
            astray = 0
        elif astray >= config.confirm_sightings:
            self._joiner.leave_place(entity_id)
            astray = averaged = 0
        n = min(averaged + 1, config.average_sightings)
        p_map = p_map + (sighting.p_map - p_map) / n
        existence = min(row.existence + config.log_odds_sighting, config.log_odds_max)
        is_here = existence > 0
        is_its_name = name_share(self._roster.votes(entity_id), sighting.label) >= NAME_SHARE
        fused = replace(
            called(row, {sighting.label: 1}),
            state=EntityState.PRESENT if is_here else row.state,
            keyframe_id=glance.keyframe.keyframe_id,
            p_kf=glance.hang(p_map),
            size_m=_mean_size(row.size_m, sighting.size_m, n),
            last_seen_ns=max(row.last_seen_ns, glance.stamp_ns),
            missed_ns=None if is_here else row.missed_ns,
            sightings=row.sightings + 1,
            averaged=averaged + 1,
            astray=astray,
            misnamed=0 if is_its_name else row.misnamed + 1,
            score_sum=row.score_sum + sighting.score,
            existence=existence,
            seen_range_m=max(row.seen_range_m, sighting.range_m),
        )
        self._note(entity_id, sighting, glance)
        self._roster.save(fused, p_map)
        if not row.is_confirmed:
            return []
        if fused.keyframe_id != row.keyframe_id:  # now and then
            for other in self._joiner.bodies_at(fused):
                if self._joiner.is_twin(fused, other):
                    return [self._unite(fused, other)]
        return [News(NewsKind.SIGHTED, fused)]

    def _give_birth(self, sighting: Sighting, glance: Glance) -> None:
        row = EntityRow(
            entity_id=self._records.next_id("entity"),
            label=sighting.label,
            labels=json.dumps({sighting.label: 1}),
            state=EntityState.PRESENT,
            is_confirmed=False,
            is_novel=self._is_known_free(sighting.p_map),
            keyframe_id=glance.keyframe.keyframe_id,
            p_kf=glance.hang(sighting.p_map),
            size_m=sighting.size_m,
            first_seen_ns=glance.stamp_ns,
            last_seen_ns=glance.stamp_ns,
            absent_ns=None,
            missed_ns=None,
            sightings=1,
            averaged=1,
            astray=0,
            misnamed=0,
            score_sum=sighting.score,
            existence=self._config.log_odds_sighting,
            seen_range_m=sighting.range_m,
            split_from=None,
        )
        self._note(row.entity_id, sighting, glance)
        self._roster.save(row, sighting.p_map)

    def _confirm(self, row: EntityRow, glance: Glance) -> list[News]:
        """Believe in a thing sighted often enough: it is new, or one that was missed, or was a part of another."""
        known = self._recogniser.known_as(row)
        is_known = known is not None and not self._is_expected(known, glance)
        if row.sightings < self._config.confirm_sightings and not is_known:
            return []
        there = self._joiner.bodies_at(row)
        twins = [other for other in there if self._joiner.is_twin(row, other)]
        if twins:
            return [self._unite(twins[0], row)]
        row = replace(row, is_confirmed=True)
        self._save(row)
        news = [self._moved_or_found(row, known if is_known else None, glance.stamp_ns)]
        for other in there:  # where this one stands now, that one does not
            if other.entity_id in self._roster:  # not one with another one by now
                other = self._roster[other.entity_id]
                news += self._miss(other, SEEN_THROUGH, stamp_ns=glance.stamp_ns, is_sure=True)
        return news

    def _is_expected(self, row: EntityRow, glance: Glance) -> bool:
        """Tell whether a look should show a thing where it is: only another one can be elsewhere."""
        if row.state is not EntityState.PRESENT:
            return False
        if row.last_seen_ns == glance.stamp_ns or glance.look is None:
            return True
        p_map = self._roster.place(row.entity_id)
        away_m = math.dist(p_map, glance.look.T_map_cam[:3, 3])
        return away_m <= row.seen_range_m and bool(is_in_view(glance.look, p_map[None])[0])

    def _moved_or_found(self, row: EntityRow, known: EntityRow | None, stamp_ns: int) -> News:
        """Tell whether a thing that was found was missed elsewhere, or came while one that looks so was out of view."""
        old = self._recogniser.missed_as(row)
        if old is None and known is not None and self._recogniser.has_come(row, known):
            old = known
        if old is not None:
            return self._merge(old, row, stamp_ns=stamp_ns)
        return News(NewsKind.FOUND, self._joiner.split_off(row))

    def _look_for_missing(self, glance: Glance, *, seen: set[int]) -> list[News]:
        """Weigh what the look says against the things that should be in view, and were not detected."""
        if glance.look is None:
            return []
        in_view = self._roster.ids[is_in_view(glance.look, self._roster.places)]
        expected = [
            row
            for row in map(self._roster.__getitem__, sorted(in_view.tolist()))
            if row.entity_id not in seen and row.last_seen_ns < glance.stamp_ns
        ]
        if not expected:
            return []
        unknown = np.full(3, np.nan)
        evidence = absence_evidence(
            glance.look,
            np.array([self._roster.place(row.entity_id) for row in expected]),
            sizes_m=np.array([unknown if r.size_m is None else r.size_m for r in expected]),
            seen_ranges_m=np.array([row.seen_range_m for row in expected]),
            see_through_m=self._config.see_through_m,
            see_through_per_m2=self._config.see_through_per_m2,
        )
        news: list[News] = []
        for row, against in zip(expected, evidence.tolist(), strict=True):
            if against and row.entity_id in self._roster:  # not one with another one by now
                news += self._miss(row, against, stamp_ns=glance.stamp_ns)
        return news

    def _miss(
        self, row: EntityRow, against: float, *, stamp_ns: int, is_sure: bool = False
    ) -> list[News]:
        """Believe less in a thing that a look did not find, or no longer in one that cannot be there."""
        config = self._config
        existence = 0.0 if is_sure else row.existence + against * config.log_odds_absent
        row = replace(row, existence=max(existence, -config.log_odds_max))
        if existence > 0:
            self._save(row)
        elif not row.is_confirmed:
            self._roster.drop(row.entity_id)
        elif row.state is EntityState.PRESENT:
            row = replace(row, state=EntityState.MISSING, missed_ns=stamp_ns, absent_ns=stamp_ns)
            self._save(row)
            return [self._moved_or_missing(row, stamp_ns)]
        else:
            missed_ns = stamp_ns if row.missed_ns is None else row.missed_ns
            is_gone = stamp_ns - missed_ns >= config.gone_after_s * 1e9
            state = EntityState.GONE if is_gone else row.state
            self._save(replace(row, state=state, absent_ns=stamp_ns))
        return []

    def _moved_or_missing(self, row: EntityRow, stamp_ns: int) -> News:
        """Tell whether a thing that is missing was found elsewhere since."""
        new = self._recogniser.found_as(row)
        if new is None:
            return News(NewsKind.MISSING, row)
        return self._merge(row, new, stamp_ns=stamp_ns)

    def _merge(self, old: EntityRow, new: EntityRow, *, stamp_ns: int) -> News:
        row = self._joiner.merge(old, new, stamp_ns=stamp_ns)
        moved = replace(row, first_seen_ns=new.first_seen_ns)
        return News(NewsKind.MOVED, moved, old, new.entity_id)

    def _unite(self, a: EntityRow, b: EntityRow) -> News:
        row, absorbed_id = self._joiner.unite(a, b)
        return News(NewsKind.UNITED, row, absorbed_id=absorbed_id)

    def _drop_stale(self, stamp_ns: int) -> None:
        oldest_ns = stamp_ns - self._config.tentative_s * 1e9
        for entity_id in sorted(self._roster.tentative_ids):
            if self._roster[entity_id].last_seen_ns < oldest_ns:
                self._roster.drop(entity_id)

    def _save(self, row: EntityRow) -> None:
        """Write down an entity that is where it was."""
        self._roster.save(row, self._roster.place(row.entity_id))

    def _note(self, entity_id: int, sighting: Sighting, glance: Glance) -> None:
        """Add a sighting to what its keyframe saw of the thing, and now and then a look at it."""
        p_kf, keyframe_id = glance.hang(sighting.p_map), glance.keyframe.keyframe_id
        row = self._records.sightings.get(entity_id, keyframe_id)
        is_first = row is None
        if row is None or row.count < 0:
            row = SightingRow(entity_id, keyframe_id, p_kf, 1)
        else:
            count = row.count + 1
            row = replace(row, p_kf=row.p_kf + (p_kf - row.p_kf) / count, count=count)
        self._records.sightings.save(row)
        if sighting.embedding is not None and (
            is_first or self._roster.looks(entity_id) < FIRST_LOOKS
        ):
            self._roster.look_at(entity_id, sighting.embedding)


def _begun_anew(row: EntityRow, stamp_ns: int) -> EntityRow:
    """Return what was not believed in, and not there between, as if it was never sighted before."""
    return replace(
        row, first_seen_ns=stamp_ns, sightings=0, averaged=0, score_sum=0.0, existence=0.0
    )


def _slack(row: EntityRow, shift_m: float) -> float:
    """Return how far from its place a thing may be sighted that has not moved: one may see an end of it only."""
    return shift_m if row.size_m is None else max(shift_m, float(row.size_m.max()) / 2)


def _mean_size(old: Vector | None, new: Vector | None, n: int) -> Vector | None:
    if old is None or new is None:
        return old if new is None else new
    return np.asarray(old + (new - old) / n)

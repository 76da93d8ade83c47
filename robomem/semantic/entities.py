"""Things believed in: born from sightings, confirmed, moved, missed. The rows are the state.

Everything is decided inside the caller's transaction; after a rollback, make a new tracker.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from robomem.config import SemanticConfig
from robomem.geometry import inverse, transform
from robomem.semantic.absence import Look, absence_evidence, is_in_view
from robomem.semantic.association import Candidate, associate
from robomem.semantic.lifting import Sighting
from robomem.store.records import Records
from robomem.store.rows import EntityRow, SightingRow
from robomem.store.sightings import running_mean
from robomem.types import EntityState, Keyframe, Vector


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
    """One observation as the tracker sees it; `look` is None without depth."""

    stamp_ns: int
    keyframe: Keyframe
    sightings: list[Sighting]
    look: Look | None


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
        self._rows = {row.entity_id: row for row in records.entities.select()}
        self._p_map = {row.entity_id: self._place(row) for row in self._rows.values()}

    def update(self, glance: Glance) -> list[News]:
        """Take in one observation; returns what it changed, in a fixed order."""
        news: list[News] = []
        matches = associate(glance.sightings, self._candidates(), gate_m=self._config.gate_m)
        for index, sighting in enumerate(glance.sightings):
            if index in matches:
                news += self._sight(self._rows[matches[index]], sighting, glance)
            else:
                news += self._give_birth(sighting, glance)
        news += self._look_for_missing(glance, seen=set(matches.values()))
        self._drop_stale(glance.stamp_ns)
        return news

    def unite(self) -> list[News]:
        """Make one of things that stand together after a correction: drift had made them two.

        Two that one keyframe saw both stay two. Returns the older ones, as they are now.
        """
        present = [
            row
            for row in self._rows.values()
            if row.is_confirmed and row.state is EntityState.PRESENT
        ]
        near = sorted(
            (float(np.linalg.norm(self._p_map[a.entity_id] - self._p_map[b.entity_id])), i, j)
            for i, a in enumerate(present)
            for j, b in enumerate(present[:i])
            if a.label == b.label
        )
        news: list[News] = []
        for distance_m, i, j in near:
            a, b = (self._rows.get(present[k].entity_id) for k in (i, j))
            if a is None or b is None or distance_m > self._config.gate_m:
                continue
            if self._seen_by(a).isdisjoint(self._seen_by(b)):
                news.append(
                    self._unite(*sorted((a, b), key=lambda r: (r.first_seen_ns, r.entity_id)))
                )
        return news

    def stay(self, entity_id: int) -> None:
        """Take back that a thing moved: what was seen of it near where it is counts again."""
        row = self._rows.get(entity_id)
        if row is None:
            return
        for sighting in self._records.sightings.select("entity_id = ? AND count < 0", entity_id):
            T_map_kf = self._keyframe_of(sighting.keyframe_id).T_map_kf
            away_m = np.linalg.norm(transform(T_map_kf, sighting.p_kf) - self._p_map[entity_id])
            if away_m <= self._config.gate_m:
                self._records.sightings.save(replace(sighting, count=-sighting.count))
        self._save(
            replace(
                row, p_kf=_hang(self._mean_place(entity_id), self._keyframe_of(row.keyframe_id))
            )
        )

    def _seen_by(self, row: EntityRow) -> set[int]:
        sightings = self._records.sightings.select("entity_id = ?", row.entity_id)
        return {sighting.keyframe_id for sighting in sightings}

    def _unite(self, old: EntityRow, new: EntityRow) -> News:
        """Make one of two: the old one's name, the history of both."""
        last = max(old, new, key=lambda row: row.last_seen_ns)
        for sighting in self._records.sightings.select("entity_id = ?", new.entity_id):
            self._records.sightings.save(replace(sighting, entity_id=old.entity_id))
        self._drop(new.entity_id)
        row = replace(
            last,
            entity_id=old.entity_id,
            p_kf=_hang(self._mean_place(old.entity_id), self._keyframe_of(last.keyframe_id)),
            is_novel=old.is_novel,
            first_seen_ns=old.first_seen_ns,
            sightings=old.sightings + new.sightings,
            score_sum=old.score_sum + new.score_sum,
            seen_range_m=max(old.seen_range_m, new.seen_range_m),
        )
        self._save(row)
        return News(NewsKind.UNITED, row, absorbed_id=new.entity_id)

    def _candidates(self) -> list[Candidate]:
        return [
            Candidate(row.entity_id, row.label, self._p_map[row.entity_id], row.size_m)
            for row in self._rows.values()
        ]

    def _sight(self, row: EntityRow, sighting: Sighting, glance: Glance) -> list[News]:
        """Fuse a sighting into its entity: position and size are means over the last sightings."""
        n = min(row.sightings + 1, self._config.average_sightings)
        p_map = self._p_map[row.entity_id]
        fused = replace(
            row,
            state=EntityState.PRESENT,
            keyframe_id=glance.keyframe.keyframe_id,
            p_kf=_hang(p_map + (sighting.p_map - p_map) / n, glance.keyframe),
            size_m=_mean_size(row.size_m, sighting.size_m, n),
            last_seen_ns=max(row.last_seen_ns, glance.stamp_ns),
            sightings=row.sightings + 1,
            score_sum=row.score_sum + sighting.score,
            looks=0.0,
            seen_range_m=max(row.seen_range_m, sighting.range_m),
        )
        self._note(row.entity_id, sighting, glance.keyframe)
        if row.is_confirmed:
            self._save(fused)
            return [News(NewsKind.SIGHTED, fused)]
        return self._confirm(fused)

    def _give_birth(self, sighting: Sighting, glance: Glance) -> list[News]:
        row = EntityRow(
            entity_id=self._records.next_id("entity"),
            label=sighting.label,
            state=EntityState.PRESENT,
            is_confirmed=False,
            is_novel=self._is_known_free(sighting.p_map),
            keyframe_id=glance.keyframe.keyframe_id,
            p_kf=_hang(sighting.p_map, glance.keyframe),
            size_m=sighting.size_m,
            first_seen_ns=glance.stamp_ns,
            last_seen_ns=glance.stamp_ns,
            sightings=1,
            score_sum=sighting.score,
            looks=0.0,
            seen_range_m=sighting.range_m,
        )
        self._note(row.entity_id, sighting, glance.keyframe)
        return self._confirm(row)

    def _confirm(self, row: EntityRow) -> list[News]:
        """Believe in a thing sighted often enough: it is new, or one that was missed elsewhere."""
        if row.sightings < self._config.confirm_sightings:
            self._save(row)
            return []
        row = replace(row, is_confirmed=True)
        missed = [r for r in self._others(row) if r.state is EntityState.MISSING]
        if missed:
            self._save(row)  # its sightings move to the one it is
            return [self._merge(max(missed, key=lambda r: (r.last_seen_ns, r.entity_id)), row)]
        self._save(row)
        return [News(NewsKind.FOUND, row)]

    def _look_for_missing(self, glance: Glance, *, seen: set[int]) -> list[News]:
        if glance.look is None:
            return []
        expected = [
            row
            for row in self._rows.values()
            if row.state is EntityState.PRESENT and row.entity_id not in seen
            if row.last_seen_ns < glance.stamp_ns
        ]
        if not expected:
            return []
        p_map = np.array([self._p_map[row.entity_id] for row in expected])
        news: list[News] = []
        for row, is_looked_at in zip(expected, is_in_view(glance.look, p_map), strict=True):
            if is_looked_at and row.entity_id in self._rows:  # not merged by now
                news += self._look_for(row, glance.look)
        return news

    def _look_for(self, row: EntityRow, look: Look) -> list[News]:
        evidence = absence_evidence(
            look,
            self._p_map[row.entity_id],
            size_m=row.size_m,
            seen_range_m=row.seen_range_m,
            see_through_m=self._config.see_through_m,
        )
        if not evidence:
            return []
        row = replace(row, looks=row.looks + evidence)
        if row.looks < self._config.missing_looks:
            self._save(row)
            return []
        if not row.is_confirmed:
            self._drop(row.entity_id)
            return []
        row = replace(row, state=EntityState.MISSING)
        self._save(row)
        found = [r for r in self._others(row) if r.first_seen_ns > row.last_seen_ns and r.is_novel]
        if found:
            return [self._merge(row, min(found, key=lambda r: (r.first_seen_ns, r.entity_id)))]
        return [News(NewsKind.MISSING, row)]

    def _others(self, row: EntityRow) -> Iterable[EntityRow]:
        """Return the confirmed entities of the same label."""
        return [
            r
            for r in self._rows.values()
            if r.is_confirmed and r.label == row.label and r.entity_id != row.entity_id
        ]

    def _merge(self, old: EntityRow, new: EntityRow) -> News:
        """Make one of two: the old one's name and history, the new one's place."""
        row = replace(
            new,
            entity_id=old.entity_id,
            is_novel=old.is_novel,
            first_seen_ns=old.first_seen_ns,
            sightings=old.sightings + new.sightings,
            score_sum=old.score_sum + new.score_sum,
        )
        sightings = self._records.sightings
        for elsewhere in sightings.select("entity_id = ?", old.entity_id):
            sightings.save(replace(elsewhere, count=-abs(elsewhere.count)))
        for sighting in sightings.select("entity_id = ?", new.entity_id):
            sightings.save(replace(sighting, entity_id=old.entity_id))
        self._drop(new.entity_id)
        self._save(row)
        return News(
            NewsKind.MOVED, replace(row, first_seen_ns=new.first_seen_ns), old, new.entity_id
        )

    def _drop_stale(self, stamp_ns: int) -> None:
        oldest_ns = stamp_ns - self._config.tentative_s * 1e9
        for row in list(self._rows.values()):
            if not row.is_confirmed and row.last_seen_ns < oldest_ns:
                self._drop(row.entity_id)

    def _save(self, row: EntityRow) -> None:
        self._rows[row.entity_id] = row
        self._p_map[row.entity_id] = self._place(row)
        self._records.entities.save(row)

    def _note(self, entity_id: int, sighting: Sighting, keyframe: Keyframe) -> None:
        """Add a sighting to what its keyframe saw of the thing."""
        p_kf = _hang(sighting.p_map, keyframe)
        row = self._records.sightings.get(entity_id, keyframe.keyframe_id)
        if row is None or row.count < 0:
            row = SightingRow(entity_id, keyframe.keyframe_id, p_kf, 1)
        else:
            count = row.count + 1
            row = replace(row, p_kf=row.p_kf + (p_kf - row.p_kf) / count, count=count)
        self._records.sightings.save(row)

    def _drop(self, entity_id: int) -> None:
        del self._rows[entity_id], self._p_map[entity_id]
        self._records.entities.delete("entity_id = ?", entity_id)
        self._records.sightings.delete("entity_id = ?", entity_id)

    def _mean_place(self, entity_id: int) -> Vector:
        return running_mean(
            self._records.sightings.select("entity_id = ?", entity_id),
            pose_of=lambda keyframe_id: self._keyframe_of(keyframe_id).T_map_kf,
            window=self._config.average_sightings,
        )

    def _place(self, row: EntityRow) -> Vector:
        return transform(self._keyframe_of(row.keyframe_id).T_map_kf, row.p_kf)


def _hang(p_map: Vector, keyframe: Keyframe) -> Vector:
    return transform(inverse(keyframe.T_map_kf), p_map)


def _mean_size(old: Vector | None, new: Vector | None, n: int) -> Vector | None:
    if old is None or new is None:
        return old if new is None else new
    return np.asarray(old + (new - old) / n)

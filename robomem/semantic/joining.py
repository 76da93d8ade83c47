"""Two entities that are one thing become one, and one that is two becomes two; no history is lost by it."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import replace

from robomem.config import SemanticConfig
from robomem.geometry import inverse, transform
from robomem.semantic.association import NAME_SHARE, name_share, similarity
from robomem.semantic.lifting import is_same_body
from robomem.semantic.roster import Roster
from robomem.store.records import Records
from robomem.store.rows import EntityRow, SightingRow
from robomem.store.sightings import running_mean
from robomem.types import EntityState, Keyframe, Vector


class Joiner:
    """Joins and parts the entities of a roster; `keyframe_of` returns a keyframe by id."""

    def __init__(
        self,
        records: Records,
        roster: Roster,
        config: SemanticConfig,
        *,
        keyframe_of: Callable[[int], Keyframe],
    ) -> None:
        self._records, self._roster, self._config = records, roster, config
        self._keyframe_of = keyframe_of

    def merge(self, old: EntityRow, new: EntityRow, *, stamp_ns: int) -> EntityRow:
        """Make one of a thing where it was and where it is: the old one's name and history, the new one's place."""
        self.leave_place(old.entity_id)
        p_map = self._roster.place(new.entity_id)
        self._roster.absorb(old.entity_id, new, stamp_ns=stamp_ns)
        row = _joined(old, new, last=new)
        self._roster.save(row, p_map)
        return row

    def unite(self, a: EntityRow, b: EntityRow) -> tuple[EntityRow, int]:
        """Make one of two at one place: the name of the older, the history of both; returns the other's id, too."""
        old, new = sorted((a, b), key=lambda r: (not r.is_confirmed, r.first_seen_ns, r.entity_id))
        last = max(old, new, key=lambda row: row.last_seen_ns)
        self._roster.absorb(old.entity_id, new, stamp_ns=last.last_seen_ns)
        p_map = self._mean_place(old.entity_id)
        row = replace(
            _joined(old, new, last=last),
            p_kf=_hang(p_map, self._keyframe_of(last.keyframe_id)),
            averaged=old.averaged + new.averaged,
        )
        self._roster.save(row, p_map)
        return row, new.entity_id

    def split_off(self, part: EntityRow) -> EntityRow:
        """Give a new thing what was seen of it while it was taken for the one beside it, and return it."""
        p_map = self._roster.place(part.entity_id)
        for other_id in self._roster.near([p_map]):
            whole = self._roster[other_id]
            if whole.is_confirmed and whole.label == part.label and other_id != part.entity_id:
                taken = self._nearer_sightings(p_map, whole)
                if taken:
                    return self._split(whole, part, taken)
        return part

    def bodies_at(self, row: EntityRow) -> list[EntityRow]:
        """Return the other entities, believed to be there, that have the place and the size of one."""
        p_map = self._roster.place(row.entity_id)
        others = [self._roster[i] for i in self._roster.near([p_map]) if i != row.entity_id]
        return [
            other
            for other in others
            if other.is_confirmed and other.state is EntityState.PRESENT
            if is_same_body(p_map, row.size_m, self._roster.place(other.entity_id), other.size_m)
        ]

    def is_twin(self, row: EntityRow, other: EntityRow) -> bool:
        """Tell whether two entities at one place are one by their looks, or else by their names."""
        ids = row.entity_id, other.entity_id
        cosine = similarity(*map(self._roster.embedding, ids))
        if cosine is not None:
            return cosine >= self._config.similarity
        votes = map(self._roster.votes, ids)
        return any(
            name_share(counts, label) >= NAME_SHARE
            for counts, label in zip(votes, (other.label, row.label), strict=True)
        )

    def leave_place(self, entity_id: int) -> None:
        """Say that an entity is no longer where it was seen."""
        for sighting in self._records.sightings.select("entity_id = ? AND count > 0", entity_id):
            self._records.sightings.save(replace(sighting, count=-sighting.count))

    def stay(self, entity_id: int) -> None:
        """Take back that a thing moved: what was seen of it near where it is counts again."""
        row, p_map = self._roster[entity_id], self._roster.place(entity_id)
        for sighting in self._records.sightings.select("entity_id = ? AND count < 0", entity_id):
            if math.dist(self._place_of(sighting), p_map) <= self._config.gate_m:
                self._records.sightings.save(replace(sighting, count=-sighting.count))
        self._stand_at_mean(row)

    def _split(self, whole: EntityRow, part: EntityRow, taken: list[SightingRow]) -> EntityRow:
        sightings = self._records.sightings
        for sighting in taken:
            if sightings.get(part.entity_id, sighting.keyframe_id) is None:
                sightings.save(replace(sighting, entity_id=part.entity_id))
            sightings.delete(
                "entity_id = ? AND keyframe_id = ?", whole.entity_id, sighting.keyframe_id
            )
        count = min(sum(sighting.count for sighting in taken), whole.sightings - 1)
        score_sum = whole.score_sum * count / whole.sightings
        first = self._keyframe_of(min(sighting.keyframe_id for sighting in taken))
        self._stand_at_mean(
            replace(
                whole,
                sightings=whole.sightings - count,
                averaged=max(whole.averaged - count, 1),
                score_sum=whole.score_sum - score_sum,
            )
        )
        return self._stand_at_mean(
            replace(
                part,
                is_novel=False,
                first_seen_ns=max(first.stamp_ns, whole.first_seen_ns),
                sightings=part.sightings + count,
                averaged=part.averaged + count,
                score_sum=part.score_sum + score_sum,
                split_from=whole.entity_id,
            )
        )

    def _nearer_sightings(self, p_map: Vector, row: EntityRow) -> list[SightingRow]:
        """Return what was seen of an entity nearer to another place (3,) in map than to its own."""
        own = self._roster.place(row.entity_id)
        return [
            sighting
            for sighting in self._records.sightings.select(
                "entity_id = ? AND count > 0", row.entity_id
            )
            if math.dist(p := self._place_of(sighting), p_map)
            < min(math.dist(p, own), self._config.shift_m)
        ]

    def _stand_at_mean(self, row: EntityRow) -> EntityRow:
        """Put an entity where its sightings are."""
        p_map = self._mean_place(row.entity_id)
        row = replace(row, p_kf=_hang(p_map, self._keyframe_of(row.keyframe_id)))
        self._roster.save(row, p_map)
        return row

    def _mean_place(self, entity_id: int) -> Vector:
        """Return the mean (3,) in map of the sightings at its place; where it is when there are none."""
        rows = self._records.sightings.select("entity_id = ? AND count > 0", entity_id)
        if not rows:
            return self._roster.place(entity_id)
        return running_mean(
            rows,
            pose_of=lambda keyframe_id: self._keyframe_of(keyframe_id).T_map_kf,
            window=self._config.average_sightings,
        )

    def _place_of(self, sighting: SightingRow) -> Vector:
        return transform(self._keyframe_of(sighting.keyframe_id).T_map_kf, sighting.p_kf)


def _hang(p_map: Vector, keyframe: Keyframe) -> Vector:
    """Return a point (3,) of map in a keyframe."""
    return transform(inverse(keyframe.T_map_kf), p_map)


def called(row: EntityRow, votes: Mapping[str, int]) -> EntityRow:
    """Return an entity that was called some names so many times more."""
    counts: dict[str, int] = json.loads(row.labels)
    for label, count in votes.items():
        counts[label] = counts.get(label, 0) + count
    most = max(counts.values())
    label = (
        row.label if counts.get(row.label) == most else min(k for k in counts if counts[k] == most)
    )
    return replace(row, label=label, labels=json.dumps(counts, sort_keys=True))


def _joined(old: EntityRow, new: EntityRow, *, last: EntityRow) -> EntityRow:
    """Return one entity of two: the old one's name, the history of both, and the place of the last seen."""
    named = called(old, new.votes())
    return replace(
        last,
        entity_id=old.entity_id,
        label=named.label,
        labels=named.labels,
        is_confirmed=old.is_confirmed or new.is_confirmed,
        is_novel=old.is_novel,
        first_seen_ns=min(old.first_seen_ns, new.first_seen_ns),
        sightings=old.sightings + new.sightings,
        score_sum=old.score_sum + new.score_sum,
        seen_range_m=max(old.seen_range_m, new.seen_range_m),
        split_from=old.split_from,
    )

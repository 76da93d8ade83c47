"""The rows that belong to a thing beside its own: what it looks like, and what became of those that are no more."""

from dataclasses import dataclass

from robomem.geometry import Pose, transform
from robomem.store.rows import Array, EntityRow
from robomem.types import Entity


@dataclass(frozen=True, slots=True, eq=False)
class AppearanceRow:
    """What a thing looks like: the mean of `looks` embeddings, (D,) float32 at unit length."""

    entity_id: int
    looks: int
    embedding: bytes


@dataclass(frozen=True, slots=True, eq=False)
class TombstoneRow:
    """A thing that turned out to be another one, as it was last: who asks for it is led there.

    Attributes:
        entity_id: What it was called.
        into_id: What it is.
        stamp_ns: When that was noticed.
        p_kf: Where it was in its keyframe, (3,) metres.
    """

    entity_id: int
    into_id: int
    stamp_ns: int
    label: str
    keyframe_id: int
    p_kf: Array
    first_seen_ns: int
    last_seen_ns: int


def entity_of(row: EntityRow, T_map_kf: Pose) -> Entity:
    """Return the thing that a row holds, with the pose (4, 4) of its keyframe."""
    return Entity(
        entity_id=row.entity_id,
        label=row.label,
        state=row.state,
        keyframe_id=row.keyframe_id,
        p_kf=row.p_kf,
        p_map=transform(T_map_kf, row.p_kf),
        size_m=row.size_m,
        first_seen_ns=row.first_seen_ns,
        last_seen_ns=row.last_seen_ns,
        sightings=row.sightings,
        confidence=row.score_sum / row.sightings * (1 - 0.5**row.sightings),
        existence=row.existence,
        absent_ns=row.absent_ns,
        labels=tuple(row.votes().items()),
        split_from=row.split_from,
    )

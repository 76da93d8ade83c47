"""Which sighting is of which entity: gated on label and distance, nearest first, one to one."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from robomem.semantic.lifting import Sighting
from robomem.types import Vector


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """An entity as association sees it: `p_map` (3,) and `size_m` (3,) metres."""

    entity_id: int
    label: str
    p_map: Vector
    size_m: Vector | None


def associate(
    sightings: Sequence[Sighting], candidates: Collection[Candidate], *, gate_m: float
) -> dict[int, int]:
    """Return the entity id of every sighting, by its index, that lies in the gate of one.

    The gate widens to half the extent of a large thing, of which a camera sees one end at a time.
    """
    by_label: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        by_label.setdefault(candidate.label, []).append(candidate)
    pairs = []
    for index, sighting in enumerate(sightings):
        for candidate in by_label.get(sighting.label, ()):
            distance_m = float(np.linalg.norm(sighting.p_map - candidate.p_map))
            if distance_m <= _gate(candidate, gate_m):
                pairs.append((distance_m, index, candidate.entity_id))
    matches: dict[int, int] = {}
    taken: set[int] = set()
    for _, index, entity_id in sorted(pairs):
        if index not in matches and entity_id not in taken:
            matches[index] = entity_id
            taken.add(entity_id)
    return matches


def _gate(candidate: Candidate, gate_m: float) -> float:
    if candidate.size_m is None:
        return gate_m
    return max(gate_m, float(candidate.size_m.max()) / 2)

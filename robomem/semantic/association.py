"""Which sighting is of which entity: gated on place, weighed by place, name and looks, one to one at the least cost."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robomem.config import SemanticConfig
from robomem.semantic.assignment import NONE, assign
from robomem.semantic.lifting import Sighting, is_alike
from robomem.types import Vector

# Costs are negative log-likelihoods. Of a normal distribution of which the gate is five standard deviations:
GATE_COST = 12.5
# A name that the entity has by this part of its sightings may be its name;
NAME_SHARE = 0.25
# any other is a mistake of the detector, which makes so many:
CONFUSION = 0.02
# and where it does, the place must be right: two things of one size are not nearer to each other.
CONFUSED_GATE_M = 0.1
MISNAMED = 8  # so many times in a row, it is no mistake: another thing stands where it stood
LOOKS_COST = 10.0  # of looks at right angles
TENTATIVE_COST = 0.5  # what is not believed in yet gives way
ALONE_COST = 20.0  # less than any pair of one name in the gate, however it looks


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """An entity as association sees it.

    `p_map` and `size_m` are (3,) metres, `reach_m` is how far from there it may be sighted, `votes` counts
    its names, `misnamed` how often in a row it was called otherwise, `embedding` is (D,) of unit length;
    `is_here` is False for one that was missing at the last look.
    """

    entity_id: int
    votes: Mapping[str, int]
    misnamed: int
    p_map: Vector
    reach_m: float
    size_m: Vector | None
    embedding: NDArray[np.float32] | None
    is_confirmed: bool
    is_here: bool


def associate(
    sightings: Sequence[Sighting], candidates: Sequence[Candidate], config: SemanticConfig
) -> dict[int, int]:
    """Return the entity id of every sighting, by its index, that is of one of the candidates."""
    if not sightings or not candidates:
        return {}
    places, reaches_m = (
        np.array([getattr(c, name) for c in candidates]) for name in ("p_map", "reach_m")
    )
    away_m = np.linalg.norm(np.array([s.p_map for s in sightings])[:, None] - places, axis=2)
    costs = np.full(away_m.shape, np.inf)
    for i, j in np.argwhere(away_m <= reaches_m).tolist():
        costs[i, j] = _cost(sightings[i], candidates[j], float(away_m[i, j]), config)
    columns = assign(costs, alone_cost=ALONE_COST)
    return {
        index: candidates[column].entity_id
        for index, column in enumerate(columns)
        if column != NONE
    }


def reach(size_m: Vector | None, gate_m: float) -> float:
    """Return how far from an entity it may be sighted: of a large one a camera sees one end at a time."""
    return gate_m if size_m is None else max(gate_m, float(size_m.max()) / 2)


def name_share(votes: Mapping[str, int], label: str) -> float:
    """Return in which part of its sightings an entity was called so."""
    return votes.get(label, 0) / sum(votes.values())


def similarity(a: NDArray[np.float32] | None, b: NDArray[np.float32] | None) -> float | None:
    """Return the cosine of two embeddings (D,), None where they cannot be compared."""
    return None if a is None or b is None or len(a) != len(b) else float(a @ b)


def _cost(
    sighting: Sighting, candidate: Candidate, distance_m: float, config: SemanticConfig
) -> float:
    """Return what it costs to take a sighting for an entity within reach of it, inf where it cannot be."""
    alike = similarity(sighting.embedding, candidate.embedding)
    if not candidate.is_here and alike is not None and alike < config.similarity:
        return math.inf  # another thing stands where it stood
    share = name_share(candidate.votes, sighting.label)
    if share < NAME_SHARE and not _may_be_confused(sighting, candidate, distance_m, alike, config):
        return math.inf
    return (
        GATE_COST * (distance_m / candidate.reach_m) ** 2
        - math.log(max(share, CONFUSION))
        + (0.0 if alike is None else LOOKS_COST * (1 - alike))
        + TENTATIVE_COST * (not candidate.is_confirmed)
    )


def _may_be_confused(
    sighting: Sighting,
    candidate: Candidate,
    distance_m: float,
    alike: float | None,
    config: SemanticConfig,
) -> bool:
    """Tell whether a sighting by another name can be of an entity: it has its place, its size and its looks."""
    if candidate.misnamed >= MISNAMED or (alike is not None and alike < config.similarity):
        return False
    if candidate.size_m is None or sighting.size_m is None:
        return distance_m <= CONFUSED_GATE_M
    reach_m = max(CONFUSED_GATE_M, float(candidate.size_m.min()) / 2)
    return distance_m <= reach_m and is_alike(sighting.size_m, candidate.size_m)

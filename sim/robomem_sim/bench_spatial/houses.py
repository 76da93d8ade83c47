"""Simulated houses: their patrols, what a memory keeps of one, how far two maps agree."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from robomem.eval.trial import new_memory
from robomem.eval.voxels import Codes, voxel_codes
from robomem.memory import Memory
from robomem.spatial.octree import Octree
from robomem_sim.camera import Scene
from robomem_sim.house import House
from robomem_sim.run import Frame, Simulation, SimulationSettings


@dataclass(frozen=True, slots=True, eq=False)
class Lived:
    """A house, and the memory of a robot that patrolled it and knew where it was."""

    seed: int
    house: House
    scene: Scene
    memory: Memory


@contextmanager
def lived_in(seed: int, *, frames: int | None) -> Iterator[Lived]:
    """Patrol a house and remember it, for a while.

    Args:
        seed: Names the house.
        frames: The patrol ends after so many.
    """
    simulation = Simulation(seed)
    with new_memory() as memory:
        for frame in islice(simulation.patrol(), frames):
            memory.observe(frame.observation())
        house = simulation.house
        yield Lived(seed, house, Scene(house.mesh()), memory)


def patrol_frames(
    seed: int,
    *,
    patrols: int = 1,
    frames: int | None = None,
    settings: SimulationSettings | None = None,
) -> Iterator[Frame]:
    """Yield the frames of patrols through a house, at most so many of each, a minute apart."""
    simulation = Simulation(seed, settings)
    for _ in range(patrols):
        yield from islice(simulation.patrol(), frames)
        simulation.wait(60.0)


def occupied_voxels(octree: Octree) -> Codes:
    """Return the voxels that are occupied."""
    return _codes(octree.occupied(), octree.resolution_m)


def free_voxels(octree: Octree) -> Codes:
    """Return the voxels that are free."""
    return _codes(octree.free(), octree.resolution_m)


def iou(some: Codes, others: Codes) -> float:
    """Return the part of the voxels in either that is in both."""
    both = len(np.intersect1d(some, others, assume_unique=True))
    either = len(some) + len(others) - both
    return both / either if either else 1.0


def _codes(centres: NDArray[np.float64], resolution_m: float) -> Codes:
    return voxel_codes(np.floor(centres / resolution_m).astype(np.int64))

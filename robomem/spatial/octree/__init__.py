"""The octree: log-odds occupancy in bricks of 8x8x8 voxels, inner nodes above them."""

from robomem.spatial.octree.tree import Octree
from robomem.spatial.octree.values import MapDelta, OccupancyGrid, Volume

__all__ = ["MapDelta", "OccupancyGrid", "Octree", "Volume"]

"""The octree: log-odds occupancy in bricks of 8x8x8 voxels, inner nodes above them.

tree            the map: scans in, questions answered                start here
paged_bricks    what of it is in memory and what on disk
scanner, ray_tracer, depth_projector    which voxels a scan hits and passes
brick_pool, inner_nodes, spill    the arrays below that, and the temporary file
kernels/        the inner loops, compiled; layout.py says how everything lies in memory
formats/        OctoMap, PLY and nav2 files
"""

from robomem.spatial.octree.tree import Octree
from robomem.spatial.octree.values import (
    Cells,
    Labels,
    MapDelta,
    Mode,
    OccupancyGrid,
    OccupancyModel,
    Volume,
    VoxelBox,
)

__all__ = [
    "Cells",
    "Labels",
    "MapDelta",
    "Mode",
    "OccupancyGrid",
    "OccupancyModel",
    "Octree",
    "Volume",
    "VoxelBox",
]

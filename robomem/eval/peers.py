"""The maps under test behind one face: this one in both modes, OctoMap, Open3D's block grid.

Each is given what it likes best: what a scan must be turned into first (`prepare`) is not measured.
A map's package is imported when one is made: a process that measures one holds none of the others.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from robomem.eval.scans import DepthScan, Scan
from robomem.eval.voxels import VoxelSets, voxel_codes, voxel_sets
from robomem.geometry import Points, inverse

if TYPE_CHECKING:
    from robomem.spatial.octree import Mode

FAST, EXACT = "robomem fast", "robomem exact"
OCTOMAP, OCTOMAP_DISCRETISED = "pyoctomap every ray", "pyoctomap discretised"
BLOCK_GRID = "Open3D VoxelBlockGrid (TSDF)"
NAMES = (FAST, EXACT, OCTOMAP, OCTOMAP_DISCRETISED, BLOCK_GRID)
OURS = (FAST, EXACT)

BLOCK_VOXELS = 8  # along an edge: faster and smaller at 5 and 10 cm than Open3D's default of 16
FIRST_BLOCKS = 1000  # it doubles them as it needs
TRUNCATION_VOXELS = 8.0  # Open3D's default


@dataclass(frozen=True, slots=True)
class FileSizes:
    """Bytes of the map's own format and of OctoMap's two, None where it does not write it."""

    own: int | None = None
    bt: int | None = None
    ot: int | None = None


@dataclass(frozen=True, slots=True)
class Absent:
    """Something that was not measured, and why."""

    map: str
    what: str
    why: str


class Mapper(Protocol):
    """A map that takes scans."""

    def prepare(self, scan: Scan) -> Any:
        """Turn a scan into what `integrate` takes."""

    def integrate(self, prepared: Any) -> None:
        """Fuse a scan."""

    @property
    def memory_bytes(self) -> int:
        """What the map says it takes in memory."""

    def save(self, folder: Path) -> FileSizes:
        """Write every format it has; the map may have lost something after."""


class RobomemMap:
    """This project's octree."""

    calls = "batch"

    def __init__(self, resolution_m: float, max_range_m: float, *, mode: "Mode") -> None:
        from robomem.spatial.octree import Octree

        self.octree = Octree(resolution_m)
        self._max_range_m = max_range_m
        self._mode = mode

    def prepare(self, scan: Scan) -> Scan:
        """Return the scan: it takes it as it is."""
        return scan

    def integrate(self, prepared: Scan) -> None:
        """Fuse a scan."""
        if isinstance(prepared, DepthScan):
            self.octree.integrate_depth(
                prepared.depth_m,
                K=prepared.K,
                T_map_cam=prepared.T_map_cam,
                max_range_m=self._max_range_m,
                mode=self._mode,
            )
        else:
            self.octree.integrate_points(
                prepared.points_map,
                origin_map=prepared.origin_map,
                max_range_m=self._max_range_m,
                mode=self._mode,
            )

    @property
    def memory_bytes(self) -> int:
        """What its arrays take."""
        return self.octree.memory_bytes

    def save(self, folder: Path) -> FileSizes:
        """Write its own format, and OctoMap's two."""
        own, bt, ot = folder / "map", folder / "map.bt", folder / "map.ot"
        self.octree.save(own)
        self.octree.to_octomap(bt)
        self.octree.to_octomap(ot)
        return FileSizes(own=_size_of(own), bt=_size_of(bt), ot=_size_of(ot))

    def voxels(self) -> VoxelSets:
        """Return the voxels that it knows."""
        octree = self.octree
        return voxel_sets(octree.occupied(), octree.free(), resolution_m=octree.resolution_m)

    def look_up(self, points_map: Points) -> NDArray[np.float32]:
        """Return the log-odds at points."""
        return self.octree.log_odds(points_map)

    def cast_rays(
        self, origins_map: Points, directions_map: Points, *, max_range_m: float
    ) -> Points:
        """Cast rays through unknown space too."""
        return self.octree.cast_rays(origins_map, directions_map, max_range_m=max_range_m)


class OctoMap:
    """OctoMap by its Python binding (Hornung et al., "OctoMap", Autonomous Robots 2013)."""

    calls = "one by one"

    def __init__(self, resolution_m: float, max_range_m: float, *, discretises: bool) -> None:
        import pyoctomap

        self._tree = pyoctomap.OcTree(resolution_m)
        self._resolution_m = resolution_m
        self._max_range_m = max_range_m
        self._discretises = discretises

    def prepare(self, scan: Scan) -> tuple[Points, Points]:
        """Return the returns and the origin in map."""
        return scan.returns_map(), scan.origin_map

    def integrate(self, prepared: tuple[Points, Points]) -> None:
        """Fuse a scan."""
        points_map, origin_map = prepared
        self._tree.insertPointCloud(
            points_map, origin_map, max_range=self._max_range_m, discretize=self._discretises
        )

    @property
    def memory_bytes(self) -> int:
        """What it counts for its nodes."""
        return int(self._tree.memoryUsage())

    def save(self, folder: Path) -> FileSizes:
        """Write its full format, then the binary one, which makes the map itself binary."""
        bt, ot = folder / "map.bt", folder / "map.ot"
        self._tree.write(str(ot))
        self._tree.writeBinary(str(bt))
        return FileSizes(bt=_size_of(bt), ot=_size_of(ot))

    def voxels(self) -> VoxelSets:
        """Return the voxels that it knows; a pruned leaf is many."""
        tree = self._tree
        leaves = np.array(
            [
                (*leaf.getCoordinate(), leaf.getSize(), tree.isNodeOccupied(leaf))
                for leaf in tree.begin_leafs()
            ]
        ).reshape(-1, 5)
        is_occupied = leaves[:, 4] > 0
        occupied, free = (self._codes(leaves[each]) for each in (is_occupied, ~is_occupied))
        return VoxelSets(known=np.union1d(occupied, free), occupied=occupied)

    def _codes(self, leaves: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the voxels of leaves (N, 4+): centre and edge in metres."""
        edges = np.rint(leaves[:, 3] / self._resolution_m).astype(np.int64)
        corners = np.rint((leaves[:, :3] - leaves[:, 3:4] / 2) / self._resolution_m)
        parts = [np.empty((0, 3), np.int64)]
        for edge in np.unique(edges):
            inside = np.array(list(np.ndindex(edge, edge, edge)))
            of_edge = corners[edges == edge].astype(np.int64)
            parts.append((of_edge[:, None] + inside).reshape(-1, 3))
        return voxel_codes(np.concatenate(parts))

    def look_up(self, points_map: Points) -> NDArray[np.float32]:
        """Return the log-odds at points, 0 where unknown."""
        nodes = (self._tree.search(point) for point in points_map)
        return np.array([0.0 if node is None else node.getLogOdds() for node in nodes], np.float32)

    def cast_rays(
        self, origins_map: Points, directions_map: Points, *, max_range_m: float
    ) -> Points:
        """Cast rays through unknown space too; the distance is to the centre of the voxel."""
        distances = np.full(len(origins_map), np.inf)
        end = np.zeros(3)
        for i, (origin, direction) in enumerate(zip(origins_map, directions_map, strict=True)):
            if self._tree.castRay(origin, direction, end, True, max_range_m):
                distances[i] = np.linalg.norm(end - origin)
        return distances


class BlockGrid:
    """Open3D's sparse grid of signed distances near surfaces; it knows no free space."""

    def __init__(self, resolution_m: float, max_range_m: float) -> None:
        self._o3d = importlib.import_module("open3d")
        core = self._o3d.core
        self._max_range_m = max_range_m
        self._grid = self._o3d.t.geometry.VoxelBlockGrid(
            ("tsdf", "weight"), (core.float32, core.float32), ((1), (1)),
            resolution_m, BLOCK_VOXELS, FIRST_BLOCKS, core.Device("CPU:0"),
        )  # fmt: skip

    def prepare(self, scan: Scan) -> tuple[Any, Any, Any]:
        """Return the image, the intrinsics and the pose as it wants them."""
        assert isinstance(scan, DepthScan)
        tensor = self._o3d.core.Tensor
        depth = np.where(np.isfinite(scan.depth_m), scan.depth_m, 0.0).astype(np.float32)
        image = self._o3d.t.geometry.Image(tensor(depth))
        return image, tensor(scan.K), tensor(inverse(scan.T_map_cam))

    def integrate(self, prepared: tuple[Any, Any, Any]) -> None:
        """Fuse a scan."""
        settings = (1.0, self._max_range_m, TRUNCATION_VOXELS)  # the first: units a metre
        blocks = self._grid.compute_unique_block_coordinates(*prepared, *settings)
        self._grid.integrate(blocks, *prepared, *settings)

    @property
    def memory_bytes(self) -> int:
        """What the blocks in use take: a distance and a weight a voxel, float32."""
        return int(self._grid.hashmap().size()) * BLOCK_VOXELS**3 * 8

    def save(self, folder: Path) -> FileSizes:
        """Write its own format."""
        own = folder / "map.npz"
        self._grid.save(str(own))
        return FileSizes(own=_size_of(own))


OccupancyMap = RobomemMap | OctoMap


def _size_of(path: Path) -> int:
    return path.stat().st_size


_MAKERS: dict[str, Callable[[float, float], Mapper]] = {
    FAST: lambda resolution_m, max_range_m: RobomemMap(resolution_m, max_range_m, mode="fast"),
    EXACT: lambda resolution_m, max_range_m: RobomemMap(resolution_m, max_range_m, mode="exact"),
    OCTOMAP: lambda resolution_m, max_range_m: OctoMap(
        resolution_m, max_range_m, discretises=False
    ),
    OCTOMAP_DISCRETISED: lambda resolution_m, max_range_m: OctoMap(
        resolution_m, max_range_m, discretises=True
    ),
    BLOCK_GRID: BlockGrid,
}
_PACKAGES = {OCTOMAP: "pyoctomap", OCTOMAP_DISCRETISED: "pyoctomap", BLOCK_GRID: "open3d"}


def make(name: str, *, resolution_m: float, max_range_m: float) -> Mapper:
    """Return an empty map by its name."""
    return _MAKERS[name](resolution_m, max_range_m)


def absent_peers() -> list[Absent]:
    """Return the maps that cannot be measured on this machine."""
    absent = []
    for name, package in _PACKAGES.items():
        try:
            importlib.import_module(package)
        except (ImportError, OSError) as err:
            reason = " ".join(str(err).split())
            absent.append(Absent(name, "everything", f"{package} cannot be imported: {reason}"))
    return absent

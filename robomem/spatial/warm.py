"""The kernels of the spatial memory, all used once; see `robomem.warm`."""

import pkgutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from robomem.errors import UnreachableError
from robomem.geometry import back_project
from robomem.spatial import dynamics, views
from robomem.spatial.dynamics import MotionFilter
from robomem.spatial.octree import MapDelta, Octree
from robomem.spatial.octree import kernels as octree_kernels
from robomem.spatial.octree.scanner import Scanner
from robomem.spatial.octree.tree import MIN_BUDGET_BYTES
from robomem.spatial.octree.values import Mode
from robomem.spatial.topology import kernels as topology_kernels
from robomem.spatial.topology.topology_graph import TopologyGraph
from robomem.spatial.views import ViewMemory

RESOLUTION_M, RANGE_M = 0.1, 2.0
FAR_M = 30.0  # there voxels around the camera have codes of 64 bits
EMBEDDING = np.array([0.0, 0.0, 1.0])


def kernel_modules() -> Iterator[str]:
    """Yield the names of the modules that hold kernels."""
    for package in (octree_kernels, topology_kernels):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            yield module.name
    yield from (f"{views.__name__}.{name}" for name in ("lists", "sampling", "sight"))
    yield f"{dynamics.__name__}.kernels"


def use_kernels(folder: Path) -> None:
    """Do all that the spatial memory does, once, on a scene of a few voxels; files go into a folder."""
    octree = Octree(RESOLUTION_M)
    _see(octree)
    _ask(octree)
    octree.save(folder / "map.rmap")
    _ask(Octree.load(folder / "map.rmap"))
    small = Octree.load(folder / "map.rmap", budget_bytes=MIN_BUDGET_BYTES)
    _see(small)
    _see_more_than_fits(small)
    _ask(small)
    octree.to_octomap(folder / "map.ot")
    _ask(Octree.from_octomap(folder / "map.ot"))
    _drive(octree)
    _view()
    _split()


def _see(octree: Octree) -> None:
    """Take scans in as a robot has them, and as they come from a journal."""
    depth_m = np.full((48, 64), 1.0, np.float32)
    depth_m[:4, :4] = np.inf, np.nan, 0.0, 9.0
    K = np.array([[60.0, 0.0, 31.5], [0.0, 60.0, 23.5], [0.0, 0.0, 1.0]])
    points_map = back_project(depth_m, K)
    origin_map = np.zeros(3)
    for mode in get_args(Mode):
        scan = {"max_range_m": RANGE_M, "mode": mode}
        for depth in (depth_m, _read_only(depth_m), depth_m.astype(np.float64)):
            octree.integrate_depth(depth, K=K, T_map_cam=np.eye(4), **scan)
        for points in (points_map, _read_only(points_map)):
            octree.integrate_points(points, origin_map=origin_map, **scan)
        delta = octree.scanner.trace_points(points_map, origin_map=origin_map, **scan)
        octree.add(MapDelta(*map(_read_only, (delta.keys, delta.hit, delta.free))))
    narrow = np.diag([10.0, 10.0, 1.0]) @ K
    octree.scanner.trace_depth(depth_m, K=narrow, T_map_cam=np.eye(4), max_range_m=FAR_M)
    octree.label(points_map, EMBEDDING)
    octree.label(_read_only(points_map), EMBEDDING)


def _see_more_than_fits(octree: Octree) -> None:
    """Look ten bricks far along every axis: regions go to the disk and come back."""
    ends_map = 8 * RESOLUTION_M * np.argwhere(np.ones((10, 10, 10)))
    octree.integrate_points(ends_map, origin_map=np.zeros(3), max_range_m=100.0, mode="exact")


def _drive(octree: Octree) -> None:
    """Find places, rooms and a route on a floor of which the way is free."""
    ways_map = np.linspace((-1.0, 0.0), (1.0, 0.0), 9)
    topology = TopologyGraph.build(octree, driven_map=ways_map)
    topology.update(octree, [[-1.0, -1.0, 0.0], [1.0, 1.0, 2.0]], driven_map=ways_map)
    topology.regions()
    with suppress(UnreachableError):
        topology.route(ways_map[0], ways_map[-1])
    TopologyGraph.from_rows(topology.to_rows()).graph.components()


def _view() -> None:
    """Let two keyframes see a wall, and ask which of them did."""
    seen, K, shape = ViewMemory(), _camera(120, 160), (120, 160)
    for keyframe_id in (1, 2):
        seen.add(keyframe_id, np.full(shape, 1.5, np.float32), K=K, T_map_kf=np.eye(4))
    rows = seen.rows()
    for of in ([0.0, 0.0, 1.5], [[-0.2, -0.2, 1.4], [0.2, 0.2, 1.6]]):
        seen.views(of=of)
    seen.covisible(np.eye(4), K=K, shape=shape)
    seen.correct({1: np.diag([-1.0, -1.0, 1.0, 1.0])})
    seen.remove([2])
    ViewMemory().restore(rows, {1: np.eye(4), 2: np.eye(4)})


def _split() -> None:
    """Let something walk into space that was free."""
    moves, scanner, K = MotionFilter(RESOLUTION_M), Scanner(RESOLUTION_M), _camera(120, 160)
    depth_m = np.full((120, 160), 3.0, np.float32)
    for second in range(8):
        if second > 5:
            depth_m[30:90, 60:100] = 1.5
        moves.split_depth(_read_only(depth_m), K=K, T_map_cam=np.eye(4), max_range_m=RANGE_M)
        split = moves.split_depth(depth_m, K=K, T_map_cam=np.eye(4), max_range_m=RANGE_M)
        delta = scanner.trace_depth(depth_m, K=K, T_map_cam=np.eye(4), max_range_m=RANGE_M)
        moves.learn(split, delta, stamp_ns=second * 10**9)
    moves.forget_old(10**12)
    points_map = back_project(depth_m, K)
    moves.split_points(points_map, origin_map=np.zeros(3), max_range_m=RANGE_M)


def _camera(height: int, width: int) -> NDArray[np.float64]:
    return np.array([[0.65 * width, 0, width / 2], [0, 0.65 * width, height / 2], [0, 0, 1.0]])


def _ask(octree: Octree) -> None:
    points_map = np.zeros((2, 3))
    octree.log_odds(points_map)
    octree.embeddings(points_map)
    octree.similar(EMBEDDING)
    for stop_at_unknown in (False, True):
        octree.cast_rays(
            points_map, points_map + 1.0, max_range_m=RANGE_M, stop_at_unknown=stop_at_unknown
        )
    for level in (0, 3, 6):
        octree.at_level(level)
    octree.distance_field(octree.box([-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]))
    octree.frontiers()
    octree.occupied()
    octree.slice_2d(-1.0, 1.0)
    octree.last_seen_ns(points_map)
    octree.digest()


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    """Return a copy that cannot be written to, as from a file: to Numba that is another type."""
    copy = array.copy()
    copy.flags.writeable = False
    return copy

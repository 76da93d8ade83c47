"""`robomem bench mapping`: the same scans into this map and its peers, in turn, in one run."""

import tempfile
import time
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from statistics import mean

import numpy as np

from robomem.eval.footprint import Request, peak_of
from robomem.eval.machine import this_machine, versions_of
from robomem.eval.measure import Steps, copy_gb_s, one_core
from robomem.eval.peers import (
    BLOCK_GRID,
    EXACT,
    FAST,
    Absent,
    Mapper,
    OccupancyMap,
    RobomemMap,
    absent_peers,
    make,
)
from robomem.eval.plan import Settings, Setup, scans_of
from robomem.eval.queries import query_rates
from robomem.eval.results import (
    Growth,
    PeakMemory,
    Report,
    SetupReport,
    Size,
    Traffic,
)
from robomem.eval.scans import DepthScan, Scan
from robomem.eval.turns import frame_costs, take_all, take_turns, walk
from robomem.eval.voxels import Agreement, compare

Names = tuple[str, ...]

TRAFFIC_SCANS = 5  # whose voxels and bricks are counted
MASK_BYTES, VALUE_BYTES = 64, 2  # of a brick, of a voxel
PACKAGES = ("numpy", "numba", "pyoctomap", "open3d", "open3d-cpu")
NOT_ASKED = (
    Absent(BLOCK_GRID, "queries", "it answers neither for single points nor for single rays"),
    Absent(BLOCK_GRID, "agreement", "it has distances near surfaces, no free and unknown space"),
    Absent(BLOCK_GRID, "street", "it takes depth images only"),
)


def measure_mapping(
    settings: Settings, *, on_step: Callable[[int, int], None] | None = None
) -> Report:
    """Measure all that `robomem bench mapping` tells; it stays on one core meanwhile.

    Args:
        settings: How much of it.
        on_step: Is told the steps done and all steps.
    """
    begin_s = time.perf_counter()
    absent = absent_peers()
    missing = {each.map for each in absent}

    def present(setup: Setup) -> Names:
        return tuple(name for name in setup.maps if name not in missing)

    steps = Steps(_count_steps(settings, present), on_step)
    with one_core():
        bandwidth_gb_s = copy_gb_s()
        setups = tuple(
            _measure_setup(setup, present(setup), settings, steps, bandwidth_gb_s)
            for setup in settings.setups
        )
        peaks = _measure_peaks(present(settings.setups[0]), settings, steps)
        growth = _measure_growth(present(settings.long_walk), settings, steps)
    return Report(
        machine=this_machine(),
        versions=versions_of(PACKAGES),
        settings=settings,
        wall_s=time.perf_counter() - begin_s,
        setups=setups,
        peaks=peaks,
        growth=growth,
        absent=(*absent, *(each for each in NOT_ASKED if each.map not in missing)),
    )


def _count_steps(settings: Settings, present: Callable[[Setup], Names]) -> int:
    """A step is a scan into a map."""
    in_turn = sum(settings.count_of(setup) * len(present(setup)) for setup in settings.setups)
    first, long_walk = settings.setups[0], settings.long_walk
    peaks = settings.count_of(first) * (1 + len(present(first)))
    return 2 * in_turn + peaks + settings.count_of(long_walk) * len(present(long_walk))


def _measure_setup(
    setup: Setup, names: Names, settings: Settings, steps: Steps, bandwidth_gb_s: float
) -> SetupReport:
    maps = {name: _new(name, setup) for name in names}
    rng = np.random.default_rng(settings.seed)
    scans = list(scans_of(setup, settings))  # made before: a renderer fills the caches, too
    in_turn = take_turns(maps, scans, rng=rng, steps=steps)
    alone = {name: take_all(_new(name, setup), scans, steps=steps) for name in names}
    costs = frame_costs(in_turn, alone, warm_up=settings.warm_up)
    answering = {name: each for name, each in maps.items() if isinstance(each, OccupancyMap)}
    is_first = setup == settings.setups[0]
    return SetupReport(
        title=setup.title,
        setup=setup,
        frame_costs=costs,
        agreements=_agreements(answering),
        traffic=_traffic(setup, settings, costs[0].alone_ms, bandwidth_gb_s),
        query_rates=query_rates(answering, setup, settings=settings) if is_first else (),
        sizes=_sizes(maps),  # last, for writing a file may make a map binary
    )


def _new(name: str, setup: Setup) -> Mapper:
    return make(name, resolution_m=setup.resolution_m, max_range_m=setup.max_range_m)


def _agreements(maps: Mapping[str, OccupancyMap]) -> tuple[Agreement, ...]:
    found = {name: each.voxels() for name, each in maps.items()}
    return tuple(compare(name, each, found[EXACT]) for name, each in found.items())


def _sizes(maps: Mapping[str, Mapper]) -> tuple[Size, ...]:
    exact = maps[EXACT]
    assert isinstance(exact, RobomemMap)
    known_m3 = exact.octree.volume().known_m3
    sizes = []
    for name, mapper in maps.items():
        memory_bytes = mapper.memory_bytes
        with tempfile.TemporaryDirectory() as folder:
            files = mapper.save(Path(folder))
        sizes.append(Size(name, memory_bytes, memory_bytes / known_m3, files))
    return tuple(sizes)


def _traffic(setup: Setup, settings: Settings, cpu_ms: float, bandwidth_gb_s: float) -> Traffic:
    """Count what single scans touch, each in a map of its own; see `Traffic`."""
    scans = list(islice(scans_of(setup, settings), TRAFFIC_SCANS))
    voxels, bricks = zip(*(_touched(setup, scan) for scan in scans), strict=True)
    frame_bytes = (
        mean(_bytes_of(scan) for scan in scans)
        + 2 * 2 * MASK_BYTES * mean(bricks)
        + 2 * VALUE_BYTES * mean(voxels)
    )
    return Traffic(
        frame_bytes=round(frame_bytes),
        voxels=round(mean(voxels)),
        bricks=round(mean(bricks)),
        cpu_ms=cpu_ms,
        copy_gb_s=bandwidth_gb_s,
        fraction=frame_bytes / (cpu_ms * 1e6 * bandwidth_gb_s),
    )


def _touched(setup: Setup, scan: Scan) -> tuple[int, int]:
    """Return how many voxels a scan updates, and in how many bricks."""
    mapper = _new(FAST, setup)
    assert isinstance(mapper, RobomemMap)
    mapper.integrate(scan)
    voxels = mapper.octree.volume().known_m3 / setup.resolution_m**3
    return round(voxels), len(mapper.octree)


def _bytes_of(scan: Scan) -> int:
    return scan.depth_m.nbytes if isinstance(scan, DepthScan) else scan.points_map.nbytes


def _measure_peaks(names: Names, settings: Settings, steps: Steps) -> tuple[PeakMemory, ...]:
    setup = settings.setups[0]

    def peak(name: str | None) -> int:
        found = peak_of(Request(name, setup, settings))
        steps.advance(settings.count_of(setup))
        return found

    idle = peak(None)
    peaks = {name: peak(name) for name in names}
    return tuple(PeakMemory(name, peak, peak - idle) for name, peak in peaks.items())


def _measure_growth(names: Names, settings: Settings, steps: Steps) -> tuple[Growth, ...]:
    setup, limit_ms = settings.long_walk, 1000 * settings.growth_cpu_s
    scans = list(scans_of(setup, settings))  # a thousand poses, but the images of one lap only
    return tuple(
        growth
        for name in names
        for growth in walk(name, _new(name, setup), scans, limit_ms=limit_ms, steps=steps)
    )

"""What a run of the mapping bench found. Times are CPU milliseconds of one core, all threads together."""

from dataclasses import dataclass

from robomem.eval.machine import Machine
from robomem.eval.peers import Absent, FileSizes
from robomem.eval.plan import Settings, Setup
from robomem.eval.voxels import Agreement


@dataclass(frozen=True, slots=True)
class FrameCost:
    """The median time that a map takes to fuse a scan, in turn with the others; `ratio` is to robomem fast.

    In turn it finds in the caches what another map left there; `alone_ms` is without others in between.
    """

    map: str
    frames: int
    cpu_ms: float
    ratio: float
    alone_ms: float


@dataclass(frozen=True, slots=True)
class QueryRate:
    """How many millions of points or rays a second a map answers; `ratio` is to robomem fast."""

    map: str
    what: str
    calls: str
    count: int
    million_per_s: float
    ratio: float


@dataclass(frozen=True, slots=True)
class Size:
    """What a map takes after all scans. `bytes_per_m3` is for each m3 that robomem exact knows."""

    map: str
    memory_bytes: int
    bytes_per_m3: float
    files: FileSizes


@dataclass(frozen=True, slots=True)
class PeakMemory:
    """The most memory of a process that maps all scans, and how much of it one without a map needs too."""

    map: str
    peak_bytes: int
    above_idle_bytes: int


@dataclass(frozen=True, slots=True)
class Growth:
    """The median time of the frames `first` to `last` of a long walk, and the map's bytes after them.

    A map that runs out of time stops within a row: `last` tells where.
    """

    map: str
    first: int
    last: int
    cpu_ms: float
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Traffic:
    """What one frame into robomem fast must move through memory, and how near its time comes to that limit.

    It reads the depth image (4 bytes a pixel), writes and reads the two masks of every brick it
    touches (64 bytes each), and reads and writes the values of the voxels it updates (2 bytes each).
    `fraction` is the time that a plain copy would take for as many bytes, as a part of the frame's time:
    1 would be a map that does nothing but move memory.
    """

    frame_bytes: int
    voxels: int
    bricks: int
    cpu_ms: float
    copy_gb_s: float
    fraction: float


@dataclass(frozen=True, slots=True)
class SetupReport:
    """What was found in one scene in voxels of one size; queries are asked in the first one only."""

    title: str
    setup: Setup
    frame_costs: tuple[FrameCost, ...]
    agreements: tuple[Agreement, ...]
    sizes: tuple[Size, ...]
    traffic: Traffic
    query_rates: tuple[QueryRate, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """All of it. Versions are None where a package is not installed; peaks are of the first setup."""

    machine: Machine
    versions: dict[str, str | None]
    settings: Settings
    wall_s: float
    setups: tuple[SetupReport, ...]
    peaks: tuple[PeakMemory, ...]
    growth: tuple[Growth, ...]
    absent: tuple[Absent, ...]

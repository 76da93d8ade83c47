"""What is measured: how much of it, on which scenes, with which maps."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from robomem.errors import ConfigError
from robomem.eval.peers import BLOCK_GRID, NAMES
from robomem.eval.scans import Scan, recorded_scans
from robomem.eval.scenes import flat_scans, gallery_scans, street_scans
from robomem.eval.sensors import Camera, Lidar

INDOOR_RANGE_M, STREET_RANGE_M = 5.0, 100.0
STREET_VOXEL_M = 0.2


@dataclass(frozen=True, slots=True)
class Setup:
    """A scene in voxels of a size: "flat", "recording", "gallery" or "street"."""

    scene: str
    resolution_m: float
    max_range_m: float

    @property
    def title(self) -> str:
        """Name it in a table."""
        return f"{self.scene}, {100 * self.resolution_m:g} cm"

    @property
    def maps(self) -> tuple[str, ...]:
        """The maps that can take its scans: Open3D's takes depth images only."""
        return tuple(name for name in NAMES if name != BLOCK_GRID or self.scene != "street")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How much is measured.

    Attributes:
        data: A recording that stands in for the flat.
        seed: Names the scenes, the noise and the queries.
        frames: Depth images into each map, at each resolution.
        turns: Turns of the LiDAR.
        warm_up: The first so many of these are mapped, and not timed.
        growth_frames: How long the long walk is.
        growth_cpu_s: A map that took longer than this for it goes no farther.
        points: Queries of a map that answers in batches; of the others `slow_queries`.
        rays: The same.
        slow_queries: See `points`.
        voxels_m: The resolutions indoors; the first is the one of queries, peak memory and growth.
        camera: What looks at the flat and the gallery.
        lidar: What looks at the street.
    """

    data: str | None = None
    seed: int = 0
    frames: int = 20
    turns: int = 10
    warm_up: int = 2
    growth_frames: int = 1000
    growth_cpu_s: float = 15.0
    points: int = 1_000_000
    rays: int = 200_000
    slow_queries: int = 20_000
    voxels_m: tuple[float, ...] = (0.05, 0.1)
    camera: Camera = field(default_factory=Camera)
    lidar: Lidar = field(default_factory=Lidar)

    def __post_init__(self) -> None:
        if self.frames < 1:
            raise ConfigError(f"a bench needs at least 1 frame, got {self.frames}")
        if self.seed < 0:
            raise ConfigError(f"a seed is 0 or more, got {self.seed}")

    @property
    def setups(self) -> tuple[Setup, ...]:
        """What the same scans go into all maps for."""
        scene = "recording" if self.data else "flat"
        indoors = (Setup(scene, voxel_m, INDOOR_RANGE_M) for voxel_m in self.voxels_m)
        return (*indoors, Setup("street", STREET_VOXEL_M, STREET_RANGE_M))

    @property
    def long_walk(self) -> Setup:
        """What growth is measured on."""
        return Setup("gallery", self.voxels_m[0], INDOOR_RANGE_M)

    def count_of(self, setup: Setup) -> int:
        """Return how many scans a setup has, at most."""
        counts = {"street": self.turns, "gallery": self.growth_frames}
        return counts.get(setup.scene, self.frames)


QUICK = Settings(
    frames=6, turns=4, growth_frames=100, growth_cpu_s=2.0, points=200_000, rays=20_000,
    slow_queries=5_000,
)  # fmt: skip


def scans_of(setup: Setup, settings: Settings) -> Iterator[Scan]:
    """Yield the scans of a setup: the same ones at every call."""
    count, rng = settings.count_of(setup), np.random.default_rng(settings.seed)
    if setup.scene == "street":
        return street_scans(count, lidar=settings.lidar, rng=rng)
    if setup.scene == "gallery":
        return gallery_scans(count, camera=settings.camera, rng=rng)
    if settings.data:
        return recorded_scans(Path(settings.data), limit=count)
    return flat_scans(count, camera=settings.camera, rng=rng)

"""How much is measured, and all that was found."""

from dataclasses import dataclass
from pathlib import Path

from robomem.errors import ConfigError
from robomem.eval.machine import Machine
from robomem_sim.bench_spatial.correction import Correction
from robomem_sim.bench_spatial.graphs import Graphs
from robomem_sim.bench_spatial.loops import LoopClosing, TwoHouses
from robomem_sim.bench_spatial.motion import Motion
from robomem_sim.bench_spatial.pose_graphs import PoseGraphFit
from robomem_sim.bench_spatial.rooms import Rooms
from robomem_sim.bench_spatial.views import Views


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How much is measured; a house each seed.

    Attributes:
        seed: Of the first house; the others follow.
        corrections: Houses where a drive is corrected.
        loops: Houses where loops are closed; every two neighbours are driven through as one besides.
        houses: Houses whose rooms, routes and views are asked for.
        crowds: Houses with people.
        people: In each.
        frames: Of each drive, at most: where all of a house need not be seen,
        house_frames: and where rooms, routes and views are asked for.
        routes: Asked for in each house.
        queries: Of views, the same.
        ways: Through the streets.
        ways_compared: Of these, with Dijkstra's.
        buildings: Whose graphs are searched.
        data: A folder with these graphs, and with pose graphs.
        pictures: A folder to draw into.
    """

    seed: int = 0
    corrections: int = 3
    loops: int = 5
    houses: int = 5
    crowds: int = 4
    people: int = 3
    frames: int | None = None
    house_frames: int | None = None
    routes: int = 40
    queries: int = 40
    ways: int = 500
    ways_compared: int = 60
    buildings: int | None = None
    data: str | None = None
    pictures: str | None = None

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ConfigError(f"a seed is 0 or more, got {self.seed}")
        if self.data is not None and not Path(self.data).is_dir():
            raise ConfigError(f"there is no folder {self.data}")

    def seeds(self, count: int) -> range:
        """Return the seeds of so many houses."""
        return range(self.seed, self.seed + count)


QUICK = Settings(
    corrections=1, loops=2, houses=1, crowds=1, frames=350, routes=15, queries=20, ways=100, ways_compared=10,
    buildings=5,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Report:
    """All of it. `seconds` is what each part took; `absent` says what was not measured, and why."""

    machine: Machine
    versions: dict[str, str | None]
    settings: Settings
    seconds: dict[str, float]
    corrections: tuple[Correction, ...]
    loops: tuple[LoopClosing, ...]
    two_houses: tuple[TwoHouses, ...]
    rooms: tuple[Rooms, ...]
    graphs: tuple[Graphs, ...]
    pose_graphs: tuple[PoseGraphFit, ...]
    views: tuple[Views, ...]
    motion: tuple[Motion, ...]
    absent: dict[str, str]

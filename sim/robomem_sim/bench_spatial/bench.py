"""What is measured, how much of it, and in which order."""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from robomem.errors import ConfigError
from robomem.eval.bench import OnStep, Options, Outcome
from robomem.eval.columns import markdown
from robomem.eval.machine import this_machine, versions_of
from robomem.eval.measure import Steps
from robomem.spatial.slam.solver import load
from robomem.viz import check_matplotlib
from robomem_sim.bench_spatial import findings
from robomem_sim.bench_spatial.correction import Correction, measure_correction
from robomem_sim.bench_spatial.graphs import (
    BUILDINGS,
    STREETS,
    Graphs,
    measure_buildings,
    measure_streets,
)
from robomem_sim.bench_spatial.houses import lived_in
from robomem_sim.bench_spatial.loops import (
    LoopClosing,
    TwoHouses,
    drive_through,
    measure_loops,
    measure_two_houses,
)
from robomem_sim.bench_spatial.motion import Motion, measure_motion
from robomem_sim.bench_spatial.pictures import draw_pictures
from robomem_sim.bench_spatial.pose_graphs import (
    POSE_GRAPHS,
    PoseGraphFit,
    measure_pose_graphs,
)
from robomem_sim.bench_spatial.report import QUICK, Report, Settings
from robomem_sim.bench_spatial.rooms import Rooms, measure_rooms
from robomem_sim.bench_spatial.views import Views, measure_views

STEPS = {  # about as many seconds
    "correction": 40, "loops": 30, "two houses": 10, "patrols": 15, "rooms and routes": 8,
    "views": 8, STREETS: 10, BUILDINGS: 10, POSE_GRAPHS: 4, "motion": 30, "pictures": 45,
}  # fmt: skip
PACKAGES = ("numpy", "numba", "gtsam", "small_gicp", "embreex")


def bench_spatial(options: Options, *, on_step: OnStep | None = None) -> Outcome:
    """Measure what a memory makes of simulated houses; see `robomem.eval.bench`."""
    if options.frames is not None:
        raise ConfigError("bench spatial drives through whole houses: --frames is of bench mapping")
    data = None if options.data is None else str(options.data)
    pictures = None if options.pictures is None else str(options.pictures)
    settings = QUICK if options.is_quick else Settings()
    settings = replace(settings, seed=options.seed, data=data, pictures=pictures)
    report = measure_spatial(settings, on_step=on_step)
    tables, notes = findings.tables(report), findings.notes(report)
    return Outcome(report, tables, notes, markdown(tables, notes))


def measure_spatial(settings: Settings, *, on_step: OnStep | None = None) -> Report:
    """Measure all that `robomem bench spatial` tells.

    Args:
        settings: How much of it.
        on_step: Is told the steps done and all steps; a step is a second, about.

    Raises:
        MissingExtraError: The extra `slam` is not installed, or `viz`, where pictures are wanted.
    """
    for package in ("gtsam", "small_gicp"):
        load(package)  # better now than in minutes
    if settings.pictures is not None:
        check_matplotlib()
    run = _Run(settings, on_step)
    corrections = run.corrections()
    loops, two_houses = run.loops()
    rooms, views = run.houses()
    graphs, pose_graphs = run.graphs(), run.pose_graphs()
    motion = run.motion()
    run.pictures()
    return Report(
        machine=this_machine(),
        versions=versions_of(PACKAGES),
        settings=settings,
        seconds=dict(run.seconds),
        corrections=corrections,
        loops=loops,
        two_houses=two_houses,
        rooms=rooms,
        graphs=graphs,
        pose_graphs=pose_graphs,
        views=views,
        motion=motion,
        absent=run.absent,
    )


class _Run:
    """The parts of a run, and what they took."""

    def __init__(self, settings: Settings, on_step: OnStep | None) -> None:
        self._settings = settings
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.absent: dict[str, str] = {}
        self._steps = Steps(self._count(), on_step)

    def corrections(self) -> tuple[Correction, ...]:
        """Correct a drive through each house."""
        found = []
        for seed in self._settings.seeds(self._settings.corrections):
            with self._part("correction"):
                found.append(measure_correction(seed, frames=self._settings.frames))
        return tuple(found)

    def loops(self) -> tuple[tuple[LoopClosing, ...], tuple[TwoHouses, ...]]:
        """Close the loops of a drive through each house, and then drive through two as one."""
        drives, closings, pairs = [], [], []
        for seed in self._settings.seeds(self._settings.loops):
            with self._part("loops"):
                drives.append(drive_through(seed, frames=self._settings.frames))
                closings.append(measure_loops(drives[-1]))
        for one, other in pairwise(drives):
            with self._part("two houses"):
                pairs.append(measure_two_houses(one, other))
        return tuple(closings), tuple(pairs)

    def houses(self) -> tuple[tuple[Rooms, ...], tuple[Views, ...]]:
        """Patrol each house, and ask what is remembered of it."""
        settings, rooms, views = self._settings, [], []
        for seed in settings.seeds(settings.houses):
            with ExitStack() as stack:
                with self._part("patrols"):
                    lived = stack.enter_context(lived_in(seed, frames=settings.house_frames))
                with self._part("rooms and routes"):
                    rooms.append(measure_rooms(lived, routes=settings.routes))
                with self._part("views"):
                    views.append(measure_views(lived, queries=settings.queries))
        return tuple(rooms), tuple(views)

    def graphs(self) -> tuple[Graphs, ...]:
        """Search the graphs that there are."""
        settings, found = self._settings, []
        folder = Path(settings.data or "")
        if self._has(STREETS):
            with self._part(STREETS):
                found.append(
                    measure_streets(
                        folder,
                        ways=settings.ways,
                        compared=settings.ways_compared,
                        seed=settings.seed,
                    )
                )
        if self._has(BUILDINGS):
            with self._part(BUILDINGS):
                found.append(
                    measure_buildings(folder, buildings=settings.buildings, seed=settings.seed)
                )
        return tuple(found)

    def pose_graphs(self) -> tuple[PoseGraphFit, ...]:
        """Optimise the pose graphs that there are."""
        if not self._has(POSE_GRAPHS):
            return ()
        with self._part(POSE_GRAPHS):
            folder, seed = Path(self._settings.data or ""), self._settings.seed
            return tuple(measure_pose_graphs(folder, seed=seed))

    def motion(self) -> tuple[Motion, ...]:
        """Walk people through each house."""
        settings, found = self._settings, []
        for seed in settings.seeds(settings.crowds):
            with self._part("motion"):
                found.append(measure_motion(seed, people=settings.people, frames=settings.frames))
        return tuple(found)

    def pictures(self) -> None:
        """Draw what it looks like, where that is wanted."""
        s = self._settings
        if s.pictures is not None:
            with self._part("pictures"):
                draw_pictures(Path(s.pictures), seed=s.seed, people=s.people, frames=s.house_frames)

    def _has(self, name: str) -> bool:
        """Tell whether a data set is there, or note why it is not measured."""
        folder = self._settings.data
        if folder is None:
            self.absent[name] = "give its folder by --data"
        elif not (Path(folder) / name).is_dir():
            self.absent[name] = f"it is not in {folder}"
        return name not in self.absent

    @contextmanager
    def _part(self, name: str) -> Iterator[None]:
        begin_s = time.perf_counter()
        yield
        self.seconds[name] += time.perf_counter() - begin_s
        self._steps.advance(STEPS[name])

    def _count(self) -> int:
        s = self._settings
        counts = {
            "correction": s.corrections,
            "loops": s.loops,
            "two houses": s.loops - 1,
            "patrols": s.houses,
            "rooms and routes": s.houses,
            "views": s.houses,
            "motion": s.crowds,
            "pictures": int(s.pictures is not None),
            **{name: int(self._has(name)) for name in (STREETS, BUILDINGS, POSE_GRAPHS)},
        }
        return sum(STEPS[name] * count for name, count in counts.items())

"""Places seen again: propose, verify, accept or reject, and the correction that follows.

collect     keyframes to local maps, a metre of the path each              local_map
propose     similar places, and what should be near by the poses so far    descriptors
verify      registration, overlap, residual, rays                          registration
agree       with odometry, and with each other                             consistency
correct     the optimum of odometry and loops                              pose_graph
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

import numpy as np

from robomem.errors import DataError, Reason, StampError
from robomem.geometry import Pose, inverse, rotation_angle
from robomem.spatial.slam.consistency import Loop, PathGraph, Verdict, Walk
from robomem.spatial.slam.local_map import LocalMap, Scan, build_local_map
from robomem.spatial.slam.pose_graph import Edge, EdgeKind, Optimum, PoseGraph
from robomem.spatial.slam.recognition import recognizer_of
from robomem.spatial.slam.registration import (
    Registration,
    Surface,
    register,
    starts_by_correlation,
)
from robomem.spatial.slam.settings import SlamConfig
from robomem.spatial.slam.solver import load

MIN_UPRIGHT_POINTS = 200  # fewer fix nothing
MAX_TILT_RAD = np.deg2rad(5.0)  # two local maps both stand upright
STARTS = 3
SURFACES_KEPT = 64  # about a megabyte each
NEARBY_REACH_M = 2.0  # farther off than this, a place cannot be told to be nearby
START_REACH_M = 0.5  # so near the right place registration finds there by itself
TURN_LENGTH_M = 0.25  # a turn by a radian loses as much as this length
STILL_SIGMA_M, STILL_SIGMA_RAD = 0.005, 0.002  # of odometry without motion


@dataclass(frozen=True, slots=True, eq=False)
class Closing:
    """What `close_loops` found.

    Attributes:
        poses: Corrected T_map_kf of every keyframe.
        loops: All candidates that were registered, each with its verdict.
        optimum: What the pose graph says of itself.
    """

    poses: dict[int, Pose]
    loops: tuple[Loop, ...]
    optimum: Optimum

    @property
    def accepted(self) -> tuple[Loop, ...]:
        """The loops that the correction rests on."""
        return tuple(loop for loop in self.loops if loop.verdict is Verdict.ACCEPTED)


def close_loops(scans: Iterable[Scan], *, config: SlamConfig | None = None) -> Closing:
    """Correct the poses of a recording by the places that it saw more than once.

    Args:
        scans: Its keyframes in the order of time, with the poses of odometry.
        config: Settings.

    Raises:
        DataError: A keyframe came twice, or stamps go backwards.
        MissingExtraError: The extra `slam` is not installed.
    """
    closer = LoopCloser(config)
    for scan in scans:
        closer.add(scan)
    closer.finish()
    return closer.correct()


@dataclass(frozen=True, slots=True, eq=False)
class _Waypoint:
    """A keyframe on the path of odometry.

    `path_m` and `turned_rad` are what the robot went and turned so far; `session` counts how often it
    was carried.
    """

    stamp_ns: int
    T_map_kf: Pose
    path_m: float = 0.0
    turned_rad: float = 0.0
    session: int = 0


class LoopCloser:
    """Takes keyframes one by one, and finds the places that were seen before.

    What it accepted stays accepted; `correct` weighs all of it once more under a robust kernel.

    Raises:
        MissingExtraError: small_gicp, or map-closures where it is configured, is not installed.
    """

    def __init__(self, config: SlamConfig | None = None) -> None:
        load("small_gicp")  # or else `add` would stop half-way
        self._config = config or SlamConfig()
        self._waypoints: dict[int, _Waypoint] = {}
        self._segment: list[Scan] = []
        self._places: list[LocalMap] = []
        self._recognizer = recognizer_of(self._config)
        self._paths = PathGraph(self._config)
        self._loops: list[Loop] = []
        self._surface = lru_cache(SURFACES_KEPT)(
            lambda place: Surface(self._places[place], self._config.voxel_size_m)
        )

    @property
    def loops(self) -> tuple[Loop, ...]:
        """All candidates that were registered so far, each with its verdict."""
        return tuple(self._loops)

    def add(self, scan: Scan) -> list[Loop]:
        """Take the next keyframe in; returns the loops that it made sure of.

        Raises:
            DataError: The keyframe was there before.
            StampError: It is older than the last one.
        """
        waypoint = self._waypoint(scan)
        loops = self._end_segment() if self._is_segment_full(waypoint) else []
        self._waypoints[scan.keyframe_id] = waypoint
        self._segment.append(scan)
        return loops

    def finish(self) -> list[Loop]:
        """Look at the last keyframes too; returns the loops that they made sure of."""
        return self._end_segment() if self._segment else []

    def graph(self) -> PoseGraph:
        """Return the keyframes as odometry has them, joined by odometry and by the accepted loops."""
        graph = PoseGraph()
        for keyframe_id, waypoint in self._waypoints.items():
            graph.add_pose(keyframe_id, waypoint.T_map_kf)
        for a, b in pairwise(self._waypoints):
            if self._waypoints[a].session == self._waypoints[b].session:
                graph.add_edge(self._odometry(a, b))
        for loop in self._loops:
            if loop.verdict is Verdict.ACCEPTED:
                graph.add_edge(loop.edge)
        return graph

    def correct(self) -> Closing:
        """Return the most likely poses, without the loops that the robust kernel leaves out.

        Raises:
            MissingExtraError: gtsam is not installed.
        """
        graph = self.graph()
        optimum = graph.optimize()
        rejected = [graph.edges[index] for index in optimum.rejected]
        left_out = {(edge.kf_from, edge.kf_to) for edge in rejected}  # no two loops join the same
        loops = tuple(
            replace(loop, verdict=Verdict.GRAPH)
            if (loop.edge.kf_from, loop.edge.kf_to) in left_out
            else loop
            for loop in self._loops
        )
        return Closing(optimum.poses, loops, optimum)

    # ---- collect ----------------------------------------------------------------------------------

    def _waypoint(self, scan: Scan) -> _Waypoint:
        """Return where odometry came to, raising where that cannot be."""
        if scan.keyframe_id in self._waypoints:
            raise DataError(f"keyframe {scan.keyframe_id} was there before")
        if not self._waypoints:
            return _Waypoint(scan.stamp_ns, scan.T_map_kf)
        last = next(reversed(self._waypoints.values()))
        if scan.stamp_ns < last.stamp_ns:
            raise StampError(
                f"keyframe {scan.keyframe_id} is older than the one before it",
                reason=Reason.STAMP_BACKWARDS,
            )
        T = inverse(last.T_map_kf) @ scan.T_map_kf
        step_m = float(np.linalg.norm(T[:3, 3]))
        return _Waypoint(
            scan.stamp_ns,
            scan.T_map_kf,
            path_m=last.path_m + step_m,
            turned_rad=last.turned_rad + rotation_angle(T[:3, :3]),
            session=last.session + (step_m > self._config.break_m),
        )

    def _is_segment_full(self, waypoint: _Waypoint) -> bool:
        if not self._segment:
            return False
        begin = self._waypoints[self._segment[0].keyframe_id]
        return (
            waypoint.session != begin.session
            or waypoint.path_m - begin.path_m > self._config.local_map_length_m
            or len(self._segment) >= self._config.local_map_keyframes
        )

    def _end_segment(self) -> list[Loop]:
        """Make a local map of the segment, and look for it among the older ones."""
        config = self._config
        local = build_local_map(
            self._segment, max_range_m=config.max_range_m, voxel_size_m=config.voxel_size_m
        )
        place = len(self._places)
        self._places.append(local)
        self._segment = []
        self._join(place)
        similar = self._recognizer.recognize(
            local, limit=config.candidates, before=self._first_near(place)
        )
        others = dict.fromkeys([*self._nearby(place), *similar])
        return [loop for other in others for loop in self._try(other, place)]

    def _join(self, place: int) -> None:
        """Lengthen the path to a new place, or begin another one."""
        if place == 0:
            return self._paths.add_place(None)
        before, here = self._at(place - 1), self._at(place)
        if before.session != here.session:
            return self._paths.add_place(None)
        turned_rad = here.turned_rad - before.turned_rad
        length_m = here.path_m - before.path_m + TURN_LENGTH_M * turned_rad
        step = Walk(length_m, inverse(before.T_map_kf) @ here.T_map_kf)
        return self._paths.add_place(step)

    # ---- propose ----------------------------------------------------------------------------------

    def _nearby(self, place: int) -> list[int]:
        """Return the place before, and older ones that should be near, the nearest first."""
        walks = self._paths.walks_from(place)
        older = range(self._first_near(place))
        off_m = {
            other: float(np.linalg.norm(walks[other].T_start_end[:3, 3]))
            for other in older
            if other in walks and self._paths.reach_m(walks[other].length_m) < NEARBY_REACH_M
        }
        within_m = self._config.max_range_m / 2
        near = sorted((other for other in off_m if off_m[other] < within_m), key=off_m.__getitem__)
        return [other for other in (place - 1,) if other in walks] + near[: self._config.neighbours]

    def _first_near(self, place: int) -> int:
        """Return how many places lie farther back along the path than the least gap."""
        begin_m = self._at(place).path_m - self._config.min_gap_m
        return next((i for i in range(place) if self._at(i).path_m > begin_m), place)

    # ---- verify -----------------------------------------------------------------------------------

    def _try(self, older: int, place: int) -> list[Loop]:
        """Register a candidate and judge it; returns the loops that are accepted by that."""
        a, b = self._surface(older), self._surface(place)
        if min(a.is_upright.sum(), b.is_upright.sum()) < MIN_UPRIGHT_POINTS:
            return []
        walk = self._paths.walks_from(older).get(place)
        starts = [] if walk is None else [_between_local(a.local, walk.T_start_end, b.local)]
        if walk is None or self._paths.reach_m(walk.length_m) > START_REACH_M:
            starts += starts_by_correlation(a, b, limit=STARTS)
        found = register(a, b, starts=starts)
        if found is None:
            return []
        loop = _loop(older, place, found, self._places)
        is_surprise = walk is None or walk.length_m > self._config.support_m
        verdict = self._defect(found, is_surprise) or self._paths.judge(loop, walk, self._pending())
        self._loops.append(replace(loop, verdict=verdict))
        if verdict is not Verdict.ACCEPTED:
            return []
        self._paths.add_loop(loop)
        return [self._loops[-1], *(self._accept_pending() if is_surprise else [])]

    def _defect(self, found: Registration, is_surprise: bool) -> Verdict | None:
        """Return what speaks against a registration by itself; less will do where it is expected."""
        config = self._config
        min_overlap = config.min_overlap if is_surprise else config.min_overlap_nearby
        covariance = np.linalg.inv(found.information)[:3, :3]
        tilt = float(np.arccos(np.clip(found.T_a_b[2, 2], -1.0, 1.0)))
        tests = (
            (Verdict.OVERLAP, found.overlap < min_overlap),
            (Verdict.RESIDUAL, found.residual_m > config.max_residual_m),
            (Verdict.SEEN_THROUGH, found.seen_through > config.max_seen_through),
            (Verdict.SLIDES, np.linalg.eigvalsh(covariance)[-1] > config.max_sigma_m**2),
            (Verdict.TILTED, tilt > MAX_TILT_RAD),
        )
        return next((verdict for verdict, is_so in tests if is_so), None)

    # ---- agree ------------------------------------------------------------------------------------

    def _pending(self) -> list[Loop]:
        return [loop for loop in self._loops if loop.verdict is Verdict.PENDING]

    def _accept_pending(self) -> list[Loop]:
        """Judge the pending loops again, after one was accepted that shortens walks."""
        accepted: list[Loop] = []
        for index, loop in enumerate(self._loops):
            if loop.verdict is Verdict.PENDING:
                walk = self._paths.walks_from(loop.place_from).get(loop.place_to)
                verdict = self._paths.judge(loop, walk, ())
                self._loops[index] = replace(loop, verdict=verdict)
                if verdict is Verdict.ACCEPTED:
                    self._paths.add_loop(loop)
                    accepted.append(self._loops[index])
        return accepted

    def _at(self, place: int) -> _Waypoint:
        return self._waypoints[self._places[place].keyframe_id]

    def _odometry(self, a: int, b: int) -> Edge:
        """Return the edge from a keyframe to the next."""
        before, here = self._waypoints[a], self._waypoints[b]
        config = self._config
        step_m, turned_rad = here.path_m - before.path_m, here.turned_rad - before.turned_rad
        sigma_m = STILL_SIGMA_M + config.drift_ratio * step_m
        sigma_rad = (
            STILL_SIGMA_RAD
            + config.drift_rad_per_m * step_m
            + config.drift_rad_per_rad * turned_rad
        )
        information = np.diag(1 / np.repeat([sigma_m, sigma_rad], 3) ** 2)
        return Edge(a, b, inverse(before.T_map_kf) @ here.T_map_kf, information)


def _between_local(a: LocalMap, T_a_b: Pose, b: LocalMap) -> Pose:
    """Return how local map b lies in a, of the pose of b's keyframe in a's."""
    return a.T_local_kf @ T_a_b @ inverse(b.T_local_kf)


def _loop(older: int, place: int, found: Registration, places: Sequence[LocalMap]) -> Loop:
    a, b = places[older], places[place]
    J = np.kron(
        np.eye(2), b.T_local_kf[:3, :3]
    )  # a motion in the frame of the keyframe to one in b
    T_kf_kf = inverse(a.T_local_kf) @ found.T_a_b @ b.T_local_kf
    information = J.T @ found.information @ J
    return Loop(
        place_from=older,
        place_to=place,
        edge=Edge(a.keyframe_id, b.keyframe_id, T_kf_kf, information, EdgeKind.LOOP),
        overlap=found.overlap,
        residual_m=found.residual_m,
        seen_through=found.seen_through,
        horizon=found.horizon,
        verdict=Verdict.PENDING,
    )

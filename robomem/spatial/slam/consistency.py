"""Do loops agree with odometry and with each other: where a walk along the graph leads, and how surely."""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import count

import numpy as np

from robomem.geometry import Pose, inverse, rotation_angle
from robomem.spatial.slam.pose_graph import Edge
from robomem.spatial.slam.settings import SlamConfig

SIGMAS = 3.0
SLACK_M, SLACK_RAD = 0.15, 0.05  # what registration and the odometry inside a local map may add
LOOP_LENGTH_M = 0.3  # a loop is as sure as odometry of this length


class Verdict(StrEnum):
    """What became of a candidate; all but ACCEPTED and PENDING are reasons to reject it."""

    ACCEPTED = "accepted"
    PENDING = "pending"  # nothing speaks against it, and no other loop for it
    OVERLAP = "overlap"  # too little in common
    RESIDUAL = "residual"  # what is in common lies too far apart
    SEEN_THROUGH = "seen_through"  # rays of one passed through what stands in the other
    SLIDES = "slides"  # what is in common does not fix one on the other
    TILTED = "tilted"  # one would not stand upright
    ODOMETRY = "odometry"  # odometry and the loops accepted so far lead elsewhere
    GRAPH = "graph"  # accepted at first, left out by the robust optimum


@dataclass(frozen=True, slots=True, eq=False)
class Loop:
    """A candidate that was registered, and what became of it.

    Attributes:
        place_from: Number of the older local map.
        place_to: Number of the newer one.
        edge: The measured pose of the newer's keyframe in the older's.
        overlap: See `Registration`, as the next three.
        residual_m: Metres.
        seen_through: In [0, 1].
        horizon: In [0, 1].
        verdict: Accepted, or why not.
    """

    place_from: int
    place_to: int
    edge: Edge
    overlap: float
    residual_m: float
    seen_through: float
    horizon: float
    verdict: Verdict


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """Where a walk along the graph ends: its length in metres of odometry, and the pose there."""

    length_m: float
    T_start_end: Pose


class PathGraph:
    """Places along the path, joined by odometry and by accepted loops.

    What is asked of it, it answers by the shortest walk: that is the surest one.
    """

    def __init__(self, config: SlamConfig) -> None:
        self._config = config
        self._steps: list[list[tuple[int, Walk]]] = []  # per place: where to, and how

    def __len__(self) -> int:
        return len(self._steps)

    def add_place(self, step: Walk | None) -> None:
        """Add the next place, by odometry from the one before; None where that breaks off."""
        self._steps.append([])
        if step is not None:
            self._join(len(self) - 2, len(self) - 1, step)

    def add_loop(self, loop: Loop) -> None:
        """Join two places by an accepted loop."""
        self._join(loop.place_from, loop.place_to, Walk(LOOP_LENGTH_M, loop.edge.T_from_to))

    def walks_from(self, start: int) -> dict[int, Walk]:
        """Return the shortest walk to every place that can be reached. Dijkstra, 1959."""
        walks: dict[int, Walk] = {}
        pushed = count()  # of walks of one length the first one counts
        queue = [(0.0, next(pushed), start, np.eye(4))]
        while queue:
            length_m, _, place, T_start_here = heapq.heappop(queue)
            if place in walks:
                continue
            walks[place] = Walk(length_m, T_start_here)
            for there, step in self._steps[place]:
                if there not in walks:
                    T = T_start_here @ step.T_start_end
                    heapq.heappush(queue, (length_m + step.length_m, next(pushed), there, T))
        return walks

    def judge(self, loop: Loop, walk: Walk | None, pending: Iterable[Loop]) -> Verdict:
        """Tell what speaks for a loop.

        Args:
            loop: What was registered.
            walk: From its older to its newer place, None where there is none. A short one decides.
            pending: Without a short one, loops of which some have to lead to the same.
        """
        if walk is not None:
            if not self._agree(inverse(walk.T_start_end) @ loop.edge.T_from_to, walk.length_m):
                return Verdict.ODOMETRY
            if walk.length_m <= self._config.support_m:
                return Verdict.ACCEPTED
        supporters = list(self._supporters(loop, pending))
        horizon = loop.horizon + sum(other.horizon for other in supporters)
        is_sure = bool(supporters) and horizon >= self._config.min_horizon
        return Verdict.ACCEPTED if is_sure else Verdict.PENDING

    def _supporters(self, loop: Loop, pending: Iterable[Loop]) -> Iterator[Loop]:
        """Yield the loops between other places with which it makes a short cycle that closes.

        Mangelson et al., "Pairwise consistent measurement set maximization", 2018, Equation (4).
        """
        walks_from, walks_to = (self.walks_from(p) for p in (loop.place_from, loop.place_to))
        used = {loop.place_from, loop.place_to}  # one look that deceives does so again
        for other in pending:
            here, there = walks_from.get(other.place_from), walks_to.get(other.place_to)
            if here is None or there is None or used & {other.place_from, other.place_to}:
                continue
            length_m = here.length_m + there.length_m + LOOP_LENGTH_M
            T = here.T_start_end @ other.edge.T_from_to @ inverse(there.T_start_end)
            is_short = length_m <= self._config.support_m
            if is_short and self._agree(inverse(T) @ loop.edge.T_from_to, length_m):
                used |= {other.place_from, other.place_to}
                yield other

    def reach_m(self, length_m: float) -> float:
        """Return how far off the end of a walk may be."""
        return SLACK_M + SIGMAS * self._config.drift_ratio * length_m

    def _agree(self, T_error: Pose, length_m: float) -> bool:
        reach_rad = SLACK_RAD + SIGMAS * self._config.drift_rad_per_m * length_m
        return bool(
            np.linalg.norm(T_error[:3, 3]) <= self.reach_m(length_m)
            and rotation_angle(T_error[:3, :3]) <= reach_rad
        )

    def _join(self, a: int, b: int, step: Walk) -> None:
        self._steps[a].append((b, step))
        self._steps[b].append((a, Walk(step.length_m, inverse(step.T_start_end))))

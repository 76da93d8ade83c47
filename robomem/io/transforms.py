"""A time-indexed tree of frames, after tf2 (Foote, "tf: The transform library", 2013), without ROS."""

from bisect import bisect_left
from dataclasses import dataclass, field

import numpy as np

from robomem.errors import FrameError, Reason
from robomem.geometry import Pose, interpolate, inverse, is_pose

NS_PER_S = 1_000_000_000


class TransformBuffer:
    """Poses of frames in their parents over time; looks up any frame in any other.

    Args:
        tolerance_s: A sample is held this long before the first and after the last one.
        history_s: Samples of an edge farther than this from its newest arrival are forgotten. So a clock
            that jumps, either way, empties an edge instead of spoiling it.
        correction_frame: The parent of corrections (map, of map -> odom). They change slowly, and
            localisers stamp them into the future, so they are held for `correction_tolerance_s`.
        correction_tolerance_s: See there.
    """

    def __init__(
        self,
        *,
        tolerance_s: float,
        history_s: float,
        correction_frame: str = "map",
        correction_tolerance_s: float = 0.0,
    ) -> None:
        self._tolerance_ns = round(tolerance_s * NS_PER_S)
        self._correction_frame = correction_frame
        self._correction_tolerance_ns = round(max(correction_tolerance_s, tolerance_s) * NS_PER_S)
        self._history_ns = round(history_s * NS_PER_S)
        self._edges: dict[str, _Edge] = {}  # by child
        self._frames: set[str] = set()

    def insert(
        self, T_parent_child: Pose, *, parent: str, child: str, stamp_ns: int | None
    ) -> None:
        """Add the pose of `child` in `parent`; `stamp_ns` None holds at all times.

        A child that gets another parent leaves the old one.

        Raises:
            FrameError: The pose is no rigid motion, or the edge would close a loop.
        """
        if not is_pose(T_parent_child):
            raise FrameError(f"{parent} -> {child} is no rigid motion", reason=Reason.POSE_INVALID)
        if not parent or child in self._chain(parent):
            raise FrameError(
                f"{parent!r} -> {child!r} would close a loop", reason=Reason.NO_TRANSFORM
            )
        edge = self._edges.get(child)
        if edge is None or edge.parent != parent or edge.is_static != (stamp_ns is None):
            edge = self._edges[child] = _Edge(parent, is_static=stamp_ns is None)
            self._frames |= {parent, child}
        edge.insert(T_parent_child, stamp_ns=stamp_ns or 0, history_ns=self._history_ns)

    def has_frame(self, frame: str) -> bool:
        """Tell whether the tree ever held the frame."""
        return frame in self._frames

    def is_connected(self, target: str, source: str) -> bool:
        """Tell whether there is a path between two frames, at whatever time."""
        return self._path(target, source) is not None

    def is_on_path(self, target: str, frame: str, source: str) -> bool:
        """Tell whether the way from target to source passes through a frame, its ends included."""
        path = self._path(target, source)
        return path is not None and (frame in (target, source) or frame in path[0] + path[1])

    def covers(self, target: str, source: str, stamp_ns: int) -> bool:
        """Tell whether `lookup` would interpolate only: no edge needs to be held beyond its samples."""
        path = self._path(target, source)
        return path is not None and all(
            self._edges[child].covers(stamp_ns) for child in path[0] + path[1]
        )

    def lookup(self, target: str, source: str, stamp_ns: int) -> Pose:
        """Return T_target_source at that time, (4, 4), interpolated between the samples around it.

        Raises:
            FrameError: There is no path, or a sample near enough is missing; the message says which.
        """
        path = self._path(target, source)
        if path is None:
            tree = ", ".join(
                f"{edge.parent} -> {child}" for child, edge in sorted(self._edges.items())
            )
            raise FrameError(
                f"no path from {target} to {source}: the tree has {tree or 'no transforms'}",
                reason=Reason.NO_TRANSFORM,
            )
        up, down = path
        T_common_target = self._compose(up, stamp_ns)
        T_common_source = self._compose(down, stamp_ns)
        return inverse(T_common_target) @ T_common_source

    def _compose(self, children: list[str], stamp_ns: int) -> Pose:
        T = np.eye(4)
        for child in children:  # from the leaf up
            T = self._sample(child, stamp_ns) @ T
        return T

    def _sample(self, child: str, stamp_ns: int) -> Pose:
        edge = self._edges[child]
        is_correction = edge.parent == self._correction_frame
        tolerance_ns = self._correction_tolerance_ns if is_correction else self._tolerance_ns
        T = edge.sample(stamp_ns, tolerance_ns=tolerance_ns)
        if T is None:
            raise FrameError(
                f"no transform {edge.parent} -> {child} at {stamp_ns}:"
                f" it is known from {edge.stamps[0]} to {edge.stamps[-1]}",
                reason=Reason.NO_TRANSFORM,
            )
        return T

    def _path(self, target: str, source: str) -> tuple[list[str], list[str]] | None:
        """Return the children on the way from target and from source up to their common ancestor."""
        up, down = self._chain(target), self._chain(source)
        if up[-1] != down[-1]:
            return None
        while up and down and up[-1] == down[-1]:
            up.pop()
            down.pop()
        return up, down

    def _chain(self, frame: str) -> list[str]:
        """Return the frame, its parent and so on to the root; `insert` lets no loop in."""
        chain = [frame]
        while (edge := self._edges.get(chain[-1])) is not None:
            chain.append(edge.parent)
        return chain


@dataclass(slots=True)
class _Edge:
    """The samples of one child in one parent, in order of time."""

    parent: str
    is_static: bool
    stamps: list[int] = field(default_factory=list)
    poses: list[Pose] = field(default_factory=list)

    def insert(self, T_parent_child: Pose, *, stamp_ns: int, history_ns: int) -> None:
        if self.is_static:
            self.stamps, self.poses = [stamp_ns], [T_parent_child]
            return
        i = bisect_left(self.stamps, stamp_ns)
        if i < len(self.stamps) and self.stamps[i] == stamp_ns:
            self.poses[i] = T_parent_child
            return
        self.stamps.insert(i, stamp_ns)
        self.poses.insert(i, T_parent_child)
        for gone in (
            slice(bisect_left(self.stamps, stamp_ns + history_ns + 1), None),
            slice(None, bisect_left(self.stamps, stamp_ns - history_ns)),
        ):
            del self.stamps[gone], self.poses[gone]

    def covers(self, stamp_ns: int) -> bool:
        return self.is_static or self.stamps[0] <= stamp_ns <= self.stamps[-1]

    def sample(self, stamp_ns: int, *, tolerance_ns: int) -> Pose | None:
        if self.is_static:
            return self.poses[0]
        i = bisect_left(self.stamps, stamp_ns)
        if i == len(self.stamps):
            return self.poses[-1] if stamp_ns - self.stamps[-1] <= tolerance_ns else None
        if self.stamps[i] == stamp_ns:
            return self.poses[i]
        if i == 0:
            return self.poses[0] if self.stamps[0] - stamp_ns <= tolerance_ns else None
        fraction = (stamp_ns - self.stamps[i - 1]) / (self.stamps[i] - self.stamps[i - 1])
        return interpolate(self.poses[i - 1], self.poses[i], fraction)

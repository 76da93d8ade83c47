"""Where a sensor was when it measured: from transforms, else from odometry, else from pose messages."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from robomem.config import IoConfig
from robomem.errors import DataError, FrameError
from robomem.geometry import R_BODY_OPTICAL, Pose, pose
from robomem.io.ros_messages import frame, pose_of, stamp_ns, transform_of
from robomem.io.transforms import TransformBuffer

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Placement:
    """The pose fields of an observation: `T_map_cam`, or `T_odom_base` with `T_base_cam`, or all."""

    T_map_cam: Pose | None = None
    T_odom_base: Pose | None = None
    T_base_cam: Pose | None = None

    @property
    def T_fixed_cam(self) -> Pose:
        """The pose of the sensor in whichever fixed frame it is known, (4, 4)."""
        if self.T_map_cam is not None:
            return self.T_map_cam
        assert self.T_odom_base is not None
        return self.T_odom_base if self.T_base_cam is None else self.T_odom_base @ self.T_base_cam


class Localizer:
    """Listens to transforms, odometry and poses; places sensors in map, or in odom without a map.

    Odometry and pose messages become edges of the tree where no transform says the same.

    Args:
        config: Names of the fixed frames, tolerance and history.
        has_transforms: Whether transforms are expected at all: then a sensor waits for them.
    """

    def __init__(self, config: IoConfig, *, has_transforms: bool) -> None:
        self._config = config
        self._has_transforms = has_transforms
        self._tree = TransformBuffer(
            tolerance_s=config.transform_tolerance_s,
            history_s=config.transform_history_s,
            correction_frame=config.map_frame,
            correction_tolerance_s=config.correction_tolerance_s,
        )
        self._tf_children: set[str] = set()
        self._map_frames = [
            config.map_frame
        ]  # the configured one first, then those of pose messages
        self._odom_frames = [config.odom_frame]
        self._body: str | None = None  # the child of odometry and pose messages
        self._guessed: set[str] = set()

    def take_transforms(
        self, message: Any, *, is_static: bool, received_ns: int
    ) -> Iterable[DataError]:
        """Learn a TFMessage; yield an error for every transform in it that is wrong."""
        for transform in message.transforms:
            try:
                self._take_transform(transform, is_static=is_static, received_ns=received_ns)
            except DataError as err:
                yield err

    def take_odometry(self, message: Any, *, received_ns: int) -> None:
        """Learn an Odometry message; raises DataError when its pose is wrong."""
        child = frame(message.child_frame_id) or self._config.base_frames[0]
        self._take_pose(message, child=child, received_ns=received_ns, roots=self._odom_frames)

    def take_pose(self, message: Any, *, received_ns: int) -> None:
        """Learn a PoseStamped or PoseWithCovarianceStamped of the base; raises DataError when it is wrong."""
        self._take_pose(
            message, child=self._base(), received_ns=received_ns, roots=self._map_frames
        )

    def is_settled(self, sensor: str, at_ns: int) -> bool:
        """Tell whether more messages cannot better the placement of a sensor at that time."""
        seen_from = self._body if self._is_unmounted(sensor) else sensor
        root = None if seen_from is None else self._root(seen_from)
        return root is not None and self._tree.covers(root, seen_from or "", at_ns)

    def place(self, sensor: str, at_ns: int, *, is_camera: bool = False) -> Placement:
        """Return where a sensor was; raises FrameError(NO_TRANSFORM) when nothing says.

        Without any stream of transforms the sensor is taken to be at the body, a camera looking forward.
        """
        if self._is_unmounted(sensor) and self._body is not None:
            if sensor not in self._guessed:
                self._guessed.add(sensor)
                logger.warning("no transforms: %s is taken to be at %s", sensor, self._body)
            return self._mount(self.place(self._body, at_ns), is_camera=is_camera)
        root = self._root(sensor)
        if root is None or root in self._map_frames:
            T_map_cam = self._tree.lookup(root or self._config.map_frame, sensor, at_ns)
            mount = None if root is None else self._mount_of(root, sensor, at_ns)
            return Placement(
                T_map_cam=T_map_cam, T_odom_base=self._odometry_of(sensor, at_ns), T_base_cam=mount
            )
        base = self._base_on_the_way(root, sensor)
        return Placement(
            T_odom_base=self._tree.lookup(root, base, at_ns),
            T_base_cam=self._mount_of(root, sensor, at_ns),
        )

    def is_odometry_settled(self, message: Any, at_ns: int) -> bool:
        """Tell whether an odometry message can be placed in map at its time, or there is no map."""
        parent = frame(message.header.frame_id)
        return not self._tree.has_frame(self._config.map_frame) or self._tree.covers(
            self._config.map_frame, parent, at_ns
        )

    def place_odometry(self, message: Any, at_ns: int) -> Placement:
        """Return where the base was by its own message: in map where that covers it, else in odom."""
        T_odom_base = pose_of(message)
        try:
            T_map_odom = self._tree.lookup(
                self._config.map_frame, frame(message.header.frame_id), at_ns
            )
        except FrameError:  # no map, or not at that time: odom is the next best
            return Placement(T_odom_base=T_odom_base)
        return Placement(T_map_cam=T_map_odom @ T_odom_base, T_odom_base=T_odom_base)

    def place_pose(self, message: Any, at_ns: int) -> Placement:
        """Return where the base was by a pose message; the frame it names is map, or leads to it."""
        T_parent_base = pose_of(message)
        parent = frame(message.header.frame_id)
        if not self._tree.is_connected(self._config.map_frame, parent):
            return Placement(T_map_cam=T_parent_base)
        return Placement(
            T_map_cam=self._tree.lookup(self._config.map_frame, parent, at_ns) @ T_parent_base
        )

    def base_in_map(self, at_ns: int) -> Pose:
        """Return T_map_base; raises FrameError(NO_TRANSFORM)."""
        return self.between(self._config.map_frame, self._base(), at_ns)

    def between(self, target: str, source: str, at_ns: int) -> Pose:
        """Return T_target_source; raises FrameError(NO_TRANSFORM)."""
        return self._tree.lookup(target, source, at_ns)

    def _take_transform(self, transform: Any, *, is_static: bool, received_ns: int) -> None:
        child = frame(transform.child_frame_id)
        at_ns = None if is_static else (stamp_ns(transform.header) or received_ns)
        self._tree.insert(
            transform_of(transform.transform),
            parent=frame(transform.header.frame_id),
            child=child,
            stamp_ns=at_ns,
        )
        self._tf_children.add(child)

    def _take_pose(self, message: Any, *, child: str, received_ns: int, roots: list[str]) -> None:
        T_parent_child = pose_of(message)
        parent = frame(message.header.frame_id) or roots[0]
        at_ns = stamp_ns(message.header) or received_ns
        self._body = child
        if child in self._tf_children:
            return
        self._tree.insert(T_parent_child, parent=parent, child=child, stamp_ns=at_ns)
        if parent not in roots:
            roots.append(parent)

    def _base(self) -> str:
        """Return what the robot's body is called here."""
        known = (base for base in self._config.base_frames if self._tree.has_frame(base))
        return next(known, self._config.base_frames[0])

    def _is_unmounted(self, sensor: str) -> bool:
        """Tell whether nothing says, or will say, where on the robot the sensor is."""
        return not self._has_transforms and self._root(sensor) is None and self._body is not None

    def _mount(self, body: Placement, *, is_camera: bool) -> Placement:
        T_base_cam = pose(R_BODY_OPTICAL if is_camera else np.eye(3), np.zeros(3))
        if body.T_map_cam is not None:
            return replace(body, T_map_cam=body.T_map_cam @ T_base_cam, T_base_cam=T_base_cam)
        return replace(body, T_base_cam=T_base_cam)

    def _mount_of(self, root: str, sensor: str, at_ns: int) -> Pose | None:
        """Return T_base_cam where the sensor is not the base itself."""
        base = self._base_on_the_way(root, sensor)
        return None if base == sensor else self._tree.lookup(base, sensor, at_ns)

    def _odometry_of(self, sensor: str, at_ns: int) -> Pose | None:
        """Return T_odom_base where the sensor hangs below an odometry, else None."""
        for odom in self._odom_frames:
            if self._tree.is_connected(odom, sensor):
                base = self._base_on_the_way(odom, sensor)
                try:
                    return self._tree.lookup(odom, base, at_ns)
                except FrameError:  # it only measures the path
                    return None
        return None

    def _root(self, sensor: str) -> str | None:
        """Return the best fixed frame that the sensor is connected to."""
        roots = self._map_frames + self._odom_frames
        return next((root for root in roots if self._tree.is_connected(root, sensor)), None)

    def _base_on_the_way(self, odom: str, sensor: str) -> str:
        bases = (*self._config.base_frames, *([self._body] if self._body else []))
        return next((base for base in bases if self._tree.is_on_path(odom, base, sensor)), sensor)

"""What the assembler puts together and hands out: arrivals with their partners, decoded only when loaded."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robomem.errors import FormatError, Reason
from robomem.geometry import Depth, Pose, transform
from robomem.io import ros_messages
from robomem.io.localization import Placement
from robomem.types import Detection, Observation


class Role(StrEnum):
    """What a topic is used for."""

    DEPTH = "depth"
    COLOR = "color"
    DEPTH_INFO = "depth_info"
    COLOR_INFO = "color_info"
    POINTS = "points"
    SCAN = "scan"
    ODOM = "odom"
    POSE = "pose"
    TF = "tf"
    TF_STATIC = "tf_static"
    DETECTIONS = "detections"
    TOLD = "told"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class Draft:
    """An observation to be. `load` decodes it, and raises DataError when it cannot be used."""

    stamp_ns: int
    load: Callable[[], Observation]


@dataclass(frozen=True, slots=True, order=True)
class Arrival:
    """A message with its place in the order of stamps."""

    stamp_ns: int
    sequence: int
    topic: str = field(compare=False)
    role: Role = field(compare=False)
    message: Any = field(compare=False)
    received_ns: int = field(compare=False)

    @property
    def frame(self) -> str:
        """The frame that it was measured in."""
        return ros_messages.frame(self.message.header.frame_id)


@dataclass(frozen=True, slots=True, eq=False)
class Partners:
    """What was measured together with an anchor."""

    depth_info: Arrival | None = None
    color_info: Arrival | None = None
    color: Arrival | None = None
    detections: Arrival | None = None
    T_cam_seen: Pose = field(default_factory=lambda: np.eye(4))


def observe(anchor: Arrival, place: Placement, partners: Partners, *, source: str) -> Observation:
    """Decode an anchor with its partners; raises DataError."""
    try:
        return _decoded(anchor, place, partners, source)
    except AttributeError as err:
        raise misfit(anchor.topic, err) from err


def misfit(topic: str, err: AttributeError) -> FormatError:
    """Return the error for a message whose type is not what its name says: a bag defines its own."""
    return FormatError(f"{topic}: {err}", reason=Reason.MESSAGE_CORRUPT)


def _decoded(anchor: Arrival, place: Placement, partners: Partners, source: str) -> Observation:
    is_depth = anchor.role is Role.DEPTH
    depth_m = ros_messages.depth_image(anchor.message) if is_depth else None
    K = _intrinsics(anchor, partners.depth_info, depth_m) if depth_m is not None else None
    return Observation(
        stamp_ns=anchor.stamp_ns,
        source=source,
        T_map_cam=place.T_map_cam,
        T_odom_base=place.T_odom_base,
        T_base_cam=place.T_base_cam,
        depth_m=depth_m,
        K=K,
        points_cam=_POINTS[anchor.role](anchor.message) if anchor.role in _POINTS else None,
        color=ros_messages.color_image(partners.color.message) if partners.color else None,
        detections=_detections(place, partners, K),
    )


_POINTS = {Role.POINTS: ros_messages.cloud_points, Role.SCAN: ros_messages.scan_points}


def _intrinsics(anchor: Arrival, info: Arrival | None, depth_m: Depth) -> NDArray[np.float64]:
    if info is None:
        raise FormatError(f"{anchor.topic} has no camera info", reason=Reason.INTRINSICS_INVALID)
    size = (int(info.message.height), int(info.message.width))
    if size not in ((0, 0), depth_m.shape):
        raise FormatError(
            f"{info.topic} is for images of {size}, {anchor.topic} has {depth_m.shape}",
            reason=Reason.DEPTH_SHAPE,
        )
    return ros_messages.intrinsics(info.message, is_rectified="rect" in anchor.topic)


def _detections(
    place: Placement, partners: Partners, K_depth: NDArray[np.float64] | None
) -> tuple[Detection, ...]:
    if partners.detections is None:
        return ()
    T_cam_seen = partners.T_cam_seen
    R_map_seen = place.T_fixed_cam[:3, :3] @ T_cam_seen[:3, :3]
    found = ros_messages.detections_of(partners.detections.message, R_map_cam=R_map_seen)
    if partners.color_info is None or K_depth is None:
        return tuple(_moved(detection, T_cam_seen) for detection in found)
    K_color = ros_messages.intrinsics(partners.color_info.message)
    return tuple(_moved(_seen_in_depth(each, K_color, K_depth), T_cam_seen) for each in found)


def _moved(detection: Detection, T_cam_seen: Pose) -> Detection:
    if detection.p_cam is None:
        return detection
    return replace(detection, p_cam=transform(T_cam_seen, detection.p_cam))


def _seen_in_depth(
    detection: Detection, K_color: NDArray[np.float64], K_depth: NDArray[np.float64]
) -> Detection:
    """Carry a box from the colour image to the depth image, which looks from the same place."""
    if detection.box_px is None:
        return detection
    corners = np.column_stack([detection.box_px.reshape(2, 2), np.ones(2)])
    box_px = (corners @ (K_depth @ np.linalg.inv(K_color)).T)[:, :2].reshape(4)
    return replace(detection, box_px=box_px)

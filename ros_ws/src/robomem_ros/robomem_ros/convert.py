"""Core types to ROS messages and back. Pure: no ROS is imported, so it is tested without.

Messages are duck-typed. `Factory` makes an empty one by its name, as in `make("nav_msgs/Path")`.
What a message of a sensor means is said in `robomem.io.ros_messages`, which a bag replay shares.
"""

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from robomem.errors import FormatError, QueryError, Reason
from robomem.geometry import Depth, Points, Pose, quaternion_from_rotation
from robomem.io.ros_messages import NS_PER_S, pose_of, time_ns
from robomem.spatial.octree import OccupancyGrid
from robomem.types import Answer, Detection, Entity, Evidence, Hit, Query, QueryKind

Factory = Callable[[str], Any]
_QUERY = TypeAdapter(Query)
NO_KEYFRAME = -1


# --- time and space


def time(stamp_ns: int, *, make: Factory) -> Any:
    """Return a builtin_interfaces/Time."""
    message = make("builtin_interfaces/Time")
    message.sec, message.nanosec = divmod(stamp_ns, NS_PER_S)
    return message


def header(stamp_ns: int, frame_id: str, *, make: Factory) -> Any:
    """Return a std_msgs/Header."""
    message = make("std_msgs/Header")
    message.stamp = time(stamp_ns, make=make)
    message.frame_id = frame_id
    return message


def point(p: Sequence[float], *, make: Factory) -> Any:
    """Return a geometry_msgs/Point of (x, y, z), or of (x, y) on the floor."""
    message = make("geometry_msgs/Point")
    _set_xyz(message, (*p, 0.0)[:3])
    return message


def pose(T: Pose, *, make: Factory) -> Any:
    """Return a geometry_msgs/Pose of T (4, 4)."""
    message = make("geometry_msgs/Pose")
    _set_xyz(message.position, T[:3, 3])
    _set_rotation(message.orientation, T)
    return message


def transform(
    T_parent_child: Pose, *, parent: str, child: str, stamp_ns: int, make: Factory
) -> Any:
    """Return a geometry_msgs/TransformStamped."""
    message = make("geometry_msgs/TransformStamped")
    message.header = header(stamp_ns, parent, make=make)
    message.child_frame_id = child
    _set_xyz(message.transform.translation, T_parent_child[:3, 3])
    _set_rotation(message.transform.rotation, T_parent_child)
    return message


def transforms(messages: Iterable[Any], *, make: Factory) -> Any:
    """Return a tf2_msgs/TFMessage of TransformStamped."""
    message = make("tf2_msgs/TFMessage")
    message.transforms = list(messages)
    return message


def odometry(T_odom_base: Pose, *, odom: str, base: str, stamp_ns: int, make: Factory) -> Any:
    """Return a nav_msgs/Odometry without a velocity."""
    message = make("nav_msgs/Odometry")
    message.header = header(stamp_ns, odom, make=make)
    message.child_frame_id = base
    message.pose.pose = pose(T_odom_base, make=make)
    return message


def path(waypoints_map: Points, *, stamp_ns: int, make: Factory) -> Any:
    """Return a nav_msgs/Path of waypoints (N, 3) in map; every one looks towards the next."""
    message = make("nav_msgs/Path")
    message.header = header(stamp_ns, "map", make=make)
    ahead = np.diff(waypoints_map[:, :2], axis=0, append=waypoints_map[-1:, :2])
    yaws_rad = np.arctan2(ahead[:, 1], ahead[:, 0])
    yaws_rad[-1:] = yaws_rad[-2:-1] if len(yaws_rad) > 1 else 0.0
    message.poses = []
    for waypoint, yaw_rad in zip(waypoints_map, yaws_rad, strict=True):
        stamped = make("geometry_msgs/PoseStamped")
        stamped.header = message.header
        _set_xyz(stamped.pose.position, waypoint)
        stamped.pose.orientation.z = float(np.sin(yaw_rad / 2))
        stamped.pose.orientation.w = float(np.cos(yaw_rad / 2))
        message.poses.append(stamped)
    return message


def stamped_poses_of(message: Any) -> tuple[list[int], list[Pose]]:
    """Return the stamps, in nanoseconds, and the poses (4, 4) of a nav_msgs/Path."""
    stamps_ns = [time_ns(stamped.header.stamp) for stamped in message.poses]
    return stamps_ns, [pose_of(stamped) for stamped in message.poses]


def waypoints_of(message: Any) -> Points:
    """Return the waypoints (N, 3) of a nav_msgs/Path, in its frame."""
    return np.array([xyz_of(stamped.pose.position) for stamped in message.poses]).reshape(-1, 3)


def xyz_of(message: Any) -> NDArray[np.float64]:
    """Return a geometry_msgs/Point or Vector3 as (3,)."""
    return np.array([message.x, message.y, message.z], dtype=np.float64)


# --- sensors


def depth_image(depth_m: Depth, *, frame_id: str, stamp_ns: int, make: Factory) -> Any:
    """Return a sensor_msgs/Image, 32FC1, of depth (H, W) metres."""
    return _image(
        depth_m.astype("<f4", copy=False),
        encoding="32FC1",
        frame_id=frame_id,
        stamp_ns=stamp_ns,
        make=make,
    )


def color_image(color: NDArray[np.uint8], *, frame_id: str, stamp_ns: int, make: Factory) -> Any:
    """Return a sensor_msgs/Image, rgb8, of colour (H, W, 3)."""
    return _image(color, encoding="rgb8", frame_id=frame_id, stamp_ns=stamp_ns, make=make)


def camera_info(
    K: NDArray[np.float64], *, shape: Sequence[int], frame_id: str, stamp_ns: int, make: Factory
) -> Any:
    """Return a sensor_msgs/CameraInfo of a camera without distortion; shape is (H, W)."""
    message = make("sensor_msgs/CameraInfo")
    message.header = header(stamp_ns, frame_id, make=make)
    message.height, message.width = int(shape[0]), int(shape[1])
    message.distortion_model = "plumb_bob"
    message.d = [0.0] * 5
    message.k = K.ravel().tolist()
    message.r = np.eye(3).ravel().tolist()
    message.p = np.column_stack([K, np.zeros(3)]).ravel().tolist()
    return message


def detection_array(
    detections: Iterable[Detection], *, frame_id: str, stamp_ns: int, make: Factory
) -> Any:
    """Return a robomem_msgs/DetectionArray of one image."""
    message = make("robomem_msgs/DetectionArray")
    message.header = header(stamp_ns, frame_id, make=make)
    message.detections = [_detection(detection, make) for detection in detections]
    return message


# --- answers


def entity(held: Entity, *, make: Factory) -> Any:
    """Return a robomem_msgs/Entity."""
    message = make("robomem_msgs/Entity")
    message.entity_id = held.entity_id
    message.label = held.label
    message.state = str(held.state)
    _set_xyz(message.p_map, held.p_map)
    if held.size_m is not None:
        _set_xyz(message.size_m, held.size_m)
    message.first_seen = time(held.first_seen_ns, make=make)
    message.last_seen = time(held.last_seen_ns, make=make)
    message.sightings = held.sightings
    message.keyframe_id = held.keyframe_id
    message.confidence = float(held.confidence)
    return message


def entity_array(entities: Iterable[Entity], *, stamp_ns: int, make: Factory) -> Any:
    """Return a robomem_msgs/EntityArray."""
    message = make("robomem_msgs/EntityArray")
    message.header = header(stamp_ns, "map", make=make)
    message.entities = [entity(held, make=make) for held in entities]
    return message


def evidence(why: Evidence, *, make: Factory) -> Any:
    """Return a robomem_msgs/Evidence."""
    message = make("robomem_msgs/Evidence")
    message.keyframe_id = NO_KEYFRAME if why.keyframe_id is None else why.keyframe_id
    message.stamp = time(why.stamp_ns, make=make)
    message.pose_map_kf = pose(np.eye(4) if why.T_map_kf is None else why.T_map_kf, make=make)
    message.has_position = why.p_map is not None
    if why.p_map is not None:
        _set_xyz(message.p_map, why.p_map)
    message.score = float(why.score)
    message.text = why.text
    return message


def evidence_of(message: Any) -> Evidence:
    """Return the evidence of a robomem_msgs/Evidence."""
    has_keyframe = message.keyframe_id != NO_KEYFRAME
    return Evidence(
        stamp_ns=time_ns(message.stamp),
        score=float(message.score),
        text=message.text,
        keyframe_id=int(message.keyframe_id) if has_keyframe else None,
        T_map_kf=pose_of(message.pose_map_kf) if has_keyframe else None,
        p_map=xyz_of(message.p_map) if message.has_position else None,
    )


def answer(given: Answer, *, make: Factory) -> Any:
    """Return a robomem_msgs/Answer; the number of "how many" is in its text alone."""
    message = make("robomem_msgs/Answer")
    message.question = given.question
    message.text = given.text
    message.found = given.is_found
    message.query = _QUERY.dump_json(given.query).decode()
    message.evidence = [evidence(why, make=make) for why in given.evidence]
    return message


def answer_of(message: Any) -> Answer:
    """Return the answer of a robomem_msgs/Answer, with its evidence; raises QueryError when it is an error."""
    if message.error:
        raise QueryError(message.error)
    found = [evidence_of(why) for why in message.evidence]
    return Answer(
        question=message.question,
        text=message.text,
        query=_QUERY.validate_json(message.query),
        hits=tuple(Hit(score=why.score, evidence=why) for why in found),
        is_found=bool(message.found),
    )


def query_of(request: Any) -> Query:
    """Return the query of a robomem_msgs/Recall request: words told, else things seen; raises QueryError."""
    near_map = tuple(xyz_of(request.near_map).tolist()) if request.has_near else None
    return Query(
        kind=QueryKind.TOLD
        if request.text
        else QueryKind.WHERE
        if request.label
        else QueryKind.SEEN,
        label=request.label or None,
        near_map=near_map,
        radius_m=float(request.radius_m) or None,
        since_ns=time_ns(request.since) if request.has_since else None,
        until_ns=time_ns(request.until) if request.has_until else None,
        text=request.text or None,
        limit=int(request.limit) or Query().limit,
    )


def hits_of(response: Any) -> tuple[Hit, ...]:
    """Return what a robomem_msgs/Recall response tells of hits: place, stamp, score, and the words of each.

    A thing's words are its name, those of others what they say.

    Raises:
        QueryError: The memory refused the query.
        DataError: A stamp or a number makes no sense.
    """
    if response.error:
        raise QueryError(response.error)
    found = [evidence_of(why) for why in response.hits]
    for why in found:
        if not np.isfinite([why.score, *(() if why.p_map is None else why.p_map)]).all():
            raise FormatError("what was recalled is not finite", reason=Reason.VALUE_INVALID)
    if len(response.entities) == len(found):  # else they are events: entities come with things only
        names = [held.label for held in response.entities]
        found = [replace(why, text=name) for why, name in zip(found, names, strict=True)]
    return tuple(Hit(score=why.score, evidence=why) for why in found)


# --- the map and the state


def occupancy_grid(grid: OccupancyGrid, *, stamp_ns: int, make: Factory) -> Any:
    """Return a nav_msgs/OccupancyGrid."""
    message = make("nav_msgs/OccupancyGrid")
    message.header = header(stamp_ns, "map", make=make)
    message.info.map_load_time = message.header.stamp
    message.info.resolution = float(grid.resolution_m)
    message.info.height, message.info.width = grid.values.shape
    message.info.origin.position.x, message.info.origin.position.y = map(float, grid.origin_map)
    message.data = array("b", grid.values.astype(np.int8).tobytes())
    return message


def diagnostics(
    name: str,
    values: Mapping[str, int],
    *,
    is_ok: bool,
    stamp_ns: int,
    make: Factory,
    says: tuple[str, str] = ("remembering", "observations were rejected"),
) -> Any:
    """Return a diagnostic_msgs/DiagnosticArray of one status, OK or WARN; `says` what it is in words, if so."""
    message = make("diagnostic_msgs/DiagnosticArray")
    message.header = header(stamp_ns, "", make=make)
    status = make("diagnostic_msgs/DiagnosticStatus")
    status.level = b"\x00" if is_ok else b"\x01"
    status.name = name
    status.hardware_id = "robomem"
    status.message = says[0] if is_ok else says[1]
    status.values = []
    for key, value in values.items():
        pair = make("diagnostic_msgs/KeyValue")
        pair.key, pair.value = key, str(value)
        status.values.append(pair)
    message.status = [status]
    return message


def _detection(detection: Detection, make: Factory) -> Any:
    message = make("robomem_msgs/Detection")
    message.label = detection.label
    message.score = float(detection.score)
    message.has_box = detection.box_px is not None
    if detection.box_px is not None:
        message.box_px = detection.box_px.tolist()
    message.has_position = detection.p_cam is not None
    if detection.p_cam is not None:
        _set_xyz(message.p_cam, detection.p_cam)
    if detection.size_m is not None:
        _set_xyz(message.size_m, detection.size_m)
    if detection.embedding is not None:
        message.embedding = array("f", detection.embedding.tobytes())
    return message


def _image(
    pixels: NDArray[Any], *, encoding: str, frame_id: str, stamp_ns: int, make: Factory
) -> Any:
    message = make("sensor_msgs/Image")
    message.header = header(stamp_ns, frame_id, make=make)
    message.height, message.width = pixels.shape[:2]
    message.encoding = encoding
    message.is_bigendian = 0
    message.step = pixels.strides[0] if pixels.flags.c_contiguous else pixels[0].nbytes
    message.data = array("B", pixels.tobytes())  # from an ndarray it takes 100 times as long
    return message


def _set_xyz(message: Any, xyz: Iterable[float]) -> None:
    message.x, message.y, message.z = map(float, xyz)


def _set_rotation(message: Any, T: Pose) -> None:
    message.x, message.y, message.z, message.w = map(float, quaternion_from_rotation(T[:3, :3]))

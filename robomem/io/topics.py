"""Which topic of a bag is used for what: found by type, encoding, name, frame and size."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import takewhile

from robomem.io.drafts import Role

_Rank = tuple[float, ...]

_IMAGES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
_INFO = "sensor_msgs/msg/CameraInfo"
_TF = "tf2_msgs/msg/TFMessage"
# The preferred one last.
_DETECTIONS = (
    "vision_msgs/msg/Detection2DArray",
    "vision_msgs/msg/Detection3DArray",
    "robomem_msgs/msg/DetectionArray",
)
_POSES = (
    "geometry_msgs/msg/PoseWithCovarianceStamped",
    "geometry_msgs/msg/PoseStamped",
)
# Types whose first message tells more than the name: see `Candidate`.
PEEKED = (*_IMAGES, _INFO)

_NOT_DEPTH = ("disparity", "confidence", "infra", "/ir/")
_NOT_COLOR = ("depth", "disparity", "infra", "/ir/", "theora", "mask", "annotated", "debug")
_NOT_POINTS = ("costmap", "voxel_grid", "ground", "cluster", "map", "keyframe")
_NOT_POSE = ("goal", "initialpose", "target", "setpoint", "object", "marker")
# Strings that machines say to machines.
_NOT_TOLD = (
    "description",
    "status",
    "state",
    "mode",
    "diagnostic",
    "heartbeat",
    "debug",
    "log",
    "config",
)
_MAX_TOLD_PER_S = 1.0
_MIN_TOLD = 20  # a short recording may say much


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A topic; encoding, frame and size (height, width) are those of its first message."""

    name: str
    message_type: str
    count: int
    encoding: str = ""
    frame: str = ""
    size: tuple[int, int] = (0, 0)


def find_roles(candidates: Iterable[Candidate], *, duration_s: float) -> dict[str, Role]:
    """Choose at most one topic a role, but all transforms and all that is told.

    Preferred are, in this order: depth registered to colour, rectified, raw over compressed, the most
    messages. Points serve unless they are of the depth camera itself; a scan serves without points.
    Colour and camera infos are those of the depth image: by size, frame, then shared name.
    """
    topics = sorted((each for each in candidates if each.count), key=lambda each: each.name)
    roles: dict[str, Role] = {each.name: Role.TF for each in topics if each.message_type == _TF}
    roles |= {name: Role.TF_STATIC for name in roles if "static" in name}
    roles |= {each.name: Role.TOLD for each in topics if _is_told(each, duration_s)}
    depth = _best([each for each in topics if _is_depth(each)], _depth_rank)
    points = _best(_clouds(topics, depth), lambda each: (each.count,))
    chosen = {
        Role.DEPTH: depth,
        Role.POINTS: points,
        Role.SCAN: None if points else _best(_of(topics, "sensor_msgs/msg/LaserScan"), _plain_rank),
        Role.DETECTIONS: _best(_of(topics, *_DETECTIONS), _detections_rank),
        Role.ODOM: (odom := _best(_of(topics, "nav_msgs/msg/Odometry"), _odom_rank)),
        Role.POSE: None
        if odom
        else _best([each for each in topics if _is_pose(each)], _plain_rank),
    }
    if depth:
        chosen |= _companions(topics, depth)
    return roles | {each.name: role for role, each in chosen.items() if each}


def shared_levels(a: str, b: str) -> int:
    """Count the leading levels that two topics share: 2 for /camera/depth and /camera/color."""
    pairs = zip(a.split("/"), b.split("/"), strict=False)
    return len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))


def lacking(roles: Iterable[Role]) -> tuple[str, ...]:
    """Say what a memory would want and these roles do not give."""
    held = set(roles)
    senses = held & {Role.DEPTH, Role.POINTS, Role.SCAN}
    places = held & {Role.TF, Role.ODOM, Role.POSE}
    wants = (
        (
            not senses and not places,
            "sensors and poses: nothing but what was told can be remembered",
        ),
        (not senses and bool(places), "a depth camera, point clouds or scans: no map is built"),
        (Role.DEPTH in held and Role.DEPTH_INFO not in held, "the camera info of its depth images"),
        (Role.DEPTH in held and Role.COLOR not in held, "colour images"),
        (Role.DETECTIONS not in held, "detections: no objects are remembered"),
        (bool(senses) and not places, "poses: neither transforms nor odometry"),
    )
    return tuple(words for is_missing, words in wants if is_missing)


def _of(topics: Sequence[Candidate], *types: str) -> list[Candidate]:
    return [each for each in topics if each.message_type in types]


def _best(topics: Sequence[Candidate], rank: Callable[[Candidate], _Rank]) -> Candidate | None:
    return max(topics, key=rank, default=None)  # of equals the first by name


def _has(name: str, words: Iterable[str]) -> bool:
    return any(word in name.lower() for word in words)


def _is_told(topic: Candidate, duration_s: float) -> bool:
    is_rare = topic.count <= _MAX_TOLD_PER_S * max(duration_s, _MIN_TOLD)
    is_text = topic.message_type == "std_msgs/msg/String"
    return is_text and is_rare and not _has(topic.name, _NOT_TOLD)


def _is_pose(topic: Candidate) -> bool:
    return topic.message_type in _POSES and not _has(topic.name, _NOT_POSE)


def _is_depth(topic: Candidate) -> bool:
    if topic.message_type not in _IMAGES or _has(topic.name, _NOT_DEPTH):
        return False
    if topic.encoding in ("16UC1", "32FC1") or "compressedDepth" in topic.encoding:
        return True
    is_grey = topic.encoding == "mono16" or topic.encoding.startswith("16UC1")
    return is_grey and "depth" in topic.name


def _is_color(topic: Candidate) -> bool:
    is_image = topic.message_type in _IMAGES and not _is_depth(topic)
    return is_image and not _has(topic.name, _NOT_COLOR) and "16" not in topic.encoding


def _is_registered(topic: Candidate) -> bool:
    return _has(topic.name, ("aligned", "registered", "_to_color", "_to_rgb"))


def _is_compressed(topic: Candidate) -> bool:
    return topic.message_type == "sensor_msgs/msg/CompressedImage"


def _depth_rank(topic: Candidate) -> _Rank:
    return (_is_registered(topic), "rect" in topic.name, not _is_compressed(topic), topic.count)


def _detections_rank(topic: Candidate) -> _Rank:
    return (_DETECTIONS.index(topic.message_type), topic.count)


def _odom_rank(topic: Candidate) -> _Rank:
    is_fused = _has(topic.name, ("filtered", "fused"))
    return (is_fused, topic.name in ("/odom", "/odometry"), topic.count)


def _plain_rank(topic: Candidate) -> _Rank:
    return (not _has(topic.name, ("raw", "filtered", "debug")), topic.count)


def _clouds(topics: Sequence[Candidate], depth: Candidate | None) -> list[Candidate]:
    clouds = _of(topics, "sensor_msgs/msg/PointCloud2")
    if depth is not None:  # a cloud in the frame of the camera, or beside it, says the same again
        camera = _camera(depth.name)
        clouds = [each for each in clouds if not each.name.startswith(camera)]
    return [each for each in clouds if not _has(each.name, _NOT_POINTS)]


def _camera(topic: str) -> str:
    """Return the namespace of a camera: the topic without its last two levels, "/camera/"."""
    levels = topic.removesuffix("/compressedDepth").split("/")
    return "/".join(levels[:-2] if len(levels) > 3 else levels[:-1]) + "/"


def _companions(topics: Sequence[Candidate], depth: Candidate) -> dict[Role, Candidate | None]:
    infos = _of(topics, "sensor_msgs/msg/CameraInfo")
    color = _best([each for each in topics if _is_color(each)], partial(_color_rank, depth))
    depth_info = _best([each for each in infos if _fits(each, depth)], partial(_kinship, depth))
    others = [each for each in infos if each is not depth_info and color and _fits(each, color)]
    color_info = _best(others, partial(_kinship, color)) if color else None
    return {Role.COLOR: color, Role.DEPTH_INFO: depth_info, Role.COLOR_INFO: color_info}


def _fits(info: Candidate, image: Candidate) -> bool:
    """Tell whether the sizes agree, as far as they are known."""
    return (0, 0) in (info.size, image.size) or info.size == image.size


def _color_rank(depth: Candidate, topic: Candidate) -> _Rank:
    is_plain = not _is_compressed(topic) and "mono" not in topic.encoding
    return (
        topic.size == depth.size,
        *_kinship(depth, topic),
        "rect" in topic.name,
        is_plain,
        topic.count,
    )


def _kinship(image: Candidate, topic: Candidate) -> _Rank:
    """Rank what belongs to an image: the same frame, then the longest shared name."""
    return (topic.frame == image.frame, shared_levels(image.name, topic.name))

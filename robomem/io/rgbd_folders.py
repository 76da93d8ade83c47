"""Folders of depth and colour images with poses, in the layouts of 7-Scenes and of TUM RGB-D.

7-Scenes: `frame-000000.depth.png` (mm), `.color.jpg` or `.color.png`, `.pose.txt` (T_map_cam, 4x4 text),
    `camera-intrinsics.txt`. It records no clock: frames count at 30 Hz from 0.
    Shotton et al., "Scene coordinate regression forests", 2013.
TUM: `depth.txt`, `rgb.txt` (time, file), `groundtruth.txt` (time, x y z, qx qy qz qw), 5000 units a metre.
    Sturm et al., "A benchmark for the evaluation of RGB-D SLAM systems", 2012.
"""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from robomem.errors import FormatError, FrameError, Reason
from robomem.geometry import Pose, pose, rotation_from_quaternion
from robomem.io.images import decode_color, decode_depth, depth_from_units, image_shape
from robomem.io.recording import Item, Stream, source_name
from robomem.types import Observation

NS_PER_S = 1_000_000_000
SEVEN_SCENES_RATE_HZ = 30
SEVEN_SCENES_UNITS_PER_M = 1000.0
TUM_UNITS_PER_M = 5000.0
TUM_TOLERANCE_NS = 20_000_000
SHAPE_SAMPLES = 10  # of the first images: one odd one among them is outvoted
# fx, fy, cx, cy. Of the Kinect of 7-Scenes; of the three of TUM, by number, and what ROS assumes.
_SEVEN_SCENES_CAMERA = (585.0, 585.0, 320.0, 240.0)
_TUM_CAMERAS = {
    "1": (517.3, 516.5, 318.6, 255.3),
    "2": (520.9, 521.0, 325.1, 249.7),
    "3": (535.4, 539.2, 320.1, 247.6),
}
_KINECT_CAMERA = (525.0, 525.0, 319.5, 239.5)
_INTRINSICS_FILES = (
    "camera-intrinsics.txt",
    "K.txt",
    "camera.yaml",
    "camera_info.yaml",
    "calibration.txt",
)
_TRAJECTORIES = ("groundtruth.txt", "trajectory.txt", "*rajectory*.txt")
_ROTATION_SLACK = 0.01  # poses in text have few digits; more than this is no rotation
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"


def open_folder(path: Path) -> "FolderRecording | None":
    """Open a folder in either layout; None when it is in neither."""
    if (path / "depth.txt").is_file():
        return _open_tum(path)
    names = {entry.name.split(".")[0] for entry in path.glob("frame-*.*")}
    stems = sorted(name for name in names if re.fullmatch(r"frame-\d+", name))
    return _open_seven_scenes(path, stems) if stems else None


@dataclass(frozen=True, slots=True)
class Frame:
    """One image with its files; `read_pose` raises FrameError when it has none."""

    stamp_ns: int
    depth: Path
    color: Path | None
    read_pose: Callable[[], Pose]


@dataclass(frozen=True, slots=True)
class FolderRecording:
    """Depth images with poses, one file each."""

    kind: str
    fingerprint: str
    streams: tuple[Stream, ...]
    lacks: tuple[str, ...]
    frames: tuple[Frame, ...]
    K: NDArray[np.float64]
    shape: tuple[int, int] | None
    units_per_m: float

    def items(self) -> Iterator[Item]:
        """Yield every frame; nothing is read before it is loaded."""
        for position, frame in enumerate(self.frames):
            yield Item(position, (position + 1) / len(self.frames), partial(self._load, frame))

    def _load(self, frame: Frame) -> Observation:
        depth = decode_depth(_bytes_of(frame.depth))
        if self.shape is not None and depth.shape != self.shape:
            raise FormatError(
                f"{frame.depth.name} is {depth.shape}, the others are {self.shape}",
                reason=Reason.DEPTH_SHAPE,
            )
        return Observation(
            stamp_ns=frame.stamp_ns,
            source=source_name(self.kind, self.fingerprint),
            T_map_cam=frame.read_pose(),
            depth_m=depth_from_units(depth, units_per_m=self.units_per_m),
            K=self.K,
            color=decode_color(_bytes_of(frame.color)) if frame.color else None,
        )


def _open_seven_scenes(path: Path, stems: Sequence[str]) -> FolderRecording:
    frames = tuple(_seven_scenes_frame(path, stem) for stem in stems)
    K, lacks = _intrinsics(path, _SEVEN_SCENES_CAMERA, "the Kinect of 7-Scenes")
    digest = blake2b("\n".join(stems).encode(), digest_size=16)
    for file in (frames[0].depth, path / f"{stems[0]}.pose.txt"):
        digest.update(file.read_bytes() if file.is_file() else b"")
    return FolderRecording(
        kind="RGB-D folder (7-Scenes)",
        fingerprint=digest.hexdigest(),
        streams=_streams(frames, poses=len(list(path.glob("frame-*.pose.txt")))),
        lacks=(
            *lacks,
            f"a clock: frames count at {SEVEN_SCENES_RATE_HZ} Hz",
            *_common_lacks(frames),
        ),
        frames=frames,
        K=K,
        shape=_usual_shape(frames),
        units_per_m=SEVEN_SCENES_UNITS_PER_M,
    )


def _usual_shape(frames: Sequence[Frame]) -> tuple[int, int] | None:
    """Return the (H, W) of most of the first images: the intrinsics are for that."""
    files = [frame.depth for frame in frames[:SHAPE_SAMPLES] if frame.depth.is_file()]
    shapes = Counter(shape for file in files if (shape := image_shape(file.read_bytes())))
    return shapes.most_common(1)[0][0] if shapes else None


def _seven_scenes_frame(path: Path, stem: str) -> Frame:
    colors = (path / f"{stem}.color.{ending}" for ending in ("jpg", "png"))
    return Frame(
        stamp_ns=int(stem.removeprefix("frame-")) * NS_PER_S // SEVEN_SCENES_RATE_HZ,
        depth=path / f"{stem}.depth.png",
        color=next((color for color in colors if color.is_file()), None),
        read_pose=partial(_read_pose, path / f"{stem}.pose.txt"),
    )


def _read_pose(file: Path) -> Pose:
    """Read T (4, 4); a rotation that lost digits is put right."""
    if not file.is_file():
        raise FrameError(f"{file.name} is missing", reason=Reason.NO_TRANSFORM)
    T = _numbers(file.read_text(encoding="utf-8", errors="replace"))
    if T.shape != (16,) or not np.isfinite(T).all():
        raise FrameError(f"{file.name} holds no pose of 4 x 4 numbers", reason=Reason.POSE_INVALID)
    T = T.reshape(4, 4)
    R = T[:3, :3]
    if np.abs(R @ R.T - np.eye(3)).max() > _ROTATION_SLACK or np.linalg.det(R) < 0:
        raise FrameError(f"{file.name} holds no rotation", reason=Reason.POSE_INVALID)
    left, _, right = np.linalg.svd(R)
    return pose(left @ right, T[:3, 3])


def _open_tum(path: Path) -> FolderRecording:
    depths, colors = _read_list(path / "depth.txt"), _read_list(path / "rgb.txt")
    trajectory = next((file for name in _TRAJECTORIES for file in sorted(path.glob(name))), None)
    poses = _read_list(trajectory) if trajectory else []
    frames = tuple(_tum_frame(path, entry, colors, poses) for entry in depths)
    if not frames:
        raise FormatError(f"{path / 'depth.txt'} lists no images")
    header = (path / "depth.txt").read_text(encoding="utf-8", errors="replace")
    camera = re.search(r"freiburg([123])", header)
    fallback = _TUM_CAMERAS[camera[1]] if camera else _KINECT_CAMERA
    K, lacks = _intrinsics(path, fallback, camera[0] if camera else "a Kinect")
    digest = blake2b(header.encode(), digest_size=16)
    digest.update(trajectory.read_bytes() if trajectory else b"")
    return FolderRecording(
        kind="RGB-D folder (TUM)",
        fingerprint=digest.hexdigest(),
        streams=_streams(frames, poses=len(poses)),
        lacks=(*lacks, *(() if poses else ("poses: no groundtruth.txt",)), *_common_lacks(frames)),
        frames=frames,
        K=K,
        shape=_usual_shape(frames),
        units_per_m=TUM_UNITS_PER_M,
    )


class _Entry(NamedTuple):
    """A line of a TUM list: its time and the words behind it."""

    stamp_ns: int
    words: list[str]


def _read_list(file: Path) -> list[_Entry]:
    """Read a list in order of time; lines that do not begin with a time are comments."""
    lines = (
        file.read_text(encoding="utf-8", errors="replace").splitlines() if file.is_file() else []
    )
    entries = []
    for words in (line.replace(",", " ").split() for line in lines):
        if len(words) > 1 and (stamp_ns := _stamp_ns(words[0])) is not None:
            entries.append(_Entry(stamp_ns, words[1:]))
    return sorted(entries, key=lambda entry: entry.stamp_ns)


def _stamp_ns(seconds: str) -> int | None:
    """Return nanoseconds of a decimal, exactly: a float loses the last digits of a date."""
    try:
        return int(Decimal(seconds) * NS_PER_S)
    except (InvalidOperation, ValueError, OverflowError):
        return None


def _tum_frame(
    path: Path, depth: _Entry, colors: Sequence[_Entry], poses: Sequence[_Entry]
) -> Frame:
    color = _nearest(colors, depth.stamp_ns)
    return Frame(
        stamp_ns=depth.stamp_ns,
        depth=_inside(path, depth.words[0]),
        color=_inside(path, color.words[0]) if color else None,
        read_pose=partial(_parse_pose, _nearest(poses, depth.stamp_ns), depth.stamp_ns),
    )


def _nearest(entries: Sequence[_Entry], stamp_ns: int) -> _Entry | None:
    i = bisect_left(entries, stamp_ns, key=lambda entry: entry.stamp_ns)
    best = min(
        entries[max(i - 1, 0) : i + 1], key=lambda each: abs(each.stamp_ns - stamp_ns), default=None
    )
    return best if best and abs(best.stamp_ns - stamp_ns) <= TUM_TOLERANCE_NS else None


def _inside(root: Path, name: str) -> Path:
    """Return a file named by a list; one outside the folder is refused."""
    if not (root / name).resolve().is_relative_to(root.resolve()):
        raise FormatError(f"{root} lists a file outside of it: {name}")
    return root / name


def _parse_pose(entry: _Entry | None, stamp_ns: int) -> Pose:
    """Read x y z qx qy qz qw."""
    if entry is None:
        raise FrameError(f"no pose within 20 ms of {stamp_ns}", reason=Reason.NO_TRANSFORM)
    try:
        x, y, z, *q = (float(word) for word in entry.words)
        T = pose(rotation_from_quaternion(q[:4]), (x, y, z))
    except (ValueError, IndexError) as err:
        raise FrameError(f"no pose: {' '.join(entry.words)}", reason=Reason.POSE_INVALID) from err
    return T


def _intrinsics(
    path: Path, fallback: tuple[float, ...], name: str
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Return K (3, 3) and what to say about it."""
    file = next((path / each for each in _INTRINSICS_FILES if (path / each).is_file()), None)
    if file is None:
        return _matrix(fallback), (f"intrinsics: those of {name} are assumed",)
    K = _parse_intrinsics(file.read_text(encoding="utf-8", errors="replace"))
    if K is None or not np.isfinite(K).all() or K[0, 0] <= 0 or K[1, 1] <= 0:
        raise FormatError(
            f"{file} holds no intrinsics: expected 3 x 3 numbers, or fx fy cx cy",
            reason=Reason.INTRINSICS_INVALID,
        )
    return K, ()


def _parse_intrinsics(text: str) -> NDArray[np.float64] | None:
    """Read K as 9 numbers, as fx fy cx cy, as `fx: 525`, or from a camera_info.yaml."""
    if matrix := re.search(r"camera_matrix.*?data:\s*\[([^\]]*)\]", text, re.DOTALL):
        text = matrix[1]
    named = [re.search(rf"\b{key}\s*[:=]\s*({_NUMBER})", text) for key in ("fx", "fy", "cx", "cy")]
    if all(named):
        return _matrix([float(match[1]) for match in named if match])
    numbers = _numbers(text)
    if numbers.shape == (9,) and (numbers[6:] == (0, 0, 1)).all():
        return numbers.reshape(3, 3)
    return _matrix(numbers[:4]) if len(numbers) >= 4 else None


def _matrix(camera: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    fx, fy, cx, cy = camera
    return np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])


def _numbers(text: str) -> NDArray[np.float64]:
    """Return the numbers of a text; NaN where a word is none."""

    def number(word: str) -> float:
        try:
            return float(word)
        except ValueError:
            return np.nan

    return np.array([number(word) for word in text.replace(",", " ").split()])


def _streams(frames: Sequence[Frame], *, poses: int) -> tuple[Stream, ...]:
    depths = sum(frame.depth.is_file() for frame in frames)
    colors = sum(frame.color is not None for frame in frames)
    return (
        Stream("depth", "depth", "png", depths),
        Stream("color", "color", "jpg or png", colors),
        Stream("pose", "pose", "text", poses),
    )


def _common_lacks(frames: Sequence[Frame]) -> tuple[str, ...]:
    lacks = () if any(frame.color for frame in frames) else ("colour images",)
    return (*lacks, "detections: no objects are remembered")


def _bytes_of(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as err:
        raise FormatError(
            f"{file.name} cannot be read: {err}", reason=Reason.IMAGE_CORRUPT
        ) from err

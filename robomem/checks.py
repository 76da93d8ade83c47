"""What must hold of numbers from outside: each check returns the value in its one form, or raises by name."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from robomem.errors import DataError, FormatError, FrameError, Reason, StampError
from robomem.geometry import Depth, Points, Pose, is_pose

MAX_STAMP_NS = 2**63 - 1


def checked_stamp(stamp_ns: object) -> int:
    """Return the stamp as an int of nanoseconds; raises StampError when it is none."""
    if isinstance(stamp_ns, bool) or not isinstance(stamp_ns, int | np.integer):
        raise StampError(
            f"stamp_ns is an int of nanoseconds, got {stamp_ns!r}", reason=Reason.STAMP_INVALID
        )
    if not 0 <= stamp_ns <= MAX_STAMP_NS:
        raise StampError(
            f"stamp_ns lies in [0, 2**63), got {stamp_ns}", reason=Reason.STAMP_INVALID
        )
    return int(stamp_ns)


def checked_pose(T: ArrayLike, name: str) -> Pose:
    """Return T (4, 4) as float64; raises FrameError when it is no finite rigid motion."""
    if not is_pose(T):
        raise FrameError(
            f"{name} is no rigid motion (4, 4): {np.asarray(T).tolist()}",
            reason=Reason.POSE_INVALID,
        )
    return np.array(T, dtype=np.float64)


def checked_vector(value: ArrayLike, size: int, name: str) -> NDArray[np.float64]:
    """Return a vector (size,) of finite numbers."""
    vector = np.array(value, dtype=np.float64)
    if vector.shape != (size,) or not np.isfinite(vector).all():
        raise DataError(f"{name} is {size} finite numbers, got {vector.tolist()}")
    return vector


def checked_length(value: float, name: str) -> float:
    """Return a length in metres: finite and positive."""
    if not 0 < value < np.inf:
        raise DataError(f"{name} is a positive number of metres, got {value}")
    return float(value)


def checked_embedding(embedding: ArrayLike) -> NDArray[np.float32]:
    """Return an embedding (D,) at unit length."""
    vector = np.array(embedding, dtype=np.float32)
    norm = float(np.linalg.norm(vector))
    if vector.ndim != 1 or not np.isfinite(norm) or norm == 0:
        raise DataError("an embedding is a finite vector (D,) that is not zero")
    return vector / np.float32(norm)


def checked_text(text: str, name: str) -> str:
    """Return a text that says something, single-spaced."""
    if not isinstance(text, str):
        raise FormatError(f"{name} is a text, got {text!r}", reason=Reason.TEXT_INVALID)
    words = " ".join(text.split())
    if not words or "\0" in words or not is_unicode(words):
        raise FormatError(
            f"{name} is Unicode and not empty, got {text[:40]!r}", reason=Reason.TEXT_INVALID
        )
    return words


def checked_depth(depth_m: ArrayLike) -> Depth:
    """Return a depth image (H, W) in metres with at least one valid pixel."""
    depth = np.asarray(depth_m)
    if depth.dtype.kind in "iub":  # most likely millimetres
        raise FormatError(
            f"depth_m is metres in floating point, got {depth.dtype}", reason=Reason.DEPTH_SHAPE
        )
    depth = depth.astype(np.float32, copy=False)
    if depth.ndim != 2 or depth.size == 0:
        raise FormatError(
            f"depth_m is (H, W) metres, got shape {depth.shape}", reason=Reason.DEPTH_SHAPE
        )
    if not (depth > 0).any():  # NaN compares false
        raise FormatError("no pixel of the depth image is valid", reason=Reason.DEPTH_EMPTY)
    return depth


def checked_intrinsics(K: ArrayLike | None) -> NDArray[np.float64]:
    """Return the intrinsics (3, 3) of a pinhole camera."""
    matrix = np.array(np.nan if K is None else K, dtype=np.float64)
    is_pinhole = (
        matrix.shape == (3, 3)
        and np.isfinite(matrix).all()
        and matrix[0, 0] > 0
        and matrix[1, 1] > 0
    )
    if not is_pinhole:
        raise FormatError(
            f"K is (3, 3) with positive focal lengths, got {matrix.tolist()}",
            reason=Reason.INTRINSICS_INVALID,
        )
    return matrix


def checked_points(points: ArrayLike, name: str) -> Points:
    """Return points (N, 3), at least one of them finite."""
    array = np.asarray(points, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != 3:
        raise FormatError(f"{name} is (N, 3) metres, got shape {array.shape}")
    if not np.isfinite(array).all(axis=1).any():
        raise FormatError("no point of the scan is finite", reason=Reason.POINTS_EMPTY)
    return array


def checked_color(color: ArrayLike) -> NDArray[np.uint8]:
    """Return a colour image (H, W, 3) of bytes."""
    image = np.asarray(color)
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise FormatError(
            f"color is (H, W, 3) uint8, got {image.shape} {image.dtype}",
            reason=Reason.IMAGE_CORRUPT,
        )
    return image


def is_unicode(text: str) -> bool:
    """Tell whether a text has no half of a surrogate pair: no file could keep it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True

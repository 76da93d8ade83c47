"""Scans of depth images by projection: voxels are asked whether a pixel sees past them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robomem.geometry import Depth, Pose
from robomem.spatial.octree.kernels import depth_image, project, touched
from robomem.spatial.octree.kernels.depth_image import PIXELS, TILE, DepthImage
from robomem.spatial.octree.kernels.morton import EMPTY
from robomem.spatial.octree.kernels.packed import Packing, packing
from robomem.spatial.octree.kernels.project import LARGEST
from robomem.spatial.octree.kernels.touched import Touched
from robomem.spatial.octree.kernels.trace import NUDGE
from robomem.spatial.octree.kernels.view import Matrix, Vector, View
from robomem.spatial.octree.values import MapDelta

MAX_SIDE = 192  # bricks along the side of the cube around the camera: 28 MB to find them in it
SHORT_BITS, LONG_BITS = 10, 20  # of the fields of codes in 32 and in 64 bits
MAX_SLOPE = 10.0  # of a ray against the camera's axis: a wider image sees most voxels edge-on
MAX_FOCAL_PX = 1e5
MAX_STRETCH = 1e-6  # by which a rotation may change lengths: the range is measured before it
MARGIN = 1e-3  # of the depth up to which voxels are larger than pixels
FIRST_ROOM = 4096  # bricks
LENSES = 4  # cameras that are remembered

Matrix3 = NDArray[np.float64]


class DepthProjector:
    """Traces depth images at one resolution; keeps its room from scan to scan, so one thread may use it.

    Its hit and free voxels are those of `RayTracer` on the same scan, but for what rounding decides: rays
    that end within 1e-9 voxels of a border or 1e-6 of the range, or that graze a voxel. What it takes grows
    with the voxels near surfaces, not with the length of rays.
    """

    def __init__(self, resolution_m: float) -> None:
        self.resolution_m = resolution_m
        self._lenses: dict[tuple[object, ...], _Lens] = {}
        self._room = _room_for(0, 0)

    def can_project(
        self, shape: tuple[int, ...], K: Matrix3, T_map_cam: Pose, *, max_range_m: float
    ) -> bool:
        """Tell whether `trace` can take such images, and would not take longer than rays do."""
        R = T_map_cam[:3, :3]
        edges = np.array([[-0.5, -0.5], [shape[1] - 0.5, shape[0] - 0.5]])
        slopes = (edges - K[:2, 2]) / K.diagonal()[:2]
        reach, focal_px = self._reach(max_range_m), K.diagonal()[:2]
        return bool(
            reach <= focal_px.min()  # up to the range a voxel is as large as a pixel
            and focal_px.max() <= MAX_FOCAL_PX
            and (np.abs(slopes) <= MAX_SLOPE).all()
            and _side_of(reach) <= MAX_SIDE
            and np.abs(R @ R.T - np.eye(3)).max() <= MAX_STRETCH
        )

    def trace(self, depth_m: Depth, K: Matrix3, T_map_cam: Pose, *, max_range_m: float) -> MapDelta:
        """Return which voxels the rays of a depth image hit and pass.

        Args:
            depth_m: Depth along z, (H, W) metres. NaN, zero and below say nothing; inf is "nothing up to the
                range".
            K: Pinhole intrinsics without skew, (3, 3) pixels.
            T_map_cam: Pose of the optical frame in map, (4, 4).
            max_range_m: Farther returns clear the space up to there and hit nothing.
        """
        # To Numba an array that cannot be written to is another type, and is compiled for anew.
        depth_m = np.require(depth_m, np.float32, ["C", "W"])
        lens = self._lens_of(depth_m.shape, K, max_range_m)
        p = T_map_cam[:3, 3] / self.resolution_m
        first = (np.floor(p).astype(np.int64) - self._reach(max_range_m)) >> 3
        view = _view_from(p - 8 * first, T_map_cam[:3, :3], lens)
        depth_image.read_image(depth_m, lens.limit_m, 1.0 / self.resolution_m, view, lens.image)
        return self._mark(lens, view, first)

    def _mark(self, lens: "_Lens", view: View, first: NDArray[np.int64]) -> MapDelta:
        """Mark voxels in a cube of bricks from `first` on; a failure costs no more than the room."""
        room, self._room = self._room, _room_for(0, 0)
        if room.side != lens.side:
            room = _room_for(lens.side, FIRST_ROOM)
        while not (
            project.mark_hits(lens.image, lens.packing, room)
            and project.mark_free(lens.image, view, room)
        ):
            room = _room_for(lens.side, 2 * len(room.places))
        delta = MapDelta(*touched.take_bricks(room, first))
        self._room = room
        return delta

    def _reach(self, max_range_m: float) -> int:
        """Count the voxels that rays reach along an axis, one more for what rounding adds."""
        return int(np.ceil(max_range_m / self.resolution_m)) + 1

    def _lens_of(self, shape: tuple[int, ...], K: Matrix3, max_range_m: float) -> "_Lens":
        key = (shape, K.tobytes(), max_range_m)
        lens = self._lenses.get(key)
        if lens is None:
            if len(self._lenses) == LENSES:
                self._lenses.pop(next(iter(self._lenses)))
            lens = _lens(shape, K, max_range_m, _side_of(self._reach(max_range_m)))
            self._lenses[key] = lens
        return lens


@dataclass(frozen=True, slots=True, eq=False)
class _Lens:
    """What the images of one camera have in common, and room for one.

    Attributes:
        shape: Rows and columns of pixels.
        rays_cam: From (u, v, 1) to the ray of a pixel, of depth 1, (3, 3).
        limit_m: The depth at which each ray is at the range, in tiles, (R, C, 64).
        side: Bricks along the side of the cube that its rays stay in.
        packing: Of the codes of voxels in it.
        image: The room.
    """

    shape: tuple[int, ...]
    rays_cam: Matrix3
    limit_m: NDArray[np.float32]
    side: int
    packing: Packing
    image: DepthImage


def _lens(shape: tuple[int, ...], K: Matrix3, max_range_m: float, side: int) -> _Lens:
    (fx, _, cx), (_, fy, cy), _ = K.tolist()
    rows, cols = (-(-length // TILE) for length in shape)
    x, y = (np.arange(TILE * cols) - cx) / fx, (np.arange(TILE * rows) - cy) / fy
    limit_m = _round_down(max_range_m / np.sqrt(1 + x**2 + y[:, None] ** 2))
    tiles = limit_m.reshape(rows, TILE, cols, TILE).swapaxes(1, 2).reshape(rows, cols, PIXELS)
    bits = SHORT_BITS if 8 * side <= 1 << (SHORT_BITS - 1) else LONG_BITS
    kind = np.dtype(np.int32 if bits == SHORT_BITS else np.int64)
    levels = int(max(rows, cols) - 1).bit_length() + 1
    return _Lens(
        shape=shape,
        rays_cam=np.array([[1 / fx, 0, -cx / fx], [0, 1 / fy, -cy / fy], [0, 0, 1]]),
        limit_m=np.ascontiguousarray(tiles),
        side=side,
        packing=packing(bits),
        image=DepthImage(
            np.empty((rows, cols, PIXELS), kind), np.empty((2, levels, rows, cols), kind)
        ),
    )


def _round_down(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the largest float32 up to each value: of float32, these are up to it, and only these."""
    nearest = values.astype(np.float32)
    return np.where(nearest > values, np.nextafter(nearest, np.float32(0)), nearest)


def _view_from(origin: NDArray[np.float64], R: Matrix3, lens: _Lens) -> View:
    rays = R @ lens.rays_cam
    home = np.floor(origin)
    x, y, z = home.astype(int).tolist()
    return View(
        origin=_vector(origin),
        home=(x, y, z),
        eye=_vector(np.clip(origin, home + NUDGE, home + 1 - NUDGE)),
        rays=_matrix(rays),
        pixels=_matrix(np.asarray(np.linalg.inv(rays), np.float64)),
        width=lens.shape[1],
        height=lens.shape[0],
        # There the middle of a pixel is at most half a voxel from its corners.
        sharp=float((1 - MARGIN) / np.hypot(lens.rays_cam[0, 0], lens.rays_cam[1, 1])),
        packing=lens.packing,
    )


def _vector(values: NDArray[np.float64]) -> Vector:
    x, y, z = values.tolist()
    return x, y, z


def _matrix(rows: Matrix3) -> Matrix:
    a, b, c = rows
    return _vector(a), _vector(b), _vector(c)


def _side_of(reach: int) -> int:
    """Return the side in bricks of a cube of whole `LARGEST` that holds all voxels within reach."""
    return -(-(2 * reach + 8) // LARGEST) * (LARGEST // 8)


def _room_for(side: int, bricks: int) -> Touched:
    return Touched(
        rows=np.full(side**3, EMPTY, np.int32),
        places=np.empty(bricks, np.int32),
        hit=np.empty((bricks, 8), np.uint64),
        free=np.empty((bricks, 8), np.uint64),
        count=np.zeros(1, np.int64),
        side=side,
    )

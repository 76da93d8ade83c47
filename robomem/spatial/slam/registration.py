"""Does one local map lie on another, and where: registration, and the tests that it must pass."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robomem.geometry import (
    Points,
    Pose,
    inverse,
    pose,
    rotation_angle,
    rotation_from_yaw,
    transform,
)
from robomem.spatial.slam.descriptors import upright_columns
from robomem.spatial.slam.local_map import LocalMap
from robomem.spatial.slam.solver import load

NEIGHBOURS = 15  # of a point, for its normal
COARSE_VOXELS = 2.5  # the first registration is of a cloud with voxels so many times as large
COARSE_REACH, FINE_REACH = 8.0, 3.0  # voxels between points that are taken for the same
MIN_COARSE_SHARE = 0.3  # of what stands; with less in common there is nothing to refine
SAME_VOXELS = 1.5
COARSE_SAMPLE = 4  # every so many points
CLEAR_VOXELS, CLEAR_RATIO = 2.0, 0.05  # how far before what was measured a ray surely passed
UPRIGHT_NORMAL_Z = 0.7
GRID_VOXELS = 2.0
GRID_SPANS = 2.5  # times the reach of a local map: both, and a shift by half of it
HIGHEST_COLUMN = 10.0  # voxels; a wall is no more of a landmark than a cupboard
SECTORS, SECTOR_POINTS = 24, 5  # of the horizon, and what fills one
YAW_STEP_RAD = np.deg2rad(5.0)
SIGMA_M = 0.5  # of a point's distance: the true 2 cm, but hundreds of neighbours err together
# Metres and radians: what nothing is known better than, and what is known before the points are asked.
FLOOR_SIGMAS = np.array([0.015] * 3 + [0.004] * 3)
WEAK_SIGMAS = np.array([1.0] * 3 + [0.5] * 3)


@dataclass(frozen=True, slots=True, eq=False)
class Registration:
    """How one local map b lies in another, a.

    Attributes:
        T_a_b: Pose of b in a, (4, 4).
        overlap: Part of the points of a that b has too, and of b that a has: the lesser.
        residual_m: Root mean square distance of those from the surface of the other.
        seen_through: Part of the points of one that rays of the other passed through: the greater.
        horizon: Part of the horizon over which what stands in both is spread, from either: the lesser.
        information: Inverse covariance of T_a_b in the frame of b, (6, 6), translation first.
    """

    T_a_b: Pose
    overlap: float
    residual_m: float
    seen_through: float
    horizon: float
    information: NDArray[np.float64]


class Surface:
    """A local map ready to be registered: with normals, trees, and what stands upright in it."""

    def __init__(self, local: LocalMap, voxel_size_m: float) -> None:
        gicp = load("small_gicp")
        self.local = local
        self.voxel_size_m = voxel_size_m
        self.fine, self.tree = _prepared(gicp, local.points)
        coarse = gicp.voxelgrid_sampling(local.points, COARSE_VOXELS * voxel_size_m).points()
        self.coarse, self.coarse_tree = _prepared(gicp, np.asarray(coarse)[:, :3])
        self.normals = np.asarray(self.fine.normals())[:, :3]
        # Floors and ceilings lie on each other everywhere: what stands decides.
        self.is_upright = np.abs(self.normals[:, 2]) < UPRIGHT_NORMAL_Z
        self.columns = upright_columns(local.points, voxel_size_m)

    @property
    def points(self) -> Points:
        """Points (N, 3) metres in the frame of the local map."""
        return self.local.points

    def nearest(self, points: Points) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Return the nearest point to each of (N, 3), its index and how far it is."""
        indices, squares = self.tree.batch_nearest_neighbor_search(points)
        return np.asarray(indices).ravel(), np.sqrt(np.asarray(squares).ravel())


def _prepared(gicp: Any, points: Points) -> tuple[Any, Any]:
    cloud = gicp.PointCloud(points)
    tree = gicp.KdTree(cloud)
    gicp.estimate_normals_covariances(cloud, tree, NEIGHBOURS)
    return cloud, tree


def register(a: Surface, b: Surface, *, starts: Sequence[Pose]) -> Registration | None:
    """Lay b on a, coarsely from every start and finely from the best; None where they share nothing.

    Koide, "small_gicp: Efficient and parallel algorithms for point cloud registration", 2024.
    """
    gicp = load("small_gicp")
    reach_m = a.voxel_size_m * COARSE_REACH
    options: dict[str, Any] = {"registration_type": "GICP", "num_threads": 1}
    coarse = [
        gicp.align(
            a.coarse, b.coarse, a.coarse_tree, T, max_correspondence_distance=reach_m, **options
        ).T_target_source
        for T in starts
    ]
    shares = [_coarse_share(a, b, T) for T in coarse]
    if max(shares, default=0.0) < MIN_COARSE_SHARE:
        return None
    fine = gicp.align(
        a.fine,
        b.fine,
        a.tree,
        coarse[int(np.argmax(shares))],
        max_correspondence_distance=a.voxel_size_m * FINE_REACH,
        **options,
    )
    return _judge(a, b, fine.T_target_source)


def starts_by_correlation(a: Surface, b: Surface, *, limit: int) -> list[Pose]:
    """Return the poses of b in a at which most of what stands falls together, over all turns about z.

    The shift of a turn is the peak of the correlation of the two from above.
    """
    cell_m = GRID_VOXELS * a.voxel_size_m
    reach_m = np.abs(np.concatenate([a.columns[:, :2], b.columns[:, :2], [[0.0, 0.0]]])).max()
    size = 8 * int(np.ceil(GRID_SPANS * reach_m / cell_m / 8 + 1))
    turns = [rotation_from_yaw(yaw_rad) for yaw_rad in np.arange(0.0, 2 * np.pi, YAW_STEP_RAD)]
    target = np.fft.rfft2(_raster(a.columns[None, :, :2], a.columns[:, 2], cell_m, size))
    turned = b.columns[:, :2] @ np.stack([R[:2, :2].T for R in turns])
    sources = np.fft.rfft2(_raster(turned, b.columns[:, 2], cell_m, size))
    correlation = np.fft.irfft2(target * np.conj(sources) * _blur(size), s=(size, size))
    correlation = correlation.reshape(len(turns), -1)
    peaks = np.stack(np.divmod(correlation.argmax(axis=1), size), axis=-1)
    shifts_m = ((peaks + size // 2) % size - size // 2) * cell_m
    order = np.argsort(-correlation.max(axis=1), kind="stable")
    return _distinct([pose(turns[i], (*shifts_m[i], 0.0)) for i in order], limit)


def _distinct(poses: list[Pose], limit: int) -> list[Pose]:
    """Return the first poses that no earlier one is a step of the turn away from."""
    kept: list[Pose] = []
    for T in poses:
        angles = [rotation_angle(T[:3, :3].T @ other[:3, :3]) for other in kept]
        if len(kept) < limit and all(angle > 2.5 * YAW_STEP_RAD for angle in angles):
            kept.append(T)
    return kept


def _raster(
    xy: NDArray[np.float64], heights: NDArray[np.float64], cell_m: float, size: int
) -> NDArray[np.float64]:
    """Return pictures (turns, size, size) of how much stands where, of columns at xy (turns, N, 2)."""
    cells = np.floor(xy / cell_m).astype(np.int64) % size
    codes = cells @ np.array([size, 1]) + size**2 * np.arange(len(xy))[:, None]
    weights = np.broadcast_to(np.minimum(heights, HIGHEST_COLUMN), codes.shape)
    counts = np.bincount(codes.ravel(), weights.ravel(), len(xy) * size**2)
    return counts.reshape(len(xy), size, size).astype(np.float64)


def _blur(size: int) -> NDArray[np.float64]:
    """Return the transform of a Gaussian one cell wide: turns are tried in steps."""
    f, g = np.fft.fftfreq(size), np.fft.rfftfreq(size)
    blur: NDArray[np.float64] = np.exp(-2 * np.pi**2 * (f[:, None] ** 2 + g**2))
    return blur


def _coarse_share(a: Surface, b: Surface, T_a_b: Pose) -> float:
    """Return the part of what stands in b that lies on a, by some of its points."""
    some = b.points[b.is_upright][::COARSE_SAMPLE]
    _, distance_m = a.nearest(transform(T_a_b, some))
    return float((distance_m < SAME_VOXELS * a.voxel_size_m).mean())


def _judge(a: Surface, b: Surface, T_a_b: Pose) -> Registration:
    T_b_a = inverse(T_a_b)
    b_in_a = transform(T_a_b, b.points)
    indices, distance_m = a.nearest(b_in_a)
    is_same = distance_m < SAME_VOXELS * a.voxel_size_m
    normals = a.normals[indices[is_same]]
    offsets = ((b_in_a[is_same] - a.points[indices[is_same]]) * normals).sum(axis=1)
    a_in_b = transform(T_b_a, a.points[a.is_upright])
    is_same_a = b.nearest(a_in_b)[1] < SAME_VOXELS * b.voxel_size_m
    is_same_b = is_same[b.is_upright]
    return Registration(
        T_a_b=T_a_b,
        overlap=float(min(is_same_a.mean(), is_same_b.mean())),
        residual_m=float(np.sqrt(np.mean(offsets**2))) if is_same.any() else np.inf,
        seen_through=max(
            _seen_through(b_in_a[b.is_upright], is_same_b, a), _seen_through(a_in_b, is_same_a, b)
        ),
        horizon=min(
            _horizon(a.points[a.is_upright][is_same_a]), _horizon(b.points[b.is_upright][is_same_b])
        ),
        information=_information(b.points[is_same], normals @ T_a_b[:3, :3]),
    )


def _seen_through(points: Points, is_same: NDArray[np.bool_], a: Surface) -> float:
    """Return the part of points (N, 3) that some ray of a passed through, of those that a saw at all."""
    others = points[~is_same]
    is_passed = np.zeros(len(others), dtype=bool)
    for view in a.local.views:
        range_m, measured_m = view.ranges_at(others)
        nearest_m = (1 - CLEAR_RATIO) * measured_m - CLEAR_VOXELS * a.voxel_size_m
        is_passed |= np.isfinite(measured_m) & (range_m < nearest_m)
    passed, seen = int(is_passed.sum()), int(is_same.sum())
    return passed / max(passed + seen, 1)


def _horizon(points: Points) -> float:
    """Return the part of the directions round the origin in which points (N, 3) lie."""
    turns = np.arctan2(points[:, 1], points[:, 0]) / (2 * np.pi) + 0.5
    counts = np.bincount((turns * SECTORS).astype(np.int64) % SECTORS, minlength=SECTORS)
    return float((counts >= SECTOR_POINTS).mean())


def _information(points_b: Points, normals_b: Points) -> NDArray[np.float64]:
    """Return the information of point-to-plane distances on a pose, in the frame of b, and never too much.

    Along a corridor it is small; what all points err by together keeps it finite across.
    """
    J = np.hstack([normals_b, np.cross(points_b, normals_b)])
    covariance = np.linalg.inv(J.T @ J / SIGMA_M**2 + np.diag(1 / WEAK_SIGMAS**2))
    information: NDArray[np.float64] = np.linalg.inv(covariance + np.diag(FLOOR_SIGMAS**2))
    return (information + information.T) / 2

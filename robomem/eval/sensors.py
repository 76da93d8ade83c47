"""A depth camera and a LiDAR in a world of boxes: exact rays first, then the noise of the real ones.

A world is an array of boxes (M, 2, 3), their lowest and highest corners in map.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from robomem.eval.scans import DepthScan, PointScan
from robomem.geometry import R_BODY_OPTICAL, Depth, Points, Pose, pose, rotation_from_yaw

Boxes = NDArray[np.float64]
Rng = np.random.Generator

DISPARITY_STEPS_M = (
    585 * 0.075 * 8
)  # a Kinect's: focal length in pixels, baseline, eighths of a pixel
NEAREST_M = 0.4
SHADOW = 0.08  # a step in depth of more than this part of it leaves a pixel without its pattern
SPOT_PX = 16
SPOTS, LOST_RETURNS = 0.02, 0.02  # how many of all


@dataclass(frozen=True, slots=True)
class Camera:
    """A depth camera like the first Kinect."""

    width_px: int = 640
    height_px: int = 480
    focal_px: float = 585.0
    reach_m: float = 8.0

    @property
    def K(self) -> NDArray[np.float64]:
        """Intrinsics, (3, 3)."""
        cx, cy = self.width_px / 2, self.height_px / 2
        return np.array([[self.focal_px, 0, cx], [0, self.focal_px, cy], [0, 0, 1]])


@dataclass(frozen=True, slots=True)
class Lidar:
    """A spinning LiDAR with the elevations of a Velodyne HDL-64E, mounted on a car."""

    rings: int = 64
    azimuths: int = 2048
    reach_m: float = 120.0
    height_m: float = 1.8


def camera_pose(p_map: ArrayLike, *, yaw_rad: float, pitch_rad: float) -> Pose:
    """Return T_map_cam of a camera that looks along a yaw, and down by a pitch."""
    c, s = np.cos(pitch_rad), np.sin(pitch_rad)
    R_pitch = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    return pose(rotation_from_yaw(yaw_rad) @ R_pitch @ R_BODY_OPTICAL, p_map)


def photograph(world: Boxes, T_map_cam: Pose, *, camera: Camera, rng: Rng) -> DepthScan:
    """Take a depth image with the noise and the holes of a Kinect."""
    depth_m = render_depth(world, T_map_cam, camera=camera)
    return DepthScan(add_kinect_noise(depth_m, rng=rng), camera.K, T_map_cam)


def render_depth(world: Boxes, T_map_cam: Pose, *, camera: Camera) -> Depth:
    """Return the exact depth image (H, W); inf where no box is within the camera's reach."""
    K = camera.K
    u_px, v_px = np.meshgrid(np.arange(camera.width_px), np.arange(camera.height_px))
    x, y = (u_px - K[0, 2]) / K[0, 0], (v_px - K[1, 2]) / K[1, 1]
    rays_cam = np.stack([x, y, np.ones(x.shape)]).reshape(3, -1)
    rays_map = T_map_cam[:3, :3] @ rays_cam
    depth_m = first_hits(world, T_map_cam[:3, 3], rays_map, reach_m=2 * camera.reach_m)
    return np.where(depth_m <= camera.reach_m, depth_m, np.float32(np.inf)).reshape(x.shape)


def add_kinect_noise(depth_m: Depth, *, rng: Rng) -> Depth:
    """Return a depth image as a Kinect gives it: rough with distance, in steps, NaN at edges and in spots.

    Nguyen, Izadi and Lovell, "Modeling Kinect sensor noise for improved 3D reconstruction", 2012.
    """
    z = np.where(np.isfinite(depth_m), depth_m, np.float32(np.nan)).astype(np.float64)
    z += rng.standard_normal(z.shape) * (0.0012 + 0.0019 * (z - 0.4) ** 2)
    z = DISPARITY_STEPS_M / np.round(DISPARITY_STEPS_M / z)
    is_hole = ~(z > NEAREST_M) | _spots(z.shape, rng=rng)
    is_hole[:, 1:] |= np.abs(np.diff(z, axis=1)) > SHADOW * z[:, 1:]  # it is lit from aside
    z[is_hole] = np.nan
    return z.astype(np.float32)


def _spots(shape: tuple[int, ...], *, rng: Rng) -> NDArray[np.bool_]:
    """Return which pixels (H, W) lie in a spot that reflects nothing."""
    height, width = (-(-length // SPOT_PX) for length in shape)
    spots = rng.random((height, width)) < SPOTS
    is_spot = np.repeat(np.repeat(spots, SPOT_PX, axis=0), SPOT_PX, axis=1)
    return is_spot[: shape[0], : shape[1]]


def sweep(world: Boxes, T_map_lidar: Pose, *, lidar: Lidar, rng: Rng) -> PointScan:
    """Turn a LiDAR once: 2 cm of noise along the ray, one return in fifty lost."""
    origin_map, rays_map = T_map_lidar[:3, 3], T_map_lidar[:3, :3] @ lidar_rays(lidar).T
    exact_m = first_hits(world, origin_map, rays_map, reach_m=lidar.reach_m)
    is_return = (exact_m <= lidar.reach_m) & (rng.random(len(exact_m)) > LOST_RETURNS)
    range_m = exact_m[is_return] + rng.normal(0, 0.02, int(is_return.sum()))
    return PointScan(origin_map + range_m[:, None] * rays_map.T[is_return], origin_map.copy())


def lidar_rays(lidar: Lidar) -> Points:
    """Return unit rays (N, 3) in the LiDAR's frame, ring by ring."""
    elevation_rad = np.radians(np.linspace(2.0, -24.8, lidar.rings))[:, None]
    azimuth_rad = np.linspace(-np.pi, np.pi, lidar.azimuths, endpoint=False)[None, :]
    x, y = np.cos(elevation_rad) * np.cos(azimuth_rad), np.cos(elevation_rad) * np.sin(azimuth_rad)
    z = np.broadcast_to(np.sin(elevation_rad), x.shape)
    return np.stack([x, y, z], axis=-1).reshape(-1, 3)


def first_hits(
    world: Boxes, origin_map: Points, rays_map: NDArray[np.float64], *, reach_m: float
) -> NDArray[np.float32]:
    """Return how many times its own length each ray goes until it enters a box; inf where it meets none.

    Kay and Kajiya, "Ray tracing complex scenes", 1986: a ray is inside a box while it is inside the
    three slabs. A box that the origin is in is not seen.

    Args:
        world: Boxes (M, 2, 3); those farther than `reach_m` are left out.
        origin_map: Where all rays begin, (3,).
        rays_map: Directions, (3, N), of any length.
        reach_m: See `world`.
    """
    with np.errstate(divide="ignore"):
        inverse = np.float32(1) / rays_map.astype(np.float32)
    nearest = np.full(rays_map.shape[1], np.inf, np.float32)
    for box in _within_reach(world, origin_map, reach_m):
        enter, leave = np.zeros_like(nearest), nearest
        for slab, inv in zip((box - origin_map).T.astype(np.float32), inverse, strict=True):
            t0, t1 = slab[0] * inv, slab[1] * inv
            enter = np.fmax(enter, np.fmin(t0, t1))
            leave = np.fmin(leave, np.fmax(t0, t1))
        np.copyto(nearest, enter, where=(enter < leave) & (enter > 0))
    return nearest


def _within_reach(world: Boxes, origin_map: Points, reach_m: float) -> Boxes:
    nearest = np.clip(origin_map, world[:, 0], world[:, 1])
    near: Boxes = world[np.linalg.norm(nearest - origin_map, axis=1) <= reach_m]
    return near

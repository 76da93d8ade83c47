"""An RGB-D camera by ray casting against triangles, and the noise of a depth sensor.

Embree's rays start at the optical centre with z = 1, so the distance along a ray is the depth.
"""

from dataclasses import dataclass

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from robomem.geometry import Depth, Pose
from robomem_sim.house import NOTHING, HouseMesh

FloatImage = NDArray[np.float32]
NO_HIT = 1e30  # Embree leaves tfar at about 1e37 where a ray hits nothing

LIGHT_MAP = np.array([0.35, 0.25, 0.9], dtype=np.float32)  # towards the lamp
AMBIENT = 0.45


@dataclass(frozen=True, slots=True)
class Camera:
    """A pinhole camera without distortion; the principal point is the middle of the image."""

    width_px: int = 160
    height_px: int = 120
    hfov_rad: float = float(np.deg2rad(75.0))

    @property
    def K(self) -> NDArray[np.float64]:
        """Intrinsics (3, 3) pixels; pixel centres lie on integer coordinates."""
        focal_px = self.width_px / 2 / np.tan(self.hfov_rad / 2)
        u_px, v_px = (self.width_px - 1) / 2, (self.height_px - 1) / 2
        return np.array([[focal_px, 0, u_px], [0, focal_px, v_px], [0, 0, 1]])

    def rays_cam(self) -> FloatImage:
        """Return the rays through all pixels, row by row, (H*W, 3), with z = 1."""
        K = self.K
        u_px, v_px = np.meshgrid(np.arange(self.width_px), np.arange(self.height_px))
        x, y = (u_px - K[0, 2]) / K[0, 0], (v_px - K[1, 2]) / K[1, 1]
        return np.stack([x, y, np.ones_like(x)], axis=-1).reshape(-1, 3).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What a perfect camera sees.

    Attributes:
        depth_m: Depth along z, (H, W); inf where there is nothing.
        color: Shaded RGB, (H, W, 3).
        thing_ids: Which thing each pixel shows, (H, W); NOTHING for walls and for nothing.
        incidence: Cosine between ray and surface normal, (H, W) in [0, 1].
    """

    depth_m: Depth
    color: NDArray[np.uint8]
    thing_ids: NDArray[np.int32]
    incidence: FloatImage


class Scene:
    """The triangles of a house at one moment, ready for rays. Build another one after a move."""

    def __init__(self, house_mesh: HouseMesh) -> None:
        mesh = house_mesh.mesh
        self._embree = EmbreeScene()
        TriangleMesh(self._embree, np.ascontiguousarray(mesh.triangles, dtype=np.float32))
        nothing = np.zeros((1, 3))  # the last row is what a miss (face -1) shows
        self._normals = np.vstack([mesh.face_normals, nothing]).astype(np.float32)
        self._colors = np.vstack([house_mesh.colors, nothing]).astype(np.float32)
        self._thing_ids = np.append(house_mesh.thing_ids, np.int32(NOTHING))

    def cast(self, origins: ArrayLike, rays: ArrayLike) -> tuple[FloatImage, NDArray[np.int32]]:
        """Return how many times a ray's length the first hit is away, and the face; inf and -1.

        Args:
            origins: Where the rays start, (N, 3) metres in map.
            rays: Their directions in map, (N, 3), of any length.
        """
        origins = np.ascontiguousarray(origins, dtype=np.float32)
        hits = self._embree.run(origins, np.ascontiguousarray(rays, dtype=np.float32), output=1)
        is_hit = hits["tfar"] < NO_HIT
        return np.where(is_hit, hits["tfar"], np.inf), np.where(is_hit, hits["primID"], -1)

    def thing_ids(self, faces: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return the things that faces belong to."""
        ids: NDArray[np.int32] = self._thing_ids[faces]
        return ids

    def render(self, camera: Camera, T_map_cam: Pose) -> View:
        """Render what the camera sees from a pose of its optical frame in map."""
        rays = camera.rays_cam() @ T_map_cam[:3, :3].T.astype(np.float32)
        origins = np.broadcast_to(T_map_cam[:3, 3], rays.shape)
        depth_m, faces = self.cast(origins, rays)
        normals = self._normals[faces]
        cosine = np.abs((normals * rays).sum(axis=1)) / np.linalg.norm(rays, axis=1)
        light = LIGHT_MAP / np.linalg.norm(LIGHT_MAP)
        shade = AMBIENT + (1 - AMBIENT) * np.abs(normals @ light)
        color = (self._colors[faces] * shade[:, None]).astype(np.uint8)
        shape = camera.height_px, camera.width_px
        return View(
            depth_m=depth_m.reshape(shape),
            color=color.reshape(*shape, 3),
            thing_ids=self.thing_ids(faces).reshape(shape),
            incidence=cosine.astype(np.float32).reshape(shape),
        )


@dataclass(frozen=True, slots=True)
class DepthNoise:
    """The noise of a structured-light sensor; zeros turn each part off.

    `sigma_per_m` is the standard deviation at 1 m; it grows with the square of the depth: Khoshelham
    and Elberink, "Accuracy and Resolution of Kinect Depth Data", 2012, Equation (10), 1.5 mm at 1 m.
    """

    sigma_per_m: float = 0.0015
    step_m: float = 0.001
    min_range_m: float = 0.3
    max_range_m: float = 6.0
    grazing_cosine: float = 0.15
    grazing_dropout: float = 0.5
    dropout: float = 0.002

    def apply(self, view: View, rng: Generator) -> Depth:
        """Return the measured depth (H, W): NaN dropped out, inf too far, -inf too near."""
        z = view.depth_m.astype(np.float64)
        is_hit = np.isfinite(z)
        sigma_m = self.sigma_per_m * np.where(is_hit, z, 0.0) ** 2
        z = z + sigma_m * rng.standard_normal(z.shape)
        if self.step_m > 0:
            z = np.round(z / self.step_m) * self.step_m
        z[z > self.max_range_m] = np.inf
        z[z < self.min_range_m] = -np.inf
        chance = np.where(view.incidence < self.grazing_cosine, self.grazing_dropout, self.dropout)
        z[(rng.random(z.shape) < chance) & is_hit] = np.nan
        return z.astype(np.float32)


NO_DEPTH_NOISE = DepthNoise(
    sigma_per_m=0.0,
    step_m=0.0,
    min_range_m=0.0,
    max_range_m=np.inf,
    grazing_dropout=0.0,
    dropout=0.0,
)

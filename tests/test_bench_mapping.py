"""The mapping bench: its scenes against analytic truth, its figures against each other."""

import numpy as np
import pytest
from PIL import Image

from robomem.errors import FormatError
from robomem.eval import scenes, sensors
from robomem.eval.scans import recorded_scans
from robomem.geometry import pose, rotation_from_yaw, transform

CAMERA = sensors.Camera(width_px=64, height_px=48, focal_px=58.5)
LIDAR = sensors.Lidar(rings=8, azimuths=64)


def distances_to_surfaces(points, world):
    """Return how far points (N, 3) are from the surface of the box nearest to each, inside or outside."""
    outside = np.maximum(world[:, 0] - points[:, None], points[:, None] - world[:, 1])
    depth_inside = outside.max(axis=-1)
    apart = np.linalg.norm(np.maximum(outside, 0), axis=-1)
    return np.where(depth_inside < 0, -depth_inside, apart).min(axis=1)


def is_inside(points, world):
    inside = (points[:, None] > world[:, 0] + 1e-3) & (points[:, None] < world[:, 1] - 1e-3)
    return inside.all(axis=-1).any(axis=1)


@pytest.mark.parametrize("build", [scenes.flat, scenes.gallery, scenes.street])
def test_a_ray_ends_on_a_surface_and_passes_through_none(rng, build):
    world = build(rng)
    origin = np.array([-1.9, 0.1, 1.5])
    rays = sensors.lidar_rays(LIDAR)

    range_m = sensors.first_hits(world, origin, rays.T, reach_m=50.0).astype(np.float64)

    is_hit = np.isfinite(range_m)
    assert is_hit.mean() > 0.7
    ends = origin + range_m[is_hit, None] * rays[is_hit]
    assert distances_to_surfaces(ends, world).max() < 1e-4
    for fraction in np.linspace(0.01, 0.99, 50):
        assert not is_inside(origin + fraction * (ends - origin), world).any()


def test_the_depth_of_a_wall_is_its_distance_along_the_axis(rng):
    wall = np.array([[[2.0, -9, -9], [2.5, 9, 9]]])
    T_map_cam = sensors.camera_pose((0, 0, 0), yaw_rad=0, pitch_rad=0)

    depth_m = sensors.render_depth(wall, T_map_cam, camera=CAMERA)

    np.testing.assert_allclose(depth_m, 2.0, rtol=1e-6)


def test_a_camera_looks_where_its_yaw_points_and_down_by_its_pitch():
    T_map_cam = sensors.camera_pose((1, 2, 3), yaw_rad=np.pi / 2, pitch_rad=np.pi / 6)

    ahead, right = transform(T_map_cam, [[0, 0, 1], [1, 0, 0]]) - (1, 2, 3)

    np.testing.assert_allclose(ahead, (0, np.cos(np.pi / 6), -0.5), atol=1e-12)
    np.testing.assert_allclose(right, (1, 0, 0), atol=1e-12)


def test_noise_is_that_of_a_kinect_and_holes_are_nan(rng):
    depth_m = np.full((480, 640), 2.0, np.float32)
    depth_m[:, 320:] = 4.0
    depth_m[:10] = np.inf

    noisy_m = sensors.add_kinect_noise(depth_m, rng=rng)

    assert np.isnan(noisy_m[:10]).all()
    assert 0.01 < np.isnan(noisy_m[10:]).mean() < 0.05
    assert np.nanstd(noisy_m[10:, :310]) == pytest.approx(0.006, abs=0.003)
    assert np.nanstd(noisy_m[10:, 330:]) == pytest.approx(0.026, abs=0.008)
    assert np.nanmean(noisy_m[10:, 330:]) == pytest.approx(4.0, abs=0.005)


def test_what_a_lidar_measures_is_near_a_surface(rng):
    world = scenes.street(np.random.default_rng(7))

    scans = list(scenes.street_scans(2, lidar=LIDAR, rng=rng))

    for scan in scans:
        error_m = distances_to_surfaces(scan.returns_map(), world)
        assert len(error_m) > 300
        assert np.quantile(error_m, 0.9) < 0.05
        assert error_m.max() < 0.12
    assert scans[1].origin_map[0] - scans[0].origin_map[0] == scenes.STREET_STEP_M


def test_what_a_camera_measures_is_near_a_surface(rng):
    world = scenes.flat(np.random.default_rng(7))

    (scan,) = scenes.flat_scans(1, camera=CAMERA, rng=rng)

    error_m = distances_to_surfaces(scan.returns_map(), world)
    assert len(error_m) > 2000
    assert np.quantile(error_m, 0.9) < 0.05


def test_a_lap_further_on_the_gallery_looks_the_same(rng):
    world = scenes.gallery(rng)
    first = sensors.camera_pose((1.3, 0, 1.4), yaw_rad=0.7, pitch_rad=0.2)
    second = first.copy()
    second[0, 3] += scenes.GALLERY_PERIOD_M

    images = [sensors.render_depth(world, T, camera=CAMERA) for T in (first, second)]

    np.testing.assert_allclose(images[0], images[1], rtol=1e-5)


def test_a_long_walk_repeats_its_images_and_goes_on():
    scans = list(scenes.gallery_scans(52, camera=CAMERA, rng=np.random.default_rng(0)))

    assert scans[50].depth_m is scans[0].depth_m
    np.testing.assert_allclose([s.origin_map[0] for s in scans], 0.32 * np.arange(52))


def test_a_seed_names_the_scans():
    def first(seed):
        (scan,) = scenes.flat_scans(1, camera=CAMERA, rng=np.random.default_rng(seed))
        return scan.depth_m

    np.testing.assert_array_equal(first(3), first(3))
    assert not np.array_equal(first(3), first(4), equal_nan=True)


def test_recorded_frames_without_a_pose_are_left_out(tmp_path):
    for n in range(4):
        Image.fromarray(np.full((3, 4), 1000 + n, np.uint16)).save(
            tmp_path / f"frame-{n:06d}.depth.png"
        )
        if n != 1:
            T_map_cam = pose(rotation_from_yaw(0.1 * n), (n, 0, 0))
            np.savetxt(tmp_path / f"frame-{n:06d}.pose.txt", T_map_cam)

    scans = list(recorded_scans(tmp_path, limit=2))

    assert [round(1000 * float(s.depth_m[0, 0])) for s in scans] == [1000, 1002]
    assert [s.origin_map[0] for s in scans] == [0, 2]


def test_a_recording_without_poses_is_refused(tmp_path):
    Image.fromarray(np.full((3, 4), 1000, np.uint16)).save(tmp_path / "frame-000000.depth.png")

    with pytest.raises(FormatError, match="no depth image with a pose"):
        list(recorded_scans(tmp_path, limit=2))

import numpy as np
import pytest

pytest.importorskip("embreex")
pytest.importorskip("trimesh")

import trimesh
from robomem_sim.camera import NO_DEPTH_NOISE, Camera, DepthNoise, Scene, View
from robomem_sim.detector import PERFECT_DETECTOR, Detector, DetectorSettings, completed_center
from robomem_sim.house import House, HouseMesh
from robomem_sim.robot import Robot, RobotSettings

from robomem.geometry import R_BODY_OPTICAL, back_project, is_pose, pose, project, transform

T_MAP_CAM = pose(R_BODY_OPTICAL, (0.3, -0.2, 1.0))  # looks along x


def _scene(*meshes) -> Scene:
    mesh = trimesh.util.concatenate(meshes)
    ids = np.repeat(np.arange(1, len(meshes) + 1), [len(m.faces) for m in meshes]).astype(np.int32)
    return Scene(HouseMesh(mesh, ids, np.full((len(mesh.faces), 3), 200, np.uint8)))


def _block(extents, center):
    mesh = trimesh.creation.box(extents=extents)
    mesh.apply_translation(center)
    return mesh


def _facing(depth_m: float, shape=(120, 160)) -> View:
    return View(
        depth_m=np.full(shape, depth_m, np.float32),
        color=np.zeros((*shape, 3), np.uint8),
        thing_ids=np.zeros(shape, np.int32),
        incidence=np.ones(shape, np.float32),
    )


@pytest.mark.parametrize("camera", [Camera(), Camera(64, 48, 1.0), Camera(33, 21, 1.6)])
def test_a_wall_facing_the_camera_has_one_depth(camera):
    view = _scene(_block((0.2, 40, 40), (3.4, 0, 0))).render(camera, T_MAP_CAM)

    assert view.depth_m.shape == (camera.height_px, camera.width_px)
    assert np.abs(view.depth_m - 3.0).max() < 1e-3


def test_the_floor_lies_where_the_plane_equation_says():
    camera = Camera()
    view = _scene(_block((80, 80, 0.2), (0, 0, -0.1))).render(camera, T_MAP_CAM)
    rays_map = back_project(np.ones_like(view.depth_m), camera.K) @ T_MAP_CAM[:3, :3].T
    expected = np.where(rays_map[:, 2] < 0, -1.0 / np.minimum(rays_map[:, 2], -1e-9), np.inf)
    near = (expected < 20).reshape(view.depth_m.shape)

    assert np.abs(view.depth_m[near] - expected.reshape(near.shape)[near]).max() < 1e-3
    assert np.isinf(view.depth_m[:60]).all()  # the horizon is the middle row


def test_a_box_fills_its_projection_and_back_projects_onto_its_surface():
    camera = Camera(321, 241)
    view = _scene(_block((0.5, 0.6, 0.4), (2.0, 0.1, 1.1))).render(camera, T_MAP_CAM)
    seen = view.thing_ids == 1
    p_map = transform(T_MAP_CAM, back_project(np.where(seen, view.depth_m, np.nan), camera.K))
    p_map = p_map[seen.ravel()]
    inside = np.abs(p_map - (2.0, 0.1, 1.1)) - (0.25, 0.3, 0.2)
    front = [[1.45, y, z] for y in (0.0, 0.6) for z in (-0.1, 0.3)]  # from the camera
    corners = project([[-(y - 0.0), -z, x] for x, y, z in front], camera.K)

    assert np.abs(inside.max(axis=1)).max() < 1e-3
    rows, columns = np.nonzero(seen)
    assert abs(columns.min() - corners[:, 0].min()) <= 1
    assert abs(columns.max() - corners[:, 0].max()) <= 1
    assert abs(rows.max() - corners[:, 1].max()) <= 1


def test_light_shades_faces_by_their_direction():
    view = _scene(_block((1, 1, 1), (2.5, 0, 0))).render(Camera(), T_MAP_CAM)
    tones = np.unique(view.color[view.thing_ids == 1], axis=0)

    assert len(tones) == 3  # the front, a side and the top
    assert (view.color[view.thing_ids == 0] == 0).all()


def test_without_noise_the_depth_is_as_rendered(rng):
    view = _facing(2.5)

    assert np.array_equal(NO_DEPTH_NOISE.apply(view, rng), view.depth_m)


def test_depth_noise_grows_with_the_square_of_the_depth(rng):
    noise = DepthNoise(step_m=0.0, dropout=0.0)

    near, far = (np.std(noise.apply(_facing(z), rng)) for z in (1.0, 4.0))

    assert near == pytest.approx(0.0015, rel=0.05)
    assert far == pytest.approx(16 * 0.0015, rel=0.05)


def test_out_of_range_is_inf_and_too_near_is_minus_inf(rng):
    noise = DepthNoise(dropout=0.0)

    assert np.isposinf(noise.apply(_facing(7.0), rng)).all()
    assert np.isposinf(noise.apply(_facing(np.inf), rng)).all()
    assert np.isneginf(noise.apply(_facing(0.1), rng)).all()


def test_grazing_rays_drop_out(rng):
    view = _facing(2.0)
    view.incidence[:60] = 0.05

    lost = np.isnan(DepthNoise().apply(view, rng))

    assert 0.4 < lost[:60].mean() < 0.6
    assert lost[60:].mean() < 0.01


def test_measured_depth_comes_in_steps(rng):
    depth = DepthNoise(step_m=0.01, dropout=0.0).apply(_facing(2.0), rng).astype(np.float64)

    assert np.abs(depth * 100 - np.round(depth * 100)).max() < 1e-4


@pytest.fixture(scope="module")
def look():
    """A look at the red mug of house 0 from where the robot can stand."""
    house = House(0)
    mug = house.named("red mug")
    scene, camera = Scene(house.mesh()), Camera()
    stand = min(
        house.free_space.reachable((0, 0), radius_m=0.3),
        key=lambda xy: abs(np.linalg.norm(xy - mug.p_map[:2]) - 1.0),
    )
    yaw = np.arctan2(*(mug.p_map[:2] - stand)[::-1])
    R_yaw = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    T_map_cam = pose(R_yaw, (*stand, 0.0)) @ RobotSettings().T_base_cam
    return house, camera, T_map_cam, scene.render(camera, T_map_cam)


def _detect(look, settings, rng):
    house, camera, T_map_cam, view = look
    return Detector(settings, rng).detect(view, camera.K, T_map_cam, house.things)


def test_a_perfect_detector_finds_the_things_in_view_where_they_are(look, rng):
    house, _, T_map_cam, view = look

    sightings = _detect(look, PERFECT_DETECTOR, rng)

    for sighting in sightings:
        thing, detection = house.thing(sighting.thing_id), sighting.detection
        assert detection.label == thing.label
        assert np.linalg.norm(transform(T_map_cam, detection.p_cam) - thing.p_map) <= 0.2
        u_min, v_min, u_max, v_max = detection.box_px.astype(int)
        box = view.thing_ids[v_min : v_max + 1, u_min : u_max + 1]
        assert (box == thing.thing_id).sum() == (view.thing_ids == thing.thing_id).sum()
    assert "red mug" in [sighting.detection.label for sighting in sightings]


def test_a_small_thing_is_placed_to_a_centimetre(look, rng):
    house, _, T_map_cam, _ = look
    mug = next(s for s in _detect(look, PERFECT_DETECTOR, rng) if s.detection.label == "red mug")

    error_m = np.linalg.norm(
        transform(T_map_cam, mug.detection.p_cam) - house.named("red mug").p_map
    )

    assert error_m < 0.02


def test_a_detector_that_misses_everything_reports_nothing(look, rng):
    assert _detect(look, DetectorSettings(miss=1.0, false_positive=0.0), rng) == ()


def test_a_false_positive_is_of_no_thing(look, rng):
    *_, last = _detect(look, DetectorSettings(false_positive=1.0), rng)

    assert last.thing_id is None
    assert last.detection.p_cam is not None


def test_a_confused_detection_keeps_its_true_id(look, rng):
    house = look[0]
    sightings = _detect(look, DetectorSettings(confusion=1.0, false_positive=0.0), rng)

    assert any(s.detection.label != house.thing(s.thing_id).label for s in sightings)


def test_embeddings_of_one_label_are_alike(look, rng):
    settings = DetectorSettings(miss=0.0, embedding_size=32, false_positive=0.0, confusion=0.0)
    first, again = (_detect(look, settings, rng) for _ in range(2))

    alike = [
        a.detection.embedding @ b.detection.embedding for a, b in zip(first, again, strict=True)
    ]

    assert min(alike) > 0.8
    if len(first) > 1:
        assert first[0].detection.embedding @ first[1].detection.embedding < 0.7


def test_the_hidden_side_is_the_far_side():
    front = np.array([[1.0, -0.5, 0.0], [1.0, 0.5, 1.0]])  # the face of a box 0.4 m deep

    center = completed_center(front, np.array([0.4, 1.0, 1.0]), np.array([-1.0, 0.0, 1.0]))

    assert np.allclose(center, (1.2, 0.0, 0.5))


def test_the_robot_follows_its_path_exactly(rng):
    robot = Robot(RobotSettings(), rng)
    poses = [robot.T_map_base for _ in robot.follow([(1.0, 0.0), (1.0, 2.0)], step_s=0.2)]

    xy = np.array([T[:2, 3] for T in poses])
    assert np.allclose(xy[-1], (1.0, 2.0))
    assert (np.minimum(abs(xy[:, 1]), abs(xy[:, 0] - 1.0)) < 1e-9).all()
    assert np.linalg.norm(np.diff(xy, axis=0), axis=1).max() <= 0.5 * 0.2 + 1e-9


def test_a_full_turn_ends_where_it_began_and_never_turns_too_fast(rng):
    robot = Robot(RobotSettings(), rng)
    yaws = [robot.yaw_rad for _ in robot.turn(2 * np.pi, step_s=0.2)]

    steps = np.angle(np.exp(1j * np.diff(yaws)))
    assert len(yaws) == 32
    assert steps.max() <= 0.2 + 1e-9
    assert yaws[-1] == pytest.approx(0.0, abs=1e-9)


def test_odometry_drifts_and_the_drift_is_known(rng):
    robot = Robot(RobotSettings(), rng)
    for _ in robot.follow([(3.0, 0.0), (3.0, 3.0), (0.0, 3.0), (0.0, 0.0)], step_s=0.2):
        assert np.allclose(robot.T_map_odom @ robot.T_odom_base, robot.T_map_base)

    drift_m = np.linalg.norm(robot.T_odom_base[:2, 3] - robot.T_map_base[:2, 3])
    assert 0.001 < drift_m < 1.0


def test_the_camera_looks_slightly_down():
    T_base_cam = RobotSettings().T_base_cam

    assert is_pose(T_base_cam)
    assert np.allclose(T_base_cam[:3, 2], (np.cos(np.pi / 12), 0, -np.sin(np.pi / 12)))
    assert T_base_cam[2, 3] == 1.0

"""The view memory against twins that look at every pixel of every keyframe, in a simulated house and a real room."""

from types import SimpleNamespace

import numpy as np
import pytest

from robomem.geometry import back_project, inverse, pose, project, rotation_from_yaw, transform
from robomem.io import open_recording
from robomem.spatial.views import ViewMemory

RANGE_M = 5.0
NEAR_TIE = 0.02  # shares that differ by less are equally good


def sees(p_map, depth_m, K, T_map_cam, *, slack=0.01):
    """Tell which points (N, 3) a depth image shows: in its image, in its range, and at its depth."""
    p_cam = transform(inverse(T_map_cam), p_map)
    u, v = np.round(np.nan_to_num(project(p_cam, K), nan=-1.0)).astype(int).T
    inside = (u >= 0) & (v >= 0) & (u < depth_m.shape[1]) & (v < depth_m.shape[0])
    measured = np.full(len(p_map), np.nan)
    measured[inside] = depth_m[v[inside], u[inside]]
    with np.errstate(invalid="ignore"):
        agrees = np.abs(measured - p_cam[:, 2]) <= 0.02 + slack * p_cam[:, 2]
    return agrees & (np.linalg.norm(p_cam, axis=1) <= RANGE_M)


def surface(depth_m, K, T_map_cam, *, step):
    """Return the points (N, 3) in map of every step-th pixel."""
    depth_m = np.where(np.isfinite(depth_m) & (depth_m > 0), depth_m, np.nan)
    p_cam = back_project(depth_m, K).reshape(*depth_m.shape, 3)[::step, ::step].reshape(-1, 3)
    with np.errstate(invalid="ignore"):
        return transform(T_map_cam, p_cam[np.linalg.norm(p_cam, axis=1) <= RANGE_M])


def shared_by_twin(world, query, *, step, slack=0.01):
    """Return which part of what a keyframe sees each other one sees, (N,)."""
    p_map = surface(world.truth[query], world.K, world.poses[query], step=step)
    views = zip(world.truth, world.poses, strict=True)
    return np.array([sees(p_map, depth_m, world.K, T, slack=slack).mean() for depth_m, T in views])


def shared_by_memory(world, query):
    found = world.memory.covisible(
        world.poses[query], K=world.K, shape=world.truth[query].shape, k=len(world.poses)
    )
    shared = np.zeros(len(world.poses))
    shared[[view.keyframe_id for view in found]] = [view.shared for view in found]
    return shared


def compare_shared(world, queries, *, step, slack=0.01):
    """Return the mean recall of the best five, the mean rank correlation, and the mean error."""
    recalls, correlations, errors = [], [], []
    for query in queries:
        others = np.arange(len(world.poses)) != query
        truth = shared_by_twin(world, query, step=step, slack=slack)[others]
        found = shared_by_memory(world, query)[others]
        best = np.argsort(-found, kind="stable")[:5]
        recalls.append((truth[best] >= np.sort(truth)[-5] - NEAR_TIE).mean())
        seen = truth > NEAR_TIE
        errors.append(np.abs(truth - found)[seen].mean())
        if seen.sum() >= 5:
            correlations.append(np.corrcoef(_ranks(truth[seen]), _ranks(found[seen]))[0, 1])
    return np.mean(recalls), np.mean(correlations), np.mean(errors)


def compare_shown(world, points_map, *, slack=0.01):
    """Return which part of the five best views see a point for certain, and which part of all that see it is found."""
    precisions, recalls = [], []
    for p_map in points_map:
        views = zip(world.truth, world.poses, strict=True)
        truth = [sees(p_map[None], depth_m, world.K, T, slack=slack)[0] for depth_m, T in views]
        found = [view.keyframe_id for view in world.memory.views(of=p_map, k=len(world.poses))]
        precisions.append(np.array(truth)[found[:5]].mean() if found else 0.0)
        recalls.append(np.isin(np.flatnonzero(truth), found).mean() if any(truth) else 1.0)
    return np.mean(precisions), np.mean(recalls)


def _ranks(values):
    return np.argsort(np.argsort(values, kind="stable"), kind="stable")


@pytest.fixture(scope="module", params=[0, 3])
def house(request):
    """A simulated house: 70 cameras where the robot can be; the memory gets noisy depth, the twin perfect one."""
    pytest.importorskip("embreex")
    pytest.importorskip("trimesh")
    from robomem_sim.camera import Camera, DepthNoise, Scene
    from robomem_sim.house import House
    from robomem_sim.robot import RobotSettings

    rng = np.random.default_rng(request.param)
    house, camera, noise = House(request.param), Camera(), DepthNoise()
    scene, T_base_cam = Scene(house.mesh()), RobotSettings().T_base_cam
    spots = rng.permutation(house.free_space.reachable((0.0, 0.0), radius_m=0.3))[:70]
    memory, poses, views = ViewMemory(0.1, max_range_m=RANGE_M), [], []
    for i, (x, y) in enumerate(spots):
        T = pose(rotation_from_yaw(rng.uniform(-np.pi, np.pi)), (x, y, 0.0)) @ T_base_cam
        views.append(scene.render(camera, T))
        memory.add(i, noise.apply(views[-1], rng), K=camera.K, T_map_kf=T)
        poses.append(T)
    truth = [view.depth_m for view in views]
    return SimpleNamespace(
        K=camera.K, poses=poses, truth=truth, memory=memory, views=views, things=house.things
    )


def test_the_views_that_share_most_are_those_of_the_twin(house):
    recall, correlation, error = compare_shared(house, range(0, 70, 3), step=3)

    assert recall >= 0.93
    assert correlation >= 0.93
    assert error <= 0.05


def test_a_point_is_shown_by_those_who_see_it(house):
    rng = np.random.default_rng(1)
    points_map = [
        rng.choice(surface(house.truth[i], house.K, house.poses[i], step=4)) for i in range(70)
    ]

    precision, recall = compare_shown(house, points_map)

    assert precision >= 0.93
    assert recall >= 0.95


def test_the_best_view_of_a_thing_shows_about_as_much_of_it_as_any(house):
    shown, best = [], []
    for thing in house.things:
        pixels = np.array([(view.thing_ids == thing.thing_id).sum() for view in house.views])
        if pixels.max() < 30:
            continue
        parts = [(np.array(part.center), np.array(part.size) / 2) for part in thing.parts]
        low = np.min([center - half for center, half in parts], axis=0)
        high = np.max([center + half for center, half in parts], axis=0)
        found = [view.keyframe_id for view in house.memory.views(of=[low, high], k=3)]
        shown.append((pixels[found] > 0).mean())
        best.append(pixels[found[0]] / pixels.max())

    assert len(shown) > 20
    assert np.mean(shown) >= 0.9
    assert np.median(best) >= 0.7


@pytest.fixture(scope="module")
def room(data_dir):
    """A real room, seen by a Kinect: every other keyframe of 7-Scenes."""
    frames = [item.load() for item in open_recording(data_dir / "rgbd_7scenes").items()][::2]
    memory = ViewMemory(0.1, max_range_m=RANGE_M)
    for i, frame in enumerate(frames):
        memory.add(i, frame.depth_m, K=frame.K, T_map_kf=frame.T_map_cam)
    return SimpleNamespace(
        K=frames[0].K,
        poses=[frame.T_map_cam for frame in frames],
        truth=[frame.depth_m for frame in frames],
        memory=memory,
    )


def test_in_a_real_room_the_views_that_share_most_are_those_of_the_twin(room):
    recall, correlation, error = compare_shared(room, range(0, 50, 4), step=12, slack=0.02)

    assert recall >= 0.85
    assert correlation >= 0.85
    assert error <= 0.1


def test_in_a_real_room_a_point_is_shown_by_those_who_see_it(room):
    rng = np.random.default_rng(1)
    points_map = [
        rng.choice(surface(room.truth[i], room.K, room.poses[i], step=12)) for i in range(50)
    ]

    precision, recall = compare_shown(room, points_map, slack=0.02)

    assert precision >= 0.9
    assert recall >= 0.85
